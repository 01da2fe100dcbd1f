//! Descriptors 0 to 2, which a host may have left closed.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

/// Descriptors 0 to 2, where the host left them closed, taken for as long as the value lives.
///
/// They behave as if they were closed: what is written to them by habit fails. Without this a file of
/// ours could be there, and get what is written by habit.
pub struct StdFdGuard {
    _taken: Vec<File>,
}

impl StdFdGuard {
    /// Takes those that are closed.
    #[must_use]
    pub fn new() -> Self {
        let mut taken = Vec::new();
        while is_one_closed() {
            // Names a file without opening it.
            let path_only = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/");
            let Ok(file) = path_only else { break };
            // Another thread of the host was faster.
            if file.as_raw_fd() > 2 {
                break;
            }
            taken.push(file);
        }
        Self { _taken: taken }
    }
}

/// Returns whether descriptor 0, 1 or 2 is closed.
fn is_one_closed() -> bool {
    // SAFETY: asks for flags of a number, open or not.
    (0..=2).any(|number| unsafe { libc::fcntl(number, libc::F_GETFD) } < 0)
}

impl Default for StdFdGuard {
    fn default() -> Self {
        Self::new()
    }
}
