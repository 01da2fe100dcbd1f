//! The process that holds a PAM session: it authenticates, opens, waits and closes.
//!
//! It ends when its socket closes, however the prompt ended, or when a signal tells it to: that is
//! how a session is cleared. In both cases it closes the session first.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::hardening;
use crate::ipc::{self, HolderMessage};
use crate::pam_client::{Answer, Conversation, Style, Transaction};

/// Holds one session, with the prompt's socket on standard input.
///
/// # Errors
/// When nothing that speaks our language is at the other end.
pub fn run() -> io::Result<()> {
    hardening::protect()?;
    hardening::lock_memory();
    // Out of the reach of the terminal: Ctrl-C and hanging up are for the prompt.
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    let Some(start) = ipc::receive_start(socket)? else { return Ok(()) };
    let signals = signals()?;
    let mut relay = Relay { socket, signals: signals.as_fd() };
    let login = Transaction::start(&start, &mut relay).and_then(|mut transaction| {
        transaction.authenticate()?;
        // A prompt that is gone is noticed by the next question, or by the wait.
        let _ = ipc::send(socket, &HolderMessage::Authenticated);
        transaction.check_account()?;
        transaction.open()?;
        Ok(transaction)
    });
    match login {
        Err(failure) => ipc::send(socket, &HolderMessage::Failed(failure)),
        Ok(transaction) => {
            let user = transaction.user().unwrap_or_default();
            let _ = ipc::send(socket, &HolderMessage::Opened(user));
            wait_for_end(socket, signals.as_fd());
            drop(transaction);
            Ok(())
        }
    }
}

/// Returns the end of a pipe that becomes readable when a signal asks us to leave.
fn signals() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}

/// Hands the modules' messages on to the prompt.
struct Relay<'a> {
    socket: BorrowedFd<'a>,
    signals: BorrowedFd<'a>,
}

impl Conversation for Relay<'_> {
    fn converse(&mut self, style: Style, text: &str) -> Option<Answer> {
        ipc::send(self.socket, &HolderMessage::Message(style.number(), text.to_owned())).ok()?;
        if !style.is_question() {
            return Some(Answer::Shown);
        }
        if wait(self.socket, self.signals) == Event::Signal {
            return None;
        }
        ipc::receive_answer(self.socket).ok().flatten().map(Answer::Text)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Socket,
    Signal,
}

fn wait_for_end(socket: BorrowedFd<'_>, signals: BorrowedFd<'_>) {
    // The prompt says nothing after the login: whatever happens on the socket is its end.
    wait(socket, signals);
}

fn wait(socket: BorrowedFd<'_>, signals: BorrowedFd<'_>) -> Event {
    loop {
        let mut both = [
            PollFd::from_borrowed_fd(signals, PollFlags::IN),
            PollFd::from_borrowed_fd(socket, PollFlags::IN),
        ];
        match poll(&mut both, None) {
            Err(Errno::INTR) => {}
            Ok(_) if both.first().is_some_and(|signal| signal.revents().is_empty()) => {
                return Event::Socket;
            }
            _ => return Event::Signal,
        }
    }
}
