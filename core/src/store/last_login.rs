//! The last login of each user, one small file each, kept when sessions end and the host reboots.
//!
//! Nothing is decided by them: a login is never refused, and waits for no lock, because of them. A file
//! has a line `KEY=value` for each thing known, as systemd's session files have, and an empty line behind
//! them. It is written in place, with one write(2): to replace it by another file would make every login
//! wait for the disk, because file systems write out a file that replaces one (`auto_da_alloc`, ext4(5)).
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::secure_file::{open, open_or_create, prepare_directory_of};
use super::{DEFAULT_PATH, StoreError};
use crate::model::session::Origin;
use serde::{Deserialize, Serialize};

/// Where they are unless the store is at another path; then they are in `last-login` beside it.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/session-limit/last-login";
/// Bytes of the longest file that is read.
const MAX_BYTES: u64 = 64 * 1024;
/// How often a file is read that another login is writing.
const TRIES: u32 = 10;

/// The last login of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLogin {
    /// User id.
    pub uid: u32,
    /// The user's name, printable.
    pub user: String,
    /// Seconds since the epoch.
    pub time: i64,
    /// Where the login came from.
    pub origin: Origin,
}

/// The directory of the last logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastLogins {
    directory: PathBuf,
}

impl LastLogins {
    /// Names the directory that belongs to a store; nothing is touched yet.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        let directory = if store == Path::new(DEFAULT_PATH) {
            PathBuf::from(DEFAULT_DIRECTORY)
        } else {
            store.with_file_name("last-login")
        };
        Self { directory }
    }

    /// Keeps a login as the last one of its user.
    ///
    /// # Errors
    ///
    /// The directory is not private to root, or the file cannot be written.
    pub fn keep(&self, login: &LastLogin) -> Result<(), StoreError> {
        let path = self.directory.join(login.uid.to_string());
        if !self.directory.exists() {
            prepare_directory_of(&self.directory)?;
        }
        prepare_directory_of(&path)?;
        let (mut file, meta) = open_or_create(&path)?;
        let mut text = login.to_text();
        // Nothing of a longer text stays behind it. Another login may have written one since: the empty line
        // ends ours.
        while (text.len() as u64) < meta.len().min(MAX_BYTES) {
            text.push('\n');
        }
        file.write_all(text.as_bytes()).map_err(|e| StoreError::io(&path, "cannot be written", &e))
    }

    /// Returns the last login of a user; nothing where none is known.
    ///
    /// # Errors
    ///
    /// The file is not safe, or cannot be read.
    pub fn of(&self, uid: u32) -> Result<Option<LastLogin>, StoreError> {
        let path = self.directory.join(uid.to_string());
        let mut bytes = read(&path)?;
        // What is read twice alike was not being written.
        for _ in 0..TRIES {
            let again = read(&path)?;
            if again == bytes {
                break;
            }
            bytes = again;
        }
        Ok(LastLogin::from_text(uid, &String::from_utf8_lossy(&bytes)))
    }

    /// Returns all that are known, in the order of the user ids. A file that cannot be read is left out.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn all(&self) -> Result<Vec<LastLogin>, StoreError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io(&self.directory, "cannot be read", &e)),
        };
        let mut uids: Vec<u32> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        uids.sort_unstable();
        Ok(uids.into_iter().filter_map(|uid| self.of(uid).ok().flatten()).collect())
    }
}

/// Reads a file; a missing one is empty.
fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    if let Some((file, _)) = open(path)? {
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| StoreError::io(path, "cannot be read", &e))?;
    }
    Ok(bytes)
}

impl LastLogin {
    /// Returns the lines, and the empty one that ends them.
    fn to_text(&self) -> String {
        let mut text =
            format!("USER={}\nTIME={}\nSERVICE={}\n", self.user, self.time, self.origin.service);
        for (key, value) in [("TTY", &self.origin.tty), ("RHOST", &self.origin.rhost)] {
            if let Some(value) = value {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        text.push('\n');
        text
    }

    /// Reads a file; nothing where it was cut off before what is always there.
    fn from_text(uid: u32, text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines()
                .take_while(|line| !line.is_empty())
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.to_owned())
        };
        Some(Self {
            uid,
            user: value("USER")?,
            time: value("TIME")?.parse().ok()?,
            origin: Origin { service: value("SERVICE")?, tty: value("TTY"), rhost: value("RHOST") },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    use super::*;

    fn scratch() -> (tempfile::TempDir, LastLogins) {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
        let logins = LastLogins::beside(&run.join("sessions.db"));
        (directory, logins)
    }

    fn login(uid: u32, time: i64, rhost: Option<&str>) -> LastLogin {
        let origin = Origin {
            service: "sshd".to_owned(),
            tty: Some("ssh".to_owned()),
            rhost: rhost.map(str::to_owned),
        };
        LastLogin { uid, user: format!("user{uid}"), time, origin }
    }

    #[test]
    fn the_last_login_of_each_user_is_kept() {
        let (_directory, logins) = scratch();
        assert_eq!((logins.of(7), logins.all()), (Ok(None), Ok(Vec::new())));
        let (first, last, other) =
            (login(7, 1, None), login(7, 2, Some("a=b")), login(10, 3, None));
        for login in [&first, &other, &last] {
            logins.keep(login).unwrap();
        }
        assert_eq!(logins.of(7), Ok(Some(last.clone())));
        assert_eq!(logins.all(), Ok(vec![last, other]));
        let names = fs::read_dir(&logins.directory).unwrap().count();
        assert_eq!(names, 2, "nothing is left over");
    }

    #[test]
    fn a_file_that_was_cut_off_is_no_hindrance() {
        let (_directory, logins) = scratch();
        logins.keep(&login(7, 1, None)).unwrap();
        fs::write(logins.directory.join("7"), "USER=x\n").unwrap();
        assert_eq!(logins.of(7), Ok(None));
        logins.keep(&login(7, 2, None)).unwrap();
        assert_eq!(logins.of(7), Ok(Some(login(7, 2, None))));
    }

    #[test]
    fn nothing_of_a_longer_login_is_left() {
        let (_directory, logins) = scratch();
        logins.keep(&login(7, 1, Some("2001:db8::1"))).unwrap();
        logins.keep(&login(7, 2, None)).unwrap();
        let text = fs::read_to_string(logins.directory.join("7")).unwrap();
        assert_eq!(text.trim_end(), "USER=user7\nTIME=2\nSERVICE=sshd\nTTY=ssh");
        // One that another login wrote at the same moment.
        fs::write(logins.directory.join("7"), format!("{}RHOST=x\n", login(7, 3, None).to_text()))
            .unwrap();
        assert_eq!(logins.of(7), Ok(Some(login(7, 3, None))));
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_not_used() {
        let (_directory, logins) = scratch();
        logins.keep(&login(7, 1, None)).unwrap();
        fs::set_permissions(&logins.directory, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(logins.keep(&login(7, 2, None)).is_err());
    }

    #[test]
    fn the_default_store_keeps_them_across_reboots() {
        let logins = LastLogins::beside(Path::new(DEFAULT_PATH));
        assert_eq!(logins.directory, Path::new(DEFAULT_DIRECTORY));
    }
}
