//! Locks on whole files (flock(2)), and the kind of file system a file lies on (statfs(2)).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Tries to lock `file` for this open file alone (flock(2)); returns whether it did.
///
/// # Errors
///
/// Those of flock other than the lock being held.
pub fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(false),
            io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// Releases a lock taken by [`try_lock`].
///
/// Closing alone is not enough: a child that the host forked meanwhile holds the same open file.
pub fn unlock(file: &File) {
    // SAFETY: the descriptor is open for as long as `file` is borrowed.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Returns whether the file lies in memory only (tmpfs, ramfs), so that a reboot empties it.
#[must_use]
pub fn is_in_memory(file: &File) -> bool {
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    // SAFETY: statfs is plain numbers, for which all zeroes is a value.
    let mut fs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, `fs` is a valid statfs to write to.
    let done = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut fs) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "f_type is not i64 on every architecture")]
    let kind = fs.f_type as i64;
    #[allow(clippy::unnecessary_cast, reason = "TMPFS_MAGIC is not i64 on every architecture")]
    let tmpfs = libc::TMPFS_MAGIC as i64;
    // 32-bit architectures hand the number out with its sign.
    done && (kind == tmpfs || kind & 0xffff_ffff == RAMFS_MAGIC)
}
