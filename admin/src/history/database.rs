//! The file of the history: opened, used and closed within one call.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use session_limit_core::store::StoreError;
use session_limit_core::store::header::{Header, header};
use session_limit_core::store::secure_file::{self, with_suffix};

use super::{MAX_BYTES, Sample};
use crate::error::{AdminError, AdminErrorKind};

/// `PRAGMA application_id`: "PSLh".
const APPLICATION_ID: i32 = 0x5053_4c68;
const SCHEMA_VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// How long a reader and the writer wait for each other.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const SECONDS_OF_DAY: i64 = 86_400;
/// When the file is full, one of so many parts of the samples goes, and another until there is room.
const PARTS: i64 = 10;

/// The file, open.
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

/// Why a file cannot be used.
enum Unusable {
    /// Damaged, or not ours; says how.
    Damaged(String),
    Other(AdminError),
}

impl Database {
    /// Opens the file; `None` where there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, AdminError> {
        if !secure_file::check_directory_of(path).map_err(|e| unsafe_file(&e))?
            || !secure_file::check_if_exists(path).map_err(|e| unsafe_file(&e))?
        {
            return Ok(None);
        }
        let opened = Self::connect(path).and_then(|database| match database.is_empty()? {
            true => Ok(None),
            false => Ok(Some(database)),
        });
        opened.map_err(|error| told(path, error))
    }

    /// Adds a sample; see [`super::History::add`].
    pub fn add(path: &Path, sample: &Sample, days: u32) -> Result<Option<String>, AdminError> {
        secure_file::prepare_directory_of(path).map_err(|e| unsafe_file(&e))?;
        match Self::try_to_add(path, sample, days) {
            Err(Unusable::Damaged(reason)) => {
                let removed = secure_file::remove_database(path, "cannot be removed");
                removed.map_err(|error| unsafe_file(&error))?;
                Self::try_to_add(path, sample, days).map_err(|error| told(path, error))?;
                Ok(Some(format!("{}: {reason}; the history so far is lost", path.display())))
            }
            added => added.map(|()| None).map_err(|error| told(path, error)),
        }
    }

    fn try_to_add(path: &Path, sample: &Sample, days: u32) -> Result<(), Unusable> {
        let other = |error: StoreError| Unusable::Other(unsafe_file(&error));
        secure_file::check_if_exists(&with_suffix(path, "-journal")).map_err(other)?;
        secure_file::ensure(path).map_err(other)?;
        let database = Self::connect(path)?;
        if database.is_empty()? {
            database.sql(|connection| {
                connection.execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA}"))?;
                connection.pragma_update(None, "application_id", APPLICATION_ID)?;
                connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
                connection.execute_batch("COMMIT")
            })?;
        }
        let oldest = sample.time - i64::from(days) * SECONDS_OF_DAY;
        database.sql(|connection| {
            let mut added = in_transaction(connection, |connection| {
                remove_before(connection, oldest)?;
                insert(connection, sample)
            });
            for _ in 0..PARTS {
                match &added {
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {}
                    _ => break,
                }
                in_transaction(connection, remove_oldest)?;
                added = in_transaction(connection, |connection| insert(connection, sample));
            }
            added
        })
    }

    fn connect(path: &Path) -> Result<Self, Unusable> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| unusable(path, &error))?;
        let database = Self { connection, path: path.to_owned() };
        database.sql(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch(
                "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; \
                 PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
            )?;
            let page_size: i64 =
                connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = MAX_BYTES / page_size.max(1);
            connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))
        })?;
        Ok(database)
    }

    /// Returns whether there is no table yet; refuses what is not ours, or of another version.
    fn is_empty(&self) -> Result<bool, Unusable> {
        match self.sql(|connection| header(connection, APPLICATION_ID, SCHEMA_VERSION))? {
            Header::Ours => Ok(false),
            Header::Empty => Ok(true),
            Header::OtherVersion(version) => {
                let text = format!(
                    "{}: version {version} of the history, expected {SCHEMA_VERSION}: another version of this \
                     program wrote it, nothing was changed",
                    self.path.display()
                );
                Err(Unusable::Other(AdminError::new(AdminErrorKind::Io, text)))
            }
            Header::Foreign { application_id, version } => Err(Unusable::Damaged(format!(
                "not a history of this program (application id {application_id:#x}, version {version})"
            ))),
        }
    }

    /// Runs `work` as one transaction that only reads.
    pub fn run<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, AdminError> {
        self.sql(|connection| {
            connection.execute_batch("BEGIN")?;
            work(connection)
        })
        .map_err(|error| told(&self.path, error))
    }

    fn sql<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Unusable> {
        work(&self.connection).map_err(|error| unusable(&self.path, &error))
    }
}

/// Returns when the last sample was taken.
fn last_sample(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT max(time) FROM sample", [], |row| row.get(0))
}

fn in_transaction(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = work(connection).and_then(|()| connection.execute_batch("COMMIT"));
    if done.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    done
}

fn insert(connection: &Connection, sample: &Sample) -> rusqlite::Result<()> {
    let since = last_sample(connection)?.unwrap_or(0);
    // A clock that was set back: what is ahead of it would hide what comes.
    for table in ["sample", "service_sample", "user_sample"] {
        let text = format!("DELETE FROM {table} WHERE time >= ?1");
        connection.execute(&text, [sample.time])?;
    }
    let mut sessions = 0;
    for (service, &count) in &sample.services {
        sessions += count;
        connection.execute("INSERT OR IGNORE INTO service (name) VALUES (?1)", [service])?;
        connection.execute(
            "INSERT INTO service_sample SELECT ?1, id, ?2 FROM service WHERE name = ?3",
            params![sample.time, count, service],
        )?;
    }
    connection.execute(
        "INSERT INTO sample VALUES (?1, ?2, ?3, ?4)",
        params![sample.time, sessions, to_i64(sample.users.len()), sample.users_at_limit],
    )?;
    insert_users(connection, sample)?;
    for refusal in sample.refusals.iter().filter(|refusal| {
        // Those of this very second may not be complete.
        (since..sample.time).contains(&refusal.time)
    }) {
        connection.execute(
            "INSERT INTO refusal VALUES (?1, ?2, ?3, ?4, 1) \
             ON CONFLICT DO UPDATE SET logins = logins + 1",
            params![
                refusal.time - refusal.time.rem_euclid(60),
                refusal.uid,
                refusal.held,
                refusal.admitted
            ],
        )?;
    }
    Ok(())
}

/// Writes down how many sessions a user holds, where that has changed.
fn insert_users(connection: &Connection, sample: &Sample) -> rusqlite::Result<()> {
    // SQLite takes the other column from the row with the greatest time.
    let mut known = connection
        .prepare("SELECT uid, sessions, max(time) FROM user_sample GROUP BY uid")?
        .query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?)))?
        .collect::<rusqlite::Result<std::collections::BTreeMap<_, _>>>()?;
    let mut insert = connection.prepare("INSERT INTO user_sample VALUES (?1, ?2, ?3)")?;
    for (&uid, &count) in &sample.users {
        if known.remove(&uid) != Some(count) {
            insert.execute(params![uid, sample.time, count])?;
        }
    }
    for uid in known.into_iter().filter(|&(_, count)| count != 0).map(|(uid, _)| uid) {
        insert.execute(params![uid, sample.time, 0])?;
    }
    Ok(())
}

/// Removes all before `time`, but of each user the number that still held then.
fn remove_before(connection: &Connection, time: i64) -> rusqlite::Result<()> {
    let count: i64 =
        connection
            .query_row("SELECT count(*) FROM sample WHERE time < ?1", [time], |row| row.get(0))?;
    // Once an hour is often enough.
    if count < 60 {
        return Ok(());
    }
    connection.execute("DELETE FROM sample WHERE time < ?1", [time])?;
    connection.execute("DELETE FROM service_sample WHERE time < ?1", [time])?;
    connection.execute("DELETE FROM refusal WHERE minute < ?1", [time])?;
    connection.execute(
        "DELETE FROM user_sample WHERE time < ?1 AND (sessions = 0 OR EXISTS (SELECT 1 FROM user_sample later \
         WHERE later.uid = user_sample.uid AND later.time > user_sample.time AND later.time <= ?1))",
        [time],
    )?;
    connection
        .execute("DELETE FROM service WHERE id NOT IN (SELECT service FROM service_sample)", [])?;
    Ok(())
}

/// Makes room in a full file: a part of the samples goes, the oldest, at least an hour of them.
fn remove_oldest(connection: &Connection) -> rusqlite::Result<()> {
    let (first, last): (Option<i64>, Option<i64>) =
        connection.query_row("SELECT min(time), max(time) FROM sample", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
    remove_before(connection, first + ((last - first) / PARTS).max(2 * 3_600))
}

fn to_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unusable(path: &Path, error: &rusqlite::Error) -> Unusable {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown) | None => {
            Unusable::Damaged(error.to_string())
        }
        Some(_) => Unusable::Other(AdminError::new(
            AdminErrorKind::Io,
            format!("{}: {error}", path.display()),
        )),
    }
}

fn told(path: &Path, error: Unusable) -> AdminError {
    match error {
        Unusable::Damaged(reason) => {
            AdminError::new(AdminErrorKind::Io, format!("{}: {reason}", path.display()))
        }
        Unusable::Other(error) => error,
    }
}

fn unsafe_file(error: &StoreError) -> AdminError {
    AdminError::new(AdminErrorKind::Io, error.to_string())
}
