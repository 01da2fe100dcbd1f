//! The last login of each user, one small file each, kept when sessions end and the host reboots.
//!
//! Nothing is decided by them: a login is never refused, and waits for no lock, because of them. A file
//! has a line `KEY=value` for each thing known, as systemd's session files have, and is replaced as a
//! whole.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::secure_file::{create_file, open, prepare_directory_of};
use super::{DEFAULT_PATH, StoreError};
use crate::model::session::Origin;
use crate::system;
use serde::{Deserialize, Serialize};

/// Where they are unless the store is at another path; then they are in `last-login` beside it.
pub const DEFAULT_DIRECTORY: &str = "/var/lib/session-limit/last-login";
/// Bytes of the longest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

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
        // Of two logins at once one is the last; each has a file of its own until it is complete.
        let new = self.directory.join(format!(".{}-{}", login.uid, system::own_pid()));
        let mut file = create_file(&new).or_else(|_| {
            // One that a process of this number left when it was killed; another reason stays one.
            let _ = fs::remove_file(&new);
            create_file(&new)
        })?;
        let written = file
            .write_all(login.to_text().as_bytes())
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|e| StoreError::io(&path, "cannot be written", &e));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&new);
        }
        written
    }

    /// Returns the last login of a user; nothing where none is known.
    ///
    /// # Errors
    ///
    /// The file is not safe, or cannot be read.
    pub fn of(&self, uid: u32) -> Result<Option<LastLogin>, StoreError> {
        let path = self.directory.join(uid.to_string());
        let Some((file, _)) = open(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| StoreError::io(&path, "cannot be read", &e))?;
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

impl LastLogin {
    fn to_text(&self) -> String {
        let mut text =
            format!("USER={}\nTIME={}\nSERVICE={}\n", self.user, self.time, self.origin.service);
        for (key, value) in [("TTY", &self.origin.tty), ("RHOST", &self.origin.rhost)] {
            if let Some(value) = value {
                text.push_str(&format!("{key}={value}\n"));
            }
        }
        text
    }

    /// Reads a file; nothing where it was cut off before what is always there.
    fn from_text(uid: u32, text: &str) -> Option<Self> {
        let value = |key: &str| {
            text.lines()
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
    fn a_file_that_was_cut_off_or_left_over_is_no_hindrance() {
        let (_directory, logins) = scratch();
        logins.keep(&login(7, 1, None)).unwrap();
        fs::write(logins.directory.join("7"), "USER=x\n").unwrap();
        fs::write(logins.directory.join(format!(".7-{}", std::process::id())), "half").unwrap();
        assert_eq!(logins.of(7), Ok(None));
        logins.keep(&login(7, 2, None)).unwrap();
        assert_eq!(logins.of(7), Ok(Some(login(7, 2, None))));
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
