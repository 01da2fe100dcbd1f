//! The one sink for log lines: syslog, facility authpriv, without ever waiting.
//!
//! A reader of `/dev/log` that is stuck costs a line, never a login: libc's `syslog()` would block.

use std::io::{self, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use crate::process;
use crate::system::{self, socket};

const SOCKET: &str = "/dev/log";
/// Bytes of the longest line; journald and rsyslog take more, but no event here needs it.
const MAX_LINE: usize = 2048;

/// How much a line matters (syslog(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A store was lost, or the program failed.
    Critical,
    /// A login could not be checked.
    Error,
    /// The limit is not enforced for a reason of the host.
    Warning,
    /// A login was refused, or a session ended.
    Notice,
    /// The ordinary course.
    Info,
    /// Only with the argument `debug`.
    Debug,
}

/// Writes lines as other modules do: `sshd[PID]: pam_session_limit(sshd:session): TEXT`.
#[derive(Debug)]
pub struct Log<'a> {
    service: &'a str,
    phase: &'a str,
    debug: bool,
}

impl<'a> Log<'a> {
    /// Names the service and phase that every line begins with.
    #[must_use]
    pub fn new(service: &'a str, phase: &'a str, debug: bool) -> Self {
        Self { service, phase, debug }
    }

    /// Returns whether a line of this level is written at all.
    #[must_use]
    pub fn is_enabled(&self, level: Level) -> bool {
        level != Level::Debug || self.debug
    }

    /// Writes one line. What cannot be written at once is lost: logging changes no verdict.
    pub fn write(&self, level: Level, text: &str) {
        if !self.is_enabled(level) {
            return;
        }
        let Ok(mut socket) = Socket::connect(Path::new(SOCKET)) else { return };
        let text = format!("pam_session_limit({}:{}): {text}", self.service, self.phase);
        let _lost_if_it_would_block = socket.write(formatted(level, &text).as_bytes());
    }
}

impl Level {
    /// Returns the severity's number (RFC 3164, section 4.1.1).
    fn severity(self) -> libc::c_int {
        match self {
            Self::Critical => libc::LOG_CRIT,
            Self::Error => libc::LOG_ERR,
            Self::Warning => libc::LOG_WARNING,
            Self::Notice => libc::LOG_NOTICE,
            Self::Info => libc::LOG_INFO,
            Self::Debug => libc::LOG_DEBUG,
        }
    }
}

/// RFC 3164 without host and time: the reader on this host stamps the line itself.
fn formatted(level: Level, text: &str) -> String {
    let priority = libc::LOG_AUTHPRIV | level.severity();
    // Every part of the text that comes from outside was made printable; this is the last guard.
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line = format!("<{priority}>{}[{}]: {text}", process::own_name(), system::own_pid());
    if line.len() > MAX_LINE {
        let end = (0..=MAX_LINE).rev().find(|&i| line.is_char_boundary(i)).unwrap_or(0);
        line.truncate(end);
        line.push_str("...");
    }
    line
}

/// A socket that never blocks.
enum Socket {
    Datagram(UnixDatagram),
    /// Some syslog daemons listen on a stream; lines end with NUL there.
    Stream(UnixStream),
}

impl Socket {
    fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        match socket.connect(path) {
            Ok(()) => Ok(Self::Datagram(socket)),
            Err(e) if e.raw_os_error() == Some(libc::EPROTOTYPE) => {
                socket::connect_without_waiting(path).map(Self::Stream)
            }
            Err(e) => Err(e),
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Datagram(socket) => socket.send(line),
            // A part of a line would spoil the next one's beginning; the socket ends with us.
            Self::Stream(socket) => socket.write(&[line, b"\0"].concat()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_that_syslog_daemons_read() {
        let line = formatted(Level::Critical, "a\nb\u{1b}");
        let rest = line.strip_prefix("<82>").unwrap();
        assert!(rest.ends_with(&format!("[{}]: a b ", std::process::id())), "{line}");
        assert!(formatted(Level::Debug, "x").starts_with("<87>"));
        let long = formatted(Level::Info, &"é".repeat(MAX_LINE));
        assert!(long.len() <= MAX_LINE + 3 && long.ends_with("..."), "{}", long.len());
    }
}
