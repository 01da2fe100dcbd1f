//! Signals to exactly one process (pidfd_open(2), pidfd_send_signal(2)).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Opens a descriptor that names one process for good (pidfd_open(2), Linux 5.3).
///
/// # Errors
///
/// `ESRCH` where the process is gone, `ENOSYS` on older kernels.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, close-on-exec, and to no other code.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends `signal` to the process behind `pidfd`.
///
/// # Errors
///
/// `ESRCH` where it is gone.
pub fn pidfd_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open; a null siginfo means the same as kill(2).
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends `signal` to a pid; for kernels without pidfds.
///
/// # Errors
///
/// Those of kill(2).
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
