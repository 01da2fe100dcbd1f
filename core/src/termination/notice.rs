//! What a session that is ended reads on its terminal.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use crate::model::sanitize::shortened;
use crate::model::session::Session;
use crate::model::utc::utc;
use crate::process::terminal::path_of;
use crate::system::clock;

/// Terminals of one session that are written to at most.
const MAX_TERMINALS: usize = 16;
/// Characters of who ended the session: names of users, hosts and terminals are from outside.
const MAX_NAMES: usize = 400;

/// Writes one line to each of the session's terminals, given by their device numbers (field 7 of
/// proc_pid_stat(5)). What cannot be written at once is lost: a stopped terminal delays no login. Returns
/// whether anything was written.
pub fn write(session: &Session, terminals: impl Iterator<Item = i32>, ended_by: &str) -> bool {
    let numbers: HashSet<i32> = terminals.filter(|&number| number != 0).collect();
    let line = line(ended_by, clock::epoch_seconds());
    let mut written = false;
    for number in numbers.into_iter().take(MAX_TERMINALS) {
        if let Some(mut terminal) = path_of(number).and_then(|path| open(&path, session.uid)) {
            written |= terminal.write(line.as_bytes()).is_ok();
        }
    }
    written
}

/// Returns the line, however long the names in it are, and without anything that moves a terminal's cursor.
fn line(ended_by: &str, now: i64) -> String {
    let ended_by: String = shortened(ended_by, MAX_NAMES)
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    format!("\r\nThis session was ended by {ended_by} on {}.\r\n", utc(now))
}

/// Opens a terminal of `uid`, without waiting for it and without making it the host's own.
fn open(path: &str, uid: u32) -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    let meta = file.metadata().ok()?;
    // A number means another terminal in another instance of devpts: not one of another user.
    (meta.file_type().is_char_device() && meta.uid() == uid).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_stands_on_a_line_of_its_own() {
        assert_eq!(
            line("a new login of alice (service sshd)", 0),
            "\r\nThis session was ended by a new login of alice (service sshd) on \
             1970-01-01 00:00:00 UTC.\r\n"
        );
    }

    #[test]
    fn the_line_is_bounded_and_moves_no_cursor() {
        let long = line(&format!("\u{1b}[2J\r\n{}", "x".repeat(100_000)), 0);
        assert!(long.len() < 500, "{}", long.len());
        let inner = long.trim_matches(['\r', '\n']);
        assert!(inner.starts_with("This session was ended by ?[2J??xxx"), "{inner}");
        assert!(!inner.contains(char::is_control), "{inner}");
    }
}
