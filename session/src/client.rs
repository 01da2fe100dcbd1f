//! The client of a session process on the socket that every user of the host may connect to: who it is, as the
//! kernel says, and how many of its connections there are.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use session_limit_core::model::sanitize::printable;
use session_limit_core::process::{Stat, is_gone, terminal};
use session_limit_core::store::{self, StoreError, secure_file};
use session_limit_core::system::file_lock::try_lock;
use session_limit_core::system::pidfd::pidfd_open;
use session_limit_core::system::socket::{Peer, peer_of_standard_input};
use session_limit_core::system::users::User;

/// Connections that one user may have at once, those of failing logins among them.
pub const MAX_CONNECTIONS: u32 = 16;
/// Where they are counted, beside the store.
const DIRECTORY: &str = "connections";

/// Why a client is turned away.
#[derive(Debug)]
pub enum Unfit {
    /// The user has too many connections.
    TooMany,
    /// The process has ended already.
    Gone,
    /// The host knows no user with this id. A user may have the ids of a range in user namespaces: they must not count
    /// as so many users.
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
    /// Locked for as long as this process lives.
    _slot: File,
}

impl Client {
    /// Finds out who is at the other end of standard input, and counts the connection.
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
        let (slot, path) = slot_of(&directory(), peer.uid)?.ok_or(Unfit::TooMany)?;
        let process = pidfd_open(peer.pid).map_err(|error| match is_gone(&error) {
            true => Unfit::Gone,
            false => failed(&error),
        })?;
        let Some(account) = User::with_uid(peer.uid).map_err(|error| failed(&error))? else {
            // It would stay, one for each of the ids.
            let _ = fs::remove_file(path);
            return Err(Unfit::NoAccount(peer.uid));
        };
        let name = printable(account.name.to_bytes());
        Ok(Self { tty: terminal_of(peer), peer, name, process, _slot: slot })
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

fn directory() -> PathBuf {
    Path::new(store::DEFAULT_PATH).with_file_name(DIRECTORY)
}

/// Locks one of the user's files; nothing where all are locked.
fn slot_of(directory: &Path, uid: u32) -> Result<Option<(File, PathBuf)>, Unfit> {
    let unsafe_file = |error: StoreError| Unfit::Unknown(error.to_string());
    // The directory of the store, then the one in it.
    secure_file::prepare_directory_of(directory).map_err(unsafe_file)?;
    secure_file::prepare_directory_of(&directory.join("0-0")).map_err(unsafe_file)?;
    for n in 0..MAX_CONNECTIONS {
        let path = directory.join(format!("{uid}-{n}"));
        let (file, _) = secure_file::open_or_create(&path).map_err(unsafe_file)?;
        let is_locked = try_lock(&file).map_err(|error| {
            let reason = session_limit_core::system::error_text(&error);
            Unfit::Unknown(format!("{}: {reason}", path.display()))
        })?;
        if is_locked {
            return Ok(Some((file, path)));
        }
    }
    Ok(None)
}

/// Returns the controlling terminal of a process. Not what the client says: it is shown to administrators.
fn terminal_of(peer: Peer) -> Option<String> {
    let number = Stat::of(peer.pid).ok()?.terminal;
    let path = terminal::path_of(number)?;
    let meta = fs::symlink_metadata(&path).ok()?;
    // A number means another terminal in another instance of devpts: not one of another user.
    (meta.file_type().is_char_device() && meta.uid() == peer.uid).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_connections_and_no_more() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let parent = tempfile::Builder::new().tempdir_in("/run").unwrap();
        let directory = parent.path().join("connections");
        let mut held: Vec<_> = (0..MAX_CONNECTIONS)
            .map(|n| slot_of(&directory, 4711).unwrap().unwrap_or_else(|| panic!("number {n}")))
            .collect();
        assert!(slot_of(&directory, 4711).unwrap().is_none());
        assert!(slot_of(&directory, 4712).unwrap().is_some(), "another user");
        held.pop();
        assert!(slot_of(&directory, 4711).unwrap().is_some(), "one has ended");
    }
}
