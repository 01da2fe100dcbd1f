//! The live sessions in a local SQLite file.
//!
//! The files are opened, used and closed within one call, under a lock file beside them; no descriptor
//! and no lock is held when the call returns, for the host may fork. Every read follows the lock, also in
//! the very first login after boot, when directory, file and table are created.
//!
//! The rollback journal survives a SIGKILL at any instant, which journal modes MEMORY and OFF do not;
//! WAL would hold files and shared memory open.
#![forbid(unsafe_code)]

mod error;
mod examine;
pub mod header;
pub mod last_login;
mod lock;
mod migration;
mod row;
pub mod secure_file;
mod snapshot;
mod transaction;

use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use error::sqlite_error;
pub use error::{QuarantinedStore, StoreError, TransactionError};
pub use examine::StoreContent;
pub use lock::Lock;
pub(crate) use row::new_id;
pub(crate) use snapshot::connection as copy_of;
pub use transaction::Transaction;

use crate::system::clock;
use crate::system::std_descriptors::StdFdGuard;
use secure_file::{SUFFIXES, with_suffix};

/// Where the store is unless a module argument names another file.
///
/// Not below `/var/run`: that is a symbolic link, and none is followed.
pub const DEFAULT_PATH: &str = "/run/session-limit/live-sessions.db";
/// How long a call waits for the lock before it gives up.
///
/// It is far below the 120 s of sshd's `LoginGraceTime`, and long enough for hundreds of logins at once
/// on a host without a free processor.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The store at one path.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    deadline: Duration,
    quarantined: RefCell<Vec<QuarantinedStore>>,
}

/// What is done with a file that is damaged, or not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnDamage {
    /// It is moved out of the way and a new store is begun.
    Quarantine,
    /// It stays, and the call fails.
    Fail,
}

impl Store {
    /// Names the store at `path`; nothing is touched yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), deadline: DEADLINE, quarantined: RefCell::default() }
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the damaged files that were moved out of the way since the last call.
    pub fn take_quarantined(&self) -> Vec<QuarantinedStore> {
        self.quarantined.take()
    }

    /// Runs `work` in one transaction, alone on this host; commits if it succeeds.
    ///
    /// A file that is damaged, or not ours, is moved out of the way, and `work` is run again on a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing has changed then.
    pub fn transaction<T>(
        &self,
        work: impl FnMut(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<T, StoreError> {
        secure_file::prepare_directory_of(&self.path)?;
        self.locked(OnDamage::Quarantine, work)
    }

    /// As [`Store::transaction`], for a change that means nothing in a new store: without a file nothing
    /// is done, and a damaged file stays where it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing has changed then.
    pub fn existing_transaction<T>(
        &self,
        work: impl FnMut(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<Option<T>, StoreError> {
        if !self.exists()? {
            return Ok(None);
        }
        self.locked(OnDamage::Fail, work).map(Some)
    }

    /// Runs `work` on the store as it was at one moment, without holding anything that a login waits for;
    /// `None` where there is no store yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub fn read<T>(
        &self,
        mut work: impl FnMut(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<Option<T>, StoreError> {
        if !self.exists()? {
            let former = migration::former_path(&self.path);
            if former.is_none_or(|former| former.symlink_metadata().is_err()) {
                return Ok(None);
            }
        } else if let Ok(Some(copy)) = guarded(|| snapshot::copy(&self.path)) {
            if let Ok(value) = guarded(|| work(&copy)) {
                return Ok(Some(value));
            }
        }
        // A store of an earlier version, an unfinished transaction, or damage: as a login would see it.
        self.transaction(work).map(Some)
    }

    fn exists(&self) -> Result<bool, StoreError> {
        Ok(secure_file::check_directory_of(&self.path)?
            && secure_file::check_if_exists(&self.path)?)
    }

    fn locked<T>(
        &self,
        on_damage: OnDamage,
        mut work: impl FnMut(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<T, StoreError> {
        let _std_descriptors = StdFdGuard::new();
        let lock = Lock::take(&with_suffix(&self.path, ".lock"), self.deadline)?;
        let mut outcome = self.attempt(&lock, &mut work);
        // SQLite says the same of a read that failed once. To give a good file up would forget every
        // session: it must look damaged twice, and be readable.
        if matches!(outcome, Err(TransactionError::Damaged(_))) {
            outcome = self.attempt(&lock, &mut work);
        }
        match outcome {
            Err(TransactionError::Damaged(reason)) if on_damage == OnDamage::Quarantine => {
                self.check_readable()?;
                self.quarantine(reason)?;
                outcome = self.attempt(&lock, &mut work);
            }
            _ => {}
        }
        outcome.map_err(|error| match error {
            TransactionError::Damaged(reason) => StoreError::at(&self.path, &reason),
            TransactionError::Store(error) => error,
        })
    }

    /// Whatever fails, the connection is closed, and rolls back.
    fn attempt<T>(
        &self,
        lock: &Lock,
        work: &mut impl FnMut(&Transaction) -> Result<T, TransactionError>,
    ) -> Result<T, TransactionError> {
        secure_file::check_if_exists(&with_suffix(&self.path, "-journal"))?;
        // Checked and closed again before SQLite opens it: closing any descriptor of the file later would
        // take SQLite's locks away (fcntl(2), "Advisory record locking").
        let (file, _) = secure_file::open_or_create(&self.path)?;
        self.check_journal_mode(&file)?;
        drop(file);
        guarded(|| {
            let transaction = Transaction::begin(&self.path, lock.is_in_memory())?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    /// Refuses a file in write-ahead log mode: reading it would map shared memory into the host
    /// (bytes 18 and 19, <https://sqlite.org/fileformat.html>).
    fn check_journal_mode(&self, file: &File) -> Result<(), TransactionError> {
        use std::os::unix::fs::FileExt;
        const ROLLBACK_JOURNAL: [u8; 2] = [1, 1];
        let mut modes = ROLLBACK_JOURNAL;
        match file.read_exact_at(&mut modes, 18) {
            Ok(()) if modes == [2, 2] => Err(TransactionError::Damaged(
                "in write-ahead log mode, expected a rollback journal".to_owned(),
            )),
            // Shorter, or another kind of file: SQLite will say so.
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            Err(e) => Err(StoreError::io(&self.path, "cannot be read", &e).into()),
        }
    }

    /// Reads the database file to its end. SQLite has closed it, and no other process has the lock.
    fn check_readable(&self) -> Result<(), StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&self.path);
        file.and_then(|mut file| io::copy(&mut file, &mut io::sink()))
            .map(drop)
            .map_err(|e| StoreError::io(&self.path, "cannot be read", &e))
    }

    fn quarantine(&self, reason: String) -> Result<(), StoreError> {
        let time = format!(".damaged-{}-{}", clock::epoch_seconds(), clock::boot_ms());
        let to = with_suffix(&self.path, &time);
        for suffix in SUFFIXES {
            let from = with_suffix(&self.path, suffix);
            match fs::rename(&from, with_suffix(&to, suffix)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound && !suffix.is_empty() => {}
                renamed => renamed.map_err(|e| {
                    StoreError::io(&from, "belongs to a damaged store and cannot be moved", &e)
                })?,
            }
        }
        self.quarantined.borrow_mut().push(QuarantinedStore {
            from: self.path.clone(),
            to,
            reason,
        });
        Ok(())
    }

    /// Returns whether the store lies on the root file system of this process, not on a mount of its own.
    ///
    /// A container's `/run` without a tmpfs does. No other container and no host has that file system.
    #[must_use]
    pub fn is_on_root_file_system(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
        let directory = self.path.parent().and_then(device);
        directory.is_some() && directory == device(Path::new("/"))
    }
}

/// Runs `work`; a panic in SQLite's wrapper means that it met a file it did not expect.
pub(crate) fn guarded<T>(
    work: impl FnOnce() -> Result<T, TransactionError>,
) -> Result<T, TransactionError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        let reason = format!("reading it failed with an internal error: {text}");
        // A payload may panic when it is dropped.
        std::mem::forget(payload);
        Err(TransactionError::Damaged(reason))
    })
}

#[cfg(test)]
mod tests;
