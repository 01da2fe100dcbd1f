//! The client of a session process on the socket that every user of the host may connect to: who it is, as the
//! kernel says.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use session_limit_core::model::sanitize::printable;
use session_limit_core::process::{Stat, is_gone, terminal};
use session_limit_core::system::pidfd::pidfd_open;
use session_limit_core::system::socket::{Peer, peer_of_standard_input};
use session_limit_core::system::users::User;

/// Why a client is turned away.
#[derive(Debug)]
pub enum Unfit {
    /// The process has ended already.
    Gone,
    /// The host knows no user with this id. A user may have the ids of a range in user namespaces.
    NoAccount(u32),
    /// It cannot be said who it is, or counted.
    Unknown(String),
}

/// A client.
#[derive(Debug)]
pub struct Client {
    peer: Peer,
    name: String,
    tty: Option<String>,
    /// Readable once the process is gone, even if others hold its end of the socket.
    process: OwnedFd,
}

impl Client {
    /// Finds out who is at the other end of standard input.
    ///
    /// # Errors
    /// See [`Unfit`].
    pub fn identify() -> Result<Self, Unfit> {
        let failed =
            |error: &io::Error| Unfit::Unknown(session_limit_core::system::error_text(error));
        let peer = peer_of_standard_input()
            .ok_or_else(|| Unfit::Unknown("standard input is no Unix socket".to_owned()))?;
        if peer.pid <= 0 {
            return Err(Unfit::Unknown("the client is in another PID namespace".to_owned()));
        }
        let process = pidfd_open(peer.pid).map_err(|error| match is_gone(&error) {
            true => Unfit::Gone,
            false => failed(&error),
        })?;
        let Some(account) = User::with_uid(peer.uid).map_err(|error| failed(&error))? else {
            return Err(Unfit::NoAccount(peer.uid));
        };
        let name = printable(account.name.to_bytes());
        Ok(Self { tty: terminal_of(peer), peer, name, process })
    }

    /// Returns the name of the user.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the path of the terminal that the process has, where it is one of the user's own.
    #[must_use]
    pub fn tty(&self) -> Option<&str> {
        self.tty.as_deref()
    }

    /// Returns the client as log lines name it.
    #[must_use]
    pub fn described(&self) -> String {
        let Peer { pid, uid } = self.peer;
        let tty = self.tty.as_deref().map(|tty| format!(" on {tty}")).unwrap_or_default();
        format!("{} (uid {uid}, pid {pid}){tty}", self.name)
    }

    /// Returns what becomes readable when the process ends.
    #[must_use]
    pub fn process(&self) -> BorrowedFd<'_> {
        self.process.as_fd()
    }
}

/// Returns the controlling terminal of a process. Not what the client says: it is shown to administrators.
fn terminal_of(peer: Peer) -> Option<String> {
    let number = Stat::of(peer.pid).ok()?.terminal;
    let path = terminal::path_of(number)?;
    let meta = fs::symlink_metadata(&path).ok()?;
    // A number means another terminal in another instance of devpts: not one of another user.
    (meta.file_type().is_char_device() && meta.uid() == peer.uid).then_some(path)
}
