//! The lock beside the store: one transaction at a time on this host.
//!
//! SQLite's own waiting fails under a herd of logins: every waiter polls, and some starve. Here the lock
//! is a flock(2), which the kernel takes from a process that dies. Waiters try again after short naps of
//! random length, up to a deadline: a stopped holder must not stop all logins. A holder that stands still for
//! half of that time is ended, see [`holder`].

mod holder;

use std::fs::{self, File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use super::secure_file::open_or_create;
use crate::system::clock;
use crate::system::file_lock;
use crate::system::real_uid::RealUidGuard;
use crate::system::signals::BlockedSignals;

/// The lock, held; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Dropped after the lock was released.
    _guards: LockGuards,
}

/// The host process must not be stopped or ended by a signal while all others wait for it.
#[derive(Debug)]
struct LockGuards {
    _real_uid: RealUidGuard,
    _signals: BlockedSignals,
}

impl LockGuards {
    fn new() -> Self {
        let signals = BlockedSignals::new();
        Self { _real_uid: RealUidGuard::new(), _signals: signals }
    }
}

impl Lock {
    /// Takes the lock at `path`, within `deadline`.
    ///
    /// # Errors
    ///
    /// The file cannot be created, is not safe, or was not free in time.
    pub fn take(path: &Path, deadline: Duration) -> Result<Self, StoreError> {
        let began = clock::boot_ns();
        loop {
            let (file, meta) = open_or_create(path)?;
            let guards = wait_for(&file, path, began, deadline)?;
            let lock = Self { file, _guards: guards };
            // The file may have been removed while we waited for it.
            if is_at(path, &meta) {
                return Ok(lock);
            }
        }
    }

    /// Returns whether the lock, and so the store, lies in memory only.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        file_lock::is_in_memory(&self.file)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        file_lock::unlock(&self.file);
    }
}

/// Returns whether the file with this metadata is the one at `path`.
fn is_at(path: &Path, ours: &Metadata) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

/// Locks `file`, for which this process waits since `began` (nanoseconds of boot time).
fn wait_for(
    file: &File,
    path: &Path,
    began: i64,
    deadline: Duration,
) -> Result<LockGuards, StoreError> {
    let mut holder_examined = false;
    loop {
        // Before the lock is there, for there must be no gap.
        let guards = LockGuards::new();
        let is_locked =
            file_lock::try_lock(file).map_err(|e| StoreError::io(path, "cannot be locked", &e))?;
        if is_locked {
            return Ok(guards);
        }
        drop(guards);
        let waited = clock::boot_ns().saturating_sub(began);
        let waited = Duration::from_nanos(u64::try_from(waited).unwrap_or(0));
        if waited >= deadline {
            let reason = format!("not free within {} ms", deadline.as_millis());
            return Err(StoreError::at(path, &reason));
        }
        if waited >= deadline / 2 && !holder_examined {
            holder_examined = true;
            holder::end_if_standing_still(file);
        }
        std::thread::sleep(retry_delay(waited, deadline).min(deadline.saturating_sub(waited)));
    }
}

/// Returns how long to sleep before the next try: 5 to 15 ms, and a third of that in the second half of
/// the deadline, so that a waiter is not overtaken until it gives up.
///
/// Shorter naps for all would let hundreds of waiters take the processor from the holder.
fn retry_delay(waited: Duration, deadline: Duration) -> Duration {
    // Not a secret: it only keeps waiters from trying in step.
    let seed = u64::from(std::process::id()) ^ (clock::boot_ns().unsigned_abs() << 8);
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let delay = Duration::from_micros(5_000 + mixed % 10_000);
    if waited < deadline / 2 { delay } else { delay / 3 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_lock_that_is_held_is_waited_for_until_it_is_free() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = Lock::take(&path, Duration::from_secs(1)).unwrap();
        let waiter = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path, Duration::from_secs(30)).map(drop)
        });
        std::thread::sleep(Duration::from_millis(50));
        assert!(!waiter.is_finished());
        drop(held);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn a_lock_that_stays_held_is_given_up_at_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = Lock::take(&path, Duration::from_secs(1)).unwrap();
        let began = Instant::now();
        let error = Lock::take(&path, Duration::from_millis(200)).unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(200));
        assert_eq!(error.to_string(), format!("{}: not free within 200 ms", path.display()));
    }

    #[test]
    fn a_lock_file_removed_by_its_holder_is_created_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let held = Lock::take(&path, Duration::from_secs(1)).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Lock::take(&path, Duration::from_secs(1)).unwrap();
        let is_at = |lock: &Lock| is_at(&path, &lock.file.metadata().unwrap());
        assert!(is_at(&second) && !is_at(&held));
    }

    #[test]
    fn naps_are_short_and_shorter_before_the_deadline() {
        let deadline = Duration::from_secs(5);
        for _ in 0..100 {
            let first = retry_delay(Duration::ZERO, deadline);
            assert!((5_000..15_000).contains(&first.as_micros()), "{first:?}");
            let late = retry_delay(Duration::from_secs(4), deadline);
            assert!((1_666..5_000).contains(&late.as_micros()), "{late:?}");
        }
    }

    /// A process of flock(1) that holds the lock at `path`.
    fn holder(path: &Path) -> std::process::Child {
        File::create(path).unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = std::process::Command::new("flock");
        let child = command.arg("--close").arg(path).args(["sleep", "60"]).spawn().unwrap();
        let file = File::open(path).unwrap();
        while file_lock::try_lock(&file).unwrap() {
            file_lock::unlock(&file);
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    #[test]
    fn a_stopped_holder_is_ended_after_half_the_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let mut child = holder(&path);
        let pid = i32::try_from(child.id()).unwrap();
        crate::system::pidfd::kill(pid, libc::SIGSTOP).unwrap();
        let began = Instant::now();
        let lock = Lock::take(&path, Duration::from_secs(4)).unwrap();
        assert!((2..4).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        drop(lock);
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    }

    #[test]
    fn a_holder_that_runs_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let mut child = holder(&path);
        assert!(Lock::take(&path, Duration::from_millis(400)).is_err());
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
