//! Why the store could not be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::system;

/// Why the store could not be used; every text names the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// An unprivileged caller may not reach it.
    NotPermitted(String),
    /// It lies on a read-only file system.
    ReadOnly(String),
    /// A later version of this program wrote it; it was left as it is.
    Newer(String),
    /// Anything else: unsafe owner or mode, lock not free in time, disk full, I/O error.
    Broken(String),
}

impl StoreError {
    /// Returns the error of a path that is rejected, or unusable, for `reason`.
    #[must_use]
    pub fn at(path: &Path, reason: &str) -> Self {
        Self::Broken(format!("{}: {reason}", path.display()))
    }

    /// Turns an I/O error at `path` into a [`StoreError`]; `what` failed.
    #[must_use]
    pub fn io(path: &Path, what: &str, error: &io::Error) -> Self {
        let text = format!("{}: {what}: {}", path.display(), system::error_text(error));
        match error.raw_os_error() {
            Some(libc::EROFS) => Self::ReadOnly(text),
            Some(libc::EACCES | libc::EPERM) if system::effective_uid() != 0 => {
                Self::NotPermitted(text)
            }
            _ => Self::Broken(text),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted(text)
            | Self::ReadOnly(text)
            | Self::Newer(text)
            | Self::Broken(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {}

/// How a transaction failed.
#[derive(Debug)]
pub enum TransactionError {
    /// The file is damaged, or not ours; says how.
    Damaged(String),
    /// The transaction failed for another reason.
    Store(StoreError),
}

impl From<StoreError> for TransactionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A damaged file, or one of another program, that was moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedStore {
    /// Where the store is.
    pub from: PathBuf,
    /// Where the old file is kept.
    pub to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

impl fmt::Display for QuarantinedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}; kept as {}, a new store was begun: sessions opened before are not counted",
            self.from.display(),
            self.reason,
            self.to.display()
        )
    }
}

/// Tells an error of SQLite that means damage from one that may pass.
pub(crate) fn sqlite_error(path: &Path, error: &rusqlite::Error) -> TransactionError {
    match error.sqlite_error_code() {
        // The last two: tables of another shape than ours, which our own SQL cannot meet otherwise.
        Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::Unknown,
        )
        // A value that is no value of ours.
        | None => TransactionError::Damaged(error.to_string()),
        Some(ErrorCode::DatabaseBusy) => TransactionError::Store(StoreError::at(
            path,
            "database is locked by another program",
        )),
        Some(_) => {
            TransactionError::Store(StoreError::at(path, &error.to_string()))
        }
    }
}
