//! The terminals that the processes of a session have.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use super::table::{Process, descendants};
use crate::model::session::Leader;

/// A terminal at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// Its path.
    pub path: String,
    /// When something was last typed: the file's access time, as w(1) takes it; in seconds after the epoch.
    ///
    /// The kernel moves it on in steps of 8 s.
    pub last_input: i64,
}

/// Returns the terminal of `uid` that was typed at last, of those that the session's leader and its
/// descendants run on.
#[must_use]
pub fn of_session(leader: &Leader, uid: u32, processes: &[Process]) -> Option<Terminal> {
    let tree =
        descendants(processes, |process| process.identity() == (leader.pid, leader.start_time));
    let mut numbers: Vec<i32> = processes
        .iter()
        .filter(|process| tree.contains(&process.pid) && process.stat.terminal != 0)
        .map(|process| process.stat.terminal)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    let terminals = numbers.into_iter().filter_map(|number| {
        let path = path_of(number)?;
        let meta = fs::symlink_metadata(&path).ok()?;
        // A number means another terminal in another instance of devpts: not one of another user.
        (meta.file_type().is_char_device() && meta.uid() == uid)
            .then(|| Terminal { path, last_input: meta.atime() })
    });
    terminals.max_by_key(|terminal| terminal.last_input)
}

/// Returns where the terminal with this device number is: Linux's consoles and Unix98 pseudo terminals
/// (admin-guide/devices in the kernel's documentation).
#[must_use]
pub fn path_of(number: i32) -> Option<String> {
    let number = u64::from(u32::from_ne_bytes(number.to_ne_bytes()));
    match (libc::major(number), libc::minor(number)) {
        (4, console @ 1..=63) => Some(format!("/dev/tty{console}")),
        (major @ 136..=143, minor) => Some(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_consoles_and_pseudo_terminals_have_a_path() {
        let number = |major, minor| i32::try_from(libc::makedev(major, minor)).unwrap();
        assert_eq!(path_of(number(4, 1)).as_deref(), Some("/dev/tty1"));
        assert_eq!(path_of(number(136, 7)).as_deref(), Some("/dev/pts/7"));
        assert_eq!(path_of(number(137, 1)).as_deref(), Some("/dev/pts/257"));
        assert_eq!(path_of(number(4, 64)), None, "a serial line");
        assert_eq!(path_of(number(1, 3)), None, "/dev/null");
    }
}
