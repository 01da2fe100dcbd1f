//! Waiting for the client, or for the end.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The socket is ready, or at its end.
    Socket,
    /// A signal asks us to end, or the process of the client has ended.
    End,
    /// Nothing, for too long.
    Timeout,
}

/// The client's socket, and what ends the session beside it.
#[derive(Debug)]
pub struct Connection<'a> {
    socket: BorrowedFd<'a>,
    signals: &'a UnixStream,
    process: Option<BorrowedFd<'a>>,
}

impl<'a> Connection<'a> {
    /// Watches a socket and signals, and the process of the client, where that is known.
    #[must_use]
    pub fn new(
        socket: BorrowedFd<'a>,
        signals: &'a UnixStream,
        process: Option<BorrowedFd<'a>>,
    ) -> Self {
        Self { socket, signals, process }
    }

    /// Returns the socket.
    #[must_use]
    pub fn socket(&self) -> BorrowedFd<'a> {
        self.socket
    }

    /// Waits for a packet or the end, for `limit` at most.
    #[must_use]
    pub fn wait(&self, limit: Option<Duration>) -> Event {
        self.wait_until(PollFlags::IN, limit)
    }

    /// Waits until the socket is ready for `what`; returns false when the session is to end first.
    #[must_use]
    pub fn is_ready(&self, what: PollFlags, limit: Option<Duration>) -> bool {
        self.wait_until(what, limit) == Event::Socket
    }

    fn wait_until(&self, what: PollFlags, limit: Option<Duration>) -> Event {
        let began = Instant::now();
        loop {
            let mut all = vec![
                PollFd::new(&self.socket, what),
                PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            ];
            all.extend(self.process.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
            let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
            let timeout = left.map(|left| Timespec::try_from(left).unwrap_or_default());
            match poll(&mut all, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Ok(0) => return Event::Timeout,
                Ok(_) if all.iter().skip(1).all(|end| end.revents().is_empty()) => {
                    return Event::Socket;
                }
                _ => return Event::End,
            }
        }
    }
}

/// Returns the end of a pipe that becomes readable when a signal asks us to leave.
///
/// # Errors
/// When the signals cannot be had.
pub fn signals() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}
