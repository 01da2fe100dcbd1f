//! A process that holds the lock and stands still.
//!
//! A user who may run a program of root's, by sudo for example, does so inside a control group of their
//! own, and may freeze it: the program would hold the lock for as long as they like. SIGKILL reaches a
//! frozen or stopped process, and the rollback journal survives it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use crate::process::{Stat, cgroup};
use crate::system::{self, pidfd};

/// Ends the process that holds the flock(2) of `file` if it is stopped or frozen.
pub fn end_if_standing_still(file: &File) {
    let Some(pid) = holder_of(file).filter(|&pid| pid > 1 && pid != system::own_pid()) else {
        return;
    };
    // The descriptor first: what is looked at after that is the process that will be signalled.
    let Ok(process) = pidfd::pidfd_open(pid) else { return };
    let stands_still = || cgroup::is_frozen(pid) || Stat::of(pid).is_ok_and(Stat::is_stopped);
    if stands_still() && holder_of(file) == Some(pid) {
        // One that is gone meanwhile holds nothing any more.
        let _ = pidfd::pidfd_signal(&process, libc::SIGKILL);
    }
}

/// Returns the process that holds the flock(2) of `file`, from `/proc/locks` (proc_locks(5)).
fn holder_of(file: &File) -> Option<i32> {
    let meta = file.metadata().ok()?;
    let (major, minor) = (libc::major(meta.dev()), libc::minor(meta.dev()));
    let place = format!("{major:02x}:{minor:02x}:{}", meta.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    holder_in(&locks, &place)
}

/// Reads lines such as `1: FLOCK  ADVISORY  WRITE 708 00:13:2233 0 EOF`; those of waiters have `->`
/// behind the number.
fn holder_in(locks: &str, place: &str) -> Option<i32> {
    locks.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid = fields.nth(2)?.parse().ok()?;
        (fields.next()? == place).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(holder_of(&file), None);
        assert!(system::file_lock::try_lock(&file).unwrap());
        assert_eq!(holder_of(&file), Some(system::own_pid()));
    }

    #[test]
    fn only_the_holder_counts_not_its_waiters() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:13:5 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 8 00:13:55 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 9 00:13:5 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 10 00:13:5 0 EOF\n";
        assert_eq!(holder_in(locks, "00:13:5"), Some(9));
        assert_eq!(holder_in(locks, "00:14:5"), None);
        assert_eq!(holder_in("nonsense\n", "00:13:5"), None);
    }
}
