//! The refused logins, in a small SQLite file beside the store of sessions.
//!
//! Nothing is decided by them, and only a login that found no slot writes one. The file is begun again where it
//! is damaged; where it cannot be written, or is not free in time, the refusal is in the log alone. It holds
//! the last [`MAX_ROWS`] refusals, and lies where the store lies: a reboot empties it.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row, params};
use serde::{Deserialize, Serialize};

use crate::model::refusal::Refusal;
use crate::model::session::Origin;
use crate::store::header::{Header, header};
use crate::store::secure_file::{self, with_suffix};
use crate::store::{self, Lock, StoreError, TransactionError};
use crate::system::std_descriptors::StdFdGuard;

/// Refusals that are kept. With texts of bounded length they take about 2 MB, and 16 MB at most.
pub const MAX_ROWS: i64 = 10_000;
/// How long a refused login waits for the file; many may be refused at once.
const DEADLINE: Duration = Duration::from_millis(500);
/// How long one that is let in all the same waits.
const DEADLINE_OF_ADMITTED: Duration = Duration::from_millis(50);
/// How long a reader waits where a writer was killed.
const DEADLINE_OF_READER: Duration = Duration::from_secs(2);
const FILE_NAME: &str = "refusals.db";
/// `PRAGMA application_id`: "PSLr".
const APPLICATION_ID: i32 = 0x5053_4c72;
const SCHEMA_VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
const COLUMNS: &str =
    "id, time, uid, user, service, tty, rhost, \"limit\", held, held_by, admitted";

/// A refusal and its number in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The number, growing with time.
    pub id: i64,
    /// The refusal.
    pub refusal: Refusal,
}

/// The file of the refusals that belong to a store of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    path: PathBuf,
}

impl Refusals {
    /// Names the file that belongs to a store; nothing is touched yet.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        Self { path: store.with_file_name(FILE_NAME) }
    }

    /// Returns where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a refusal down. Returns a line for the log where a damaged file had to be given up.
    ///
    /// # Errors
    ///
    /// The file cannot be written, is not safe, or was not free in time.
    pub fn record(&self, refusal: &Refusal) -> Result<Option<String>, StoreError> {
        let refusal = refusal.clone().bounded();
        secure_file::prepare_directory_of(&self.path)?;
        let deadline = if refusal.admitted { DEADLINE_OF_ADMITTED } else { DEADLINE };
        self.locked(deadline, |lock| {
            let insert = || self.insert(&refusal, lock.is_in_memory());
            match store::guarded(insert) {
                Err(TransactionError::Damaged(reason)) => {
                    secure_file::remove_database(&self.path, "is damaged and cannot be removed")?;
                    store::guarded(insert).map_err(|error| self.error(error))?;
                    let path = self.path.display();
                    Ok(Some(format!("{path}: {reason}; the refusals so far are lost")))
                }
                written => written.map(|()| None).map_err(|error| self.error(error)),
            }
        })
    }

    /// Returns the refusals of one user, or of all, the last one first; none where no login was refused yet.
    ///
    /// # Errors
    ///
    /// The file is damaged, is not safe, or cannot be read.
    pub fn read(&self, uid: Option<u32>) -> Result<Vec<Recorded>, StoreError> {
        if !secure_file::check_directory_of(&self.path)?
            || !secure_file::check_if_exists(&self.path)?
        {
            return Ok(Vec::new());
        }
        if let Some(copy) =
            store::guarded(|| store::copy_of(&self.path)).map_err(|error| self.error(error))?
        {
            return self.rows(&copy, uid);
        }
        // A killed writer has left a journal: opened for writing, SQLite rolls it back.
        self.locked(DEADLINE_OF_READER, |_| {
            let connection =
                Connection::open_with_flags(&self.path, flags()).map_err(|e| self.sqlite(&e))?;
            self.rows(&connection, uid)
        })
    }

    fn rows(&self, connection: &Connection, uid: Option<u32>) -> Result<Vec<Recorded>, StoreError> {
        let read = || -> rusqlite::Result<Vec<Recorded>> {
            let text = format!(
                "SELECT {COLUMNS} FROM refusal WHERE ?1 IS NULL OR uid = ?1 ORDER BY id DESC LIMIT {MAX_ROWS}"
            );
            let mut rows = connection.prepare(&text)?;
            rows.query_map([uid], recorded)?.collect()
        };
        let checked = || match self.is_empty(connection)? {
            true => Ok(Vec::new()),
            false => read().map_err(|e| store::sqlite_error(&self.path, &e)),
        };
        store::guarded(checked).map_err(|error| self.error(error))
    }

    /// One transaction, under the lock.
    fn insert(&self, refusal: &Refusal, is_in_memory: bool) -> Result<(), TransactionError> {
        secure_file::check_if_exists(&with_suffix(&self.path, "-journal"))?;
        secure_file::ensure(&self.path)?;
        let connection = Connection::open_with_flags(&self.path, flags())
            .map_err(|e| store::sqlite_error(&self.path, &e))?;
        let run = |work: &dyn Fn() -> rusqlite::Result<()>| {
            work().map_err(|e| store::sqlite_error(&self.path, &e))
        };
        // Where a reboot empties the file there is nothing that fsync could save.
        let synchronous = if is_in_memory { "OFF" } else { "NORMAL" };
        run(&|| {
            connection.execute_batch(&format!(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; \
                 PRAGMA synchronous = {synchronous}; PRAGMA journal_mode = TRUNCATE; BEGIN IMMEDIATE"
            ))
        })?;
        if self.is_empty(&connection)? {
            run(&|| {
                connection.execute_batch(SCHEMA)?;
                connection.pragma_update(None, "application_id", APPLICATION_ID)?;
                connection.pragma_update(None, "user_version", SCHEMA_VERSION)
            })?;
        }
        run(&|| {
            let Origin { service, tty, rhost } = &refusal.origin;
            connection.execute(
                &format!(
                    "INSERT INTO refusal ({COLUMNS}) \
                     VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                ),
                params![
                    refusal.time,
                    refusal.uid,
                    refusal.user,
                    service,
                    tty,
                    rhost,
                    refusal.limit,
                    refusal.held,
                    refusal.held_by,
                    refusal.admitted
                ],
            )?;
            let last = connection.last_insert_rowid();
            connection.execute("DELETE FROM refusal WHERE id <= ?1", [last - MAX_ROWS])?;
            connection.execute_batch("COMMIT")
        })
    }

    /// Returns whether a database has no table yet; refuses what is not ours, or of another version.
    fn is_empty(&self, connection: &Connection) -> Result<bool, TransactionError> {
        let header = header(connection, APPLICATION_ID, SCHEMA_VERSION);
        match header.map_err(|e| store::sqlite_error(&self.path, &e))? {
            Header::Ours => Ok(false),
            Header::Empty => Ok(true),
            Header::OtherVersion(version) => {
                let reason = format!(
                    "version {version} of the refusals, expected {SCHEMA_VERSION}: another version of this \
                     program wrote it, nothing was changed"
                );
                Err(StoreError::at(&self.path, &reason).into())
            }
            Header::Foreign { application_id, version } => Err(TransactionError::Damaged(format!(
                "not the refusals of this program (application id {application_id:#x}, version {version})"
            ))),
        }
    }

    fn locked<T>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&Lock) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _std_descriptors = StdFdGuard::new();
        let lock = Lock::take(&with_suffix(&self.path, ".lock"), deadline)?;
        work(&lock)
    }

    fn sqlite(&self, error: &rusqlite::Error) -> StoreError {
        self.error(store::sqlite_error(&self.path, error))
    }

    fn error(&self, error: TransactionError) -> StoreError {
        match error {
            TransactionError::Damaged(reason) => StoreError::at(&self.path, &reason),
            TransactionError::Store(error) => error,
        }
    }
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
}

fn recorded(row: &Row) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        id: row.get(0)?,
        refusal: Refusal {
            time: row.get(1)?,
            uid: row.get(2)?,
            user: row.get(3)?,
            origin: Origin { service: row.get(4)?, tty: row.get(5)?, rhost: row.get(6)? },
            limit: row.get(7)?,
            held: row.get(8)?,
            held_by: row.get(9)?,
            admitted: row.get(10)?,
        },
    })
}

#[cfg(test)]
mod tests;
