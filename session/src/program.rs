//! Where the program `session-limit-session` is, and how it is started.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file name of the program.
pub const NAME: &str = "session-limit-session";
/// Where it is installed, seen from the directory that the calling program is in.
const INSTALLED: &str = "../libexec/session-limit";

/// Finds the program: where it is installed for a program in `bin` or `sbin`, else beside the calling one, as in a
/// build directory.
///
/// # Errors
/// When it is in neither place.
pub fn installed() -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let directory = own.parent().unwrap_or(Path::new("/"));
    let places = [directory.join(INSTALLED).join(NAME), directory.join(NAME)];
    let [first, _] = &places;
    let missing = io::Error::new(
        io::ErrorKind::NotFound,
        format!("{}: no such program; is it installed?", first.display()),
    );
    places.into_iter().find(|path| path.is_file()).ok_or(missing)
}

/// Returns what starts the program with its socket on standard input, and nothing else of the caller's.
#[must_use]
pub fn command(program: &Path, socket: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        // Modules that run helpers look for them here.
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}
