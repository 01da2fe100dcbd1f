//! What a session that is ended reads on its terminal.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use crate::model::session::Session;
use crate::system::clock;

/// Terminals of one session that are written to at most.
const MAX_TERMINALS: usize = 16;

/// Writes one line to each of the session's terminals, given by their device numbers (field 7 of
/// proc_pid_stat(5)). What cannot be written at once is lost: a stopped terminal delays no login.
pub fn write(session: &Session, terminals: impl Iterator<Item = i32>, ended_by: &str) {
    let numbers: HashSet<i32> = terminals.filter(|&number| number != 0).collect();
    let line = line(ended_by, clock::epoch_seconds());
    for number in numbers.into_iter().take(MAX_TERMINALS) {
        if let Some(mut terminal) = path_of(number).and_then(|path| open(&path, session.uid)) {
            let _ = terminal.write(line.as_bytes());
        }
    }
}

fn line(ended_by: &str, now: i64) -> String {
    format!("\r\nThis session was ended by {ended_by} on {}.\r\n", utc(now))
}

/// Returns where the terminal with this device number is: Linux's consoles and Unix98 pseudo terminals
/// (admin-guide/devices in the kernel's documentation).
fn path_of(number: i32) -> Option<String> {
    let number = u64::from(u32::from_ne_bytes(number.to_ne_bytes()));
    match (libc::major(number), libc::minor(number)) {
        (4, console @ 1..=63) => Some(format!("/dev/tty{console}")),
        (major @ 136..=143, minor) => Some(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
        _ => None,
    }
}

/// Opens a terminal of `uid`, without waiting for it and without making it the host's own.
fn open(path: &str, uid: u32) -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_NOFOLLOW;
    let file = OpenOptions::new().write(true).custom_flags(flags).open(path).ok()?;
    let meta = file.metadata().ok()?;
    // A number means another terminal in another instance of devpts: not one of another user.
    (meta.file_type().is_char_device() && meta.uid() == uid).then_some(file)
}

/// Returns a time as `2026-11-25 18:42:05 UTC`. The time zone would have to be taken from the
/// environment of the host process.
fn utc(epoch_seconds: i64) -> String {
    let (days, rest) = (epoch_seconds.div_euclid(86_400), epoch_seconds.rem_euclid(86_400));
    // Days are counted from 1 March of the year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_632_125, "2026-11-25 18:42:05 UTC"),
            (4_102_444_799, "2099-12-31 23:59:59 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn only_consoles_and_pseudo_terminals_have_a_path() {
        let number = |major, minor| i32::try_from(libc::makedev(major, minor)).unwrap();
        assert_eq!(path_of(number(4, 1)).as_deref(), Some("/dev/tty1"));
        assert_eq!(path_of(number(136, 7)).as_deref(), Some("/dev/pts/7"));
        assert_eq!(path_of(number(137, 1)).as_deref(), Some("/dev/pts/257"));
        assert_eq!(path_of(number(4, 64)), None, "a serial line");
        assert_eq!(path_of(number(1, 3)), None, "/dev/null");
    }

    #[test]
    fn the_line_stands_on_a_line_of_its_own() {
        assert_eq!(
            line("a new login of alice (service sshd)", 0),
            "\r\nThis session was ended by a new login of alice (service sshd) on \
             1970-01-01 00:00:00 UTC.\r\n"
        );
    }
}
