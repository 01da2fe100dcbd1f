//! The lock beside the store: one transaction at a time on this host.
//!
//! SQLite's own waiting fails under a herd of logins: everybody polls, and some starve. Here the lock
//! is a flock(2), which the kernel takes from whoever dies, and those who wait sleep in the kernel,
//! first come first woken: a counter in the lock file is a futex(2) that a holder bumps and wakes one
//! waiter on when it leaves, if somebody waits. A wake-up can get lost (a holder was killed), so nobody
//! sleeps longer than a moment without trying anew, and nobody waits beyond the deadline: a stopped
//! holder must not stop all logins.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use crate::store::secure_file::{StoreError, broken, failed, open_or_create};
use crate::system::{self, OutOfReach, SharedWord, SignalsHeld};

/// How long a waiter sleeps at most before it tries anew: 20 to 40 ms.
const NAP: Duration = Duration::from_millis(20);

/// The lock, held; released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Dropped after the lock was released.
    _shelter: Shelter,
}

/// The host must not be stopped or ended by a signal while it is the one that everybody waits for.
#[derive(Debug)]
struct Shelter {
    _reach: OutOfReach,
    _signals: SignalsHeld,
}

impl Shelter {
    fn new() -> Self {
        let signals = SignalsHeld::new();
        Self { _reach: OutOfReach::new(), _signals: signals }
    }
}

impl Lock {
    /// Takes the lock at `path`, within `deadline`.
    ///
    /// # Errors
    ///
    /// The file cannot be made, is not safe, or was not free in time.
    pub fn take(path: &Path, deadline: Duration) -> Result<Self, StoreError> {
        let until = system::boot_ns_in(deadline);
        loop {
            let (file, meta) = open_or_create(path)?;
            let shelter = wait_for(&file, until).map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => {
                    broken(path, &format!("not free within {} ms", deadline.as_millis()))
                }
                _ => failed(path, "cannot be locked", &e),
            })?;
            let lock = Self { file, _shelter: shelter };
            // The file may have been removed while we waited for it.
            if is_at(path, &meta) {
                return Ok(lock);
            }
        }
    }

    /// Returns whether the lock, and so the store, lies in memory only.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        system::is_in_memory(&self.file)
    }
}

/// Returns whether the file that `ours` tells of is the one at `path`.
fn is_at(path: &Path, ours: &Metadata) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

impl Drop for Lock {
    fn drop(&mut self) {
        system::unlock(&self.file);
        // Read after the lock is free: who tried before that, in vain, has said so first.
        if !is_waited_for(&self.file) {
            return;
        }
        // On a full file system the counter may not exist: waiters then wake by themselves.
        let _ = self.file.write_all_at(&turn(&self.file).wrapping_add(1).to_ne_bytes(), TURN);
        if SharedWord::map(&self.file).is_ok_and(|word| !word.wake_one()) {
            // Whoever begins to wait at this moment is not woken, and tries anew after a nap.
            let _ = self.file.write_all_at(&[0], WAITED_FOR);
        }
    }
}

/// Where in the lock file the counter is, the futex that waiters sleep on.
const TURN: u64 = 0;
/// Where the byte is that is not 0 while somebody waits: who leaves need not count and wake for nobody.
const WAITED_FOR: u64 = 4;

fn is_waited_for(file: &File) -> bool {
    let mut byte = [0];
    file.read_exact_at(&mut byte, WAITED_FOR).is_ok_and(|()| byte != [0])
}

/// Returns the counter in the lock file: which holder's turn it is. A new file is empty.
fn turn(file: &File) -> u32 {
    let mut bytes = [0; 4];
    match file.read_exact_at(&mut bytes, TURN) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

/// Locks `file`; fails with `TimedOut` at the boot time `until` (nanoseconds).
fn wait_for(file: &File, until: i64) -> io::Result<Shelter> {
    if let Some(shelter) = try_lock(file)? {
        return Ok(shelter);
    }
    let word = SharedWord::map(file);
    loop {
        let _ = file.write_all_at(&[1], WAITED_FOR);
        // Read before the try: who leaves in between changes it, and the sleep ends at once.
        let before = turn(file);
        if let Some(shelter) = try_lock(file)? {
            return Ok(shelter);
        }
        let left = until.saturating_sub(system::boot_ns());
        let Some(left) = u64::try_from(left).ok().filter(|&left| left > 0) else {
            return Err(io::ErrorKind::TimedOut.into());
        };
        let nap = nap().min(Duration::from_nanos(left));
        match &word {
            Ok(word) => word.wait_while(before, nap),
            Err(_) => std::thread::sleep(nap),
        }
    }
}

/// Tries to lock `file`, sheltered before the lock is there, for there must be no gap.
fn try_lock(file: &File) -> io::Result<Option<Shelter>> {
    let shelter = Shelter::new();
    Ok(system::try_lock(file)?.then_some(shelter))
}

/// Returns a time to sleep that differs between processes and between turns.
fn nap() -> Duration {
    // Not a secret: it only keeps waiters from trying in step.
    let mut mix =
        u64::from(system::own_pid().unsigned_abs()) ^ (system::boot_ns().unsigned_abs() << 8);
    mix ^= mix >> 31;
    mix = mix.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    NAP + Duration::from_micros((mix >> 32) % 20_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_lock_that_is_held_is_waited_for_until_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let _held = Lock::take(&path, Duration::from_secs(1)).unwrap();
        let began = Instant::now();
        let error = Lock::take(&path, Duration::from_millis(200)).unwrap_err();
        assert!(began.elapsed() >= Duration::from_millis(200));
        assert_eq!(error.to_string(), format!("{}: not free within 200 ms", path.display()));
    }

    #[test]
    fn a_lock_file_removed_by_its_holder_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::take(&path, Duration::from_secs(1)).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Lock::take(&path, Duration::from_secs(1)).unwrap();
        let is_at = |lock: &Lock| is_at(&path, &lock.file.metadata().unwrap());
        assert!(is_at(&second) && !is_at(&held));
    }

    #[test]
    fn a_release_is_another_turn_where_somebody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let take = || Lock::take(&path, Duration::from_secs(1)).unwrap();
        assert_eq!(turn(&take().file), 0);
        let held = take();
        assert_eq!(turn(&held.file), 0, "nobody waited");
        held.file.write_all_at(&[1], WAITED_FOR).unwrap();
        drop(held);
        let held = take();
        assert_eq!(turn(&held.file), 1);
        assert!(!is_waited_for(&held.file), "nobody was there to be woken");
    }
}
