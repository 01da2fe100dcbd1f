//! One transaction on the store: all SQL of the project but the reading of former versions.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, params};

use super::error::{StoreError, TransactionError, sqlite_error};
use super::{migration, row};
use crate::model::session::{Leader, Session};

/// `PRAGMA application_id` of our files: "PSL1".
const APPLICATION_ID: i32 = 0x5053_4c31;
/// `PRAGMA user_version` of `schema.sql`.
pub(super) const SCHEMA_VERSION: i32 = 7;
/// Earlier versions whose rows can be read.
const EARLIER_VERSIONS: RangeInclusive<i32> = 2..=6;
/// Later versions that are believed to be such; another number is damage.
const LATER_VERSIONS: RangeInclusive<i32> = SCHEMA_VERSION + 1..=9_999;
/// The table, and all that there is.
const SCHEMA: &str = include_str!("schema.sql");
/// How long a reader with another program is waited for, under the lock. Every other login waits with us.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// What an open database is.
pub(super) enum StoreVersion {
    /// Not even a table.
    Empty,
    /// Of an earlier version of this program.
    Older(i32),
    /// Of this version.
    Present,
}

/// One transaction; rolled back when dropped.
pub struct Transaction {
    connection: Connection,
    path: PathBuf,
}

impl Transaction {
    /// Opens the database at `path`, which exists, and begins.
    pub(super) fn begin(path: &Path, is_in_memory: bool) -> Result<Self, TransactionError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| sqlite_error(path, &e))?;
        let transaction = Self { connection, path: path.to_owned() };
        transaction.run(|connection| configure(connection, is_in_memory))?;
        transaction.run(|connection| connection.execute_batch("BEGIN IMMEDIATE"))?;
        transaction.check_version()?;
        Ok(transaction)
    }

    /// Wraps a database of which this process holds the only copy.
    pub(super) fn on_copy(connection: Connection, path: &Path) -> Result<Self, TransactionError> {
        let transaction = Self::unchecked(connection, path);
        match transaction.version()? {
            StoreVersion::Present => Ok(transaction),
            StoreVersion::Older(_) | StoreVersion::Empty => Err(not_ours(transaction.versions()?)),
        }
    }

    /// As [`Transaction::on_copy`], whatever the version: [`Transaction::version`] is still to be asked.
    pub(super) fn unchecked(connection: Connection, path: &Path) -> Self {
        Self { connection, path: path.to_owned() }
    }

    pub(super) fn commit(self) -> Result<(), TransactionError> {
        self.run(|connection| connection.execute_batch("COMMIT"))
    }

    /// Creates the table in an empty file, takes the rows of an earlier version over, refuses a later
    /// version, and finds everything else damaged.
    fn check_version(&self) -> Result<(), TransactionError> {
        match self.version()? {
            StoreVersion::Present => Ok(()),
            StoreVersion::Older(older) => {
                let sessions =
                    self.run(|connection| migration::sessions_of_version(connection, older))?;
                self.run(|connection| connection.execute_batch("DROP TABLE session"))?;
                self.create(sessions, older > migration::FORMER_VERSION)
            }
            StoreVersion::Empty => {
                // A former store that cannot be read is no reason to count no user of the present one.
                self.create(migration::former_sessions(&self.path).unwrap_or_default(), false)
            }
        }
    }

    /// Returns what the database is: damaged unless it is empty, or a store whose rows can be read.
    pub(super) fn version(&self) -> Result<StoreVersion, TransactionError> {
        match self.versions()? {
            (APPLICATION_ID, SCHEMA_VERSION) => self.check_schema().map(|()| StoreVersion::Present),
            (APPLICATION_ID, newer) if LATER_VERSIONS.contains(&newer) => Err(self.newer(newer)),
            (APPLICATION_ID, older) if EARLIER_VERSIONS.contains(&older) => {
                Ok(StoreVersion::Older(older))
            }
            (0, 0) if self.schema()?.is_empty() => Ok(StoreVersion::Empty),
            versions => Err(not_ours(versions)),
        }
    }

    /// Returns application id and version.
    fn versions(&self) -> Result<(i32, i32), TransactionError> {
        self.run(|connection| {
            let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            Ok((number("application_id")?, number("user_version")?))
        })
    }

    fn newer(&self, version: i32) -> TransactionError {
        TransactionError::Store(StoreError::Newer(format!(
            "{}: version {version} of the store, expected at most {SCHEMA_VERSION}: a later version of \
             this program wrote it, nothing was changed",
            self.path.display()
        )))
    }

    fn create(&self, sessions: Vec<Session>, keep_numbers: bool) -> Result<(), TransactionError> {
        self.run(|connection| {
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)
        })?;
        for (mut session, number) in sessions.into_iter().zip(row::first_number()..) {
            // Numbers of the former versions were unique for each user only.
            if !keep_numbers {
                session.id = number;
            }
            self.upsert(&session)?;
        }
        Ok(())
    }

    /// Refuses a file that holds anything but our table as we create it: a trigger, say, would do
    /// something else with our rows than we do.
    fn check_schema(&self) -> Result<(), TransactionError> {
        let found = self.schema()?;
        let expected = SCHEMA.split_inclusive(';').map(statement).filter(|text| !text.is_empty());
        if found.iter().map(String::as_str).eq(expected) {
            return Ok(());
        }
        Err(TransactionError::Damaged(format!(
            "holds {} tables, indexes, views and triggers, expected the table `session` as it was \
             created",
            found.len()
        )))
    }

    /// Returns the statement of every table, index, view and trigger, in the order of their creation.
    fn schema(&self) -> Result<Vec<String>, TransactionError> {
        self.run(|connection| {
            let mut schema = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY rowid")?;
            schema.query_map([], |row| row.get(0).map(Option::unwrap_or_default))?.collect()
        })
    }

    /// Returns the rows of one user, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn sessions_of(&self, uid: u32) -> Result<Vec<Session>, TransactionError> {
        self.select("uid = ?1", [uid])
    }

    /// Returns every row of the host, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn all_sessions(&self) -> Result<Vec<Session>, TransactionError> {
        self.select("TRUE", [])
    }

    fn select(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Session>, TransactionError> {
        self.run(|connection| {
            let mut rows = connection
                .prepare(&format!("SELECT * FROM session WHERE {condition} ORDER BY id"))?;
            rows.query_map(parameters, row::session_of)?.collect()
        })
    }

    /// Adds a row, or replaces the user's one with the same id.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn upsert(&self, session: &Session) -> Result<(), TransactionError> {
        self.run(|connection| {
            row::with_parameters(session, |parameters| connection.execute(row::UPSERT, parameters))
        })?;
        Ok(())
    }

    /// Removes a row; a missing one is no error.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn remove(&self, session: &Session) -> Result<(), TransactionError> {
        self.run(|connection| {
            let delete = "DELETE FROM session WHERE uid = ?1 AND id = ?2";
            connection.execute(delete, params![session.uid, session.id])
        })?;
        Ok(())
    }

    /// Removes a row of `uid` if `leader` leads it; a missing one, or that of another leader, is no error.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn remove_if_leader(
        &self,
        uid: u32,
        id: i64,
        leader: &Leader,
    ) -> Result<(), TransactionError> {
        self.run(|connection| {
            connection.execute(
                "DELETE FROM session WHERE uid = ?1 AND id = ?2 AND leader_pid = ?3 \
                 AND leader_start_time = ?4 AND leader_pid_ns = ?5 AND leader_boot_id = ?6",
                params![
                    uid,
                    id,
                    leader.pid,
                    row::signed(leader.start_time),
                    row::signed(leader.pid_ns),
                    leader.boot_id
                ],
            )
        })?;
        Ok(())
    }

    fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, TransactionError> {
        work(&self.connection).map_err(|e| sqlite_error(&self.path, &e))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Sets what the store relies on, whatever SQLite was compiled with.
fn configure(connection: &Connection, is_in_memory: bool) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // The locking mode first: what is read by the other pragmas stays locked and need not be read again.
    // Where a reboot empties the file there is nothing that fsync could save.
    let synchronous = if is_in_memory { "OFF" } else { "NORMAL" };
    connection.execute_batch(&format!(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON; \
         PRAGMA synchronous = {synchronous}; PRAGMA journal_mode = TRUNCATE"
    ))
}

/// Returns a statement of the schema as SQLite keeps it: without what stands before and behind it.
fn statement(text: &str) -> &str {
    let begin = text.find("CREATE").unwrap_or(text.len());
    text.get(begin..).unwrap_or_default().trim_end().trim_end_matches(';')
}

fn not_ours((id, version): (i32, i32)) -> TransactionError {
    TransactionError::Damaged(format!(
        "not a store of this program (application id {id:#x}, version {version}; expected \
         {APPLICATION_ID:#x}, {SCHEMA_VERSION})"
    ))
}
