//! The few system calls that the standard library does not offer, behind safe functions.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Has the kernel kill the child when the thread that spawned it ends, however it ends.
pub fn die_with_this_thread(command: &mut Command) -> &mut Command {
    let ask_the_kernel = || {
        // SAFETY: prctl takes two integers here.
        checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
    };
    // SAFETY: between fork and exec only an async-signal-safe call is made.
    unsafe { command.pre_exec(ask_the_kernel) }
}

/// Gives the child a session of its own, so that a signal to our group does not reach it.
pub fn in_own_session(command: &mut Command) -> &mut Command {
    let new_session = || {
        // SAFETY: setsid takes nothing.
        checked(unsafe { libc::setsid() })
    };
    // SAFETY: between fork and exec only an async-signal-safe call is made.
    unsafe { command.pre_exec(new_session) }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Opens a pseudo terminal of the devpts instance at `devpts`: the master and the slave's number.
pub fn open_pty(devpts: &Path) -> io::Result<(File, u32)> {
    let master = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(devpts.join("ptmx"))?;
    let mut number: libc::c_uint = 0;
    // SAFETY: the descriptor is open and the pointer is to a live integer of the type that is written.
    let numbered = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &raw mut number) };
    let lock: libc::c_int = 0;
    // SAFETY: the descriptor is open and the pointer is to a live integer of the type that is read.
    let unlocked = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const lock) };
    if numbered != 0 || unlocked != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((master, number))
}

/// Takes the lock of a file, waiting for it. The kernel releases it when its holder exits.
pub fn lock(file: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as the call lasts.
    checked(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) })
}

/// Sends a signal. A process that is gone already is no error.
pub fn kill(pid: u32, signal: i32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: kill takes two integers.
        unsafe { libc::kill(pid, signal) };
    }
}

/// True when this process may do everything.
pub fn is_root() -> bool {
    // SAFETY: geteuid cannot fail and takes nothing.
    unsafe { libc::geteuid() == 0 }
}
