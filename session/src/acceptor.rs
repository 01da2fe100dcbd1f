//! Accepts the connections of the `shell` of users, and starts a session process for each.
//!
//! A user beyond [`MAX_CONNECTIONS`] is turned away here, which costs so little that no number of connections makes
//! other users wait.
#![forbid(unsafe_code)]

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use session_limit_core::log::{Level, Log};
use session_limit_core::system::error_text;
use session_limit_core::system::socket::peer_of;
use signal_hook::consts::SIGCHLD;

use crate::local_session::refuse;
use crate::program;
use crate::session_process::PROGRAM;
use crate::wait::signals;

/// Connections that one user may have at once, those of failing logins among them.
pub const MAX_CONNECTIONS: usize = 16;
/// Connections of all users; beyond them, others wait to be accepted.
const MAX_PROCESSES: usize = 1024;
/// How long the process waits for the next connection when there are none.
const IDLE: Duration = Duration::from_secs(60);

/// Accepts connections on standard input, a socket that listens, until a signal, or until there are none.
///
/// # Errors
/// When standard input is no such socket.
pub fn run() -> io::Result<()> {
    let stdin = io::stdin();
    let listener = stdin.as_fd();
    rustix::io::ioctl_fionbio(listener, true)?;
    let program = std::env::current_exe()?;
    let signals = signals()?;
    let (mut ended, end) = UnixStream::pair()?;
    ended.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(SIGCHLD, end)?;
    let mut processes = Processes::default();
    loop {
        let (ended_fd, signals_fd) = (ended.as_fd(), signals.as_fd());
        let mut fds = vec![
            PollFd::from_borrowed_fd(signals_fd, PollFlags::IN),
            PollFd::from_borrowed_fd(ended_fd, PollFlags::IN),
        ];
        if processes.0.len() < MAX_PROCESSES {
            fds.push(PollFd::from_borrowed_fd(listener, PollFlags::IN));
        }
        let limit = Timespec::try_from(IDLE).unwrap_or_default();
        let limit = processes.0.is_empty().then_some(&limit);
        match poll(&mut fds, limit) {
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(0) => return Ok(()),
            Ok(_) => {}
        }
        let is_ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
        let (told_to_end, has_connection) = (is_ready(0), is_ready(2));
        if told_to_end {
            return Ok(());
        }
        // Emptied: what counts is which processes have ended.
        let _ = ended.read(&mut [0; 64]);
        processes.forget_ended();
        if has_connection {
            match accept_with(listener, SocketFlags::CLOEXEC) {
                Ok(connection) => processes.serve(&program, connection),
                // It is gone already, or there is no descriptor for it just now.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The session processes, with the users whose connections they serve.
#[derive(Default)]
struct Processes(Vec<(Child, u32)>);

impl Processes {
    fn serve(&mut self, program: &Path, connection: OwnedFd) {
        let Some(peer) = peer_of(&connection) else { return };
        let held = self.0.iter().filter(|(_, uid)| *uid == peer.uid).count();
        if held >= MAX_CONNECTIONS {
            // Not logged: a user could fill the log.
            refuse(
                &connection,
                format!(
                    "{MAX_CONNECTIONS} of your logins through shell are open or being tried, which is the most; \
                     end one first"
                ),
            );
            return;
        }
        match program::command(program, connection).arg("--local").spawn() {
            Ok(child) => self.0.push((child, peer.uid)),
            Err(error) => {
                let text = format!("{}: {}", program.display(), error_text(&error));
                Log::new(PROGRAM, "accept", false).write(Level::Error, &text);
            }
        }
    }

    fn forget_ended(&mut self) {
        self.0.retain_mut(|(child, _)| matches!(child.try_wait(), Ok(None)));
    }
}
