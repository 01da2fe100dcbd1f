//! The operating system behind safe functions: all `unsafe` of this crate is in this directory.

pub mod clock;
pub mod file_lock;
pub mod libaudit;
pub mod library;
pub mod pidfd;
pub mod real_uid;
pub mod shadow;
pub mod signals;
pub mod socket;
pub mod std_descriptors;
pub mod users;

use std::io;

/// Returns the text of an error without Rust's "(os error N)".
///
/// `strerror` is not used: it may share storage with the host process.
#[must_use]
pub fn error_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Returns the pid of the calling process; read at each call, for the host may fork.
#[must_use]
pub fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// Returns the pid of the parent process.
#[must_use]
pub fn parent_pid() -> i32 {
    i32::try_from(std::os::unix::process::parent_id()).unwrap_or(0)
}

/// Returns the effective uid of the process.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Returns the process session (setsid(2)) of the calling process.
#[must_use]
pub fn own_process_session() -> i32 {
    // SAFETY: getsid(0) asks for the calling process and cannot fail.
    unsafe { libc::getsid(0) }
}
