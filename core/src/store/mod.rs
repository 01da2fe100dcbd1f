//! The live sessions in a local SQLite file: the only SQL of the project.
//!
//! The files are opened, used and closed within one call, under a lock file beside them; no descriptor
//! and no lock is held when the call returns, for the host may fork. What does live on in the process, for
//! the next phase of the same login or for another login, is what SQLite has learnt of the schema (see
//! [`crate::store::vfs`]). Every read follows the lock, also in the very first login after boot, when folder, file
//! and table are made.
//!
//! The rollback journal survives a SIGKILL at any instant, which journal modes MEMORY and OFF do not;
//! WAL would hold files and shared memory open.

pub mod lock;
pub mod secure_file;
pub mod sqlite_os;
pub mod vfs;

use std::cell::RefCell;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, Row, params};

use crate::last::Last;
use crate::model::session::{Leader, Origin, Session, State, Wish};
use crate::store::lock::Lock;
use crate::store::vfs::{Database, Files};
use crate::system::{self, LowDescriptors};
pub use secure_file::StoreError;

/// Where the store is unless a module argument names another file.
///
/// Not below `/var/run`: that is a symbolic link, and none is followed.
pub const DEFAULT_PATH: &str = "/run/session-limit/sessions.db";
/// How long a call waits for the lock before it gives up.
///
/// A holder that was stopped delays a login by this much in each phase. It is far below the 120 s of
/// sshd's `LoginGraceTime`, and long enough for hundreds of logins at once on a host without a free
/// processor.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// `PRAGMA application_id` of our files: "PSL1".
const APPLICATION_ID: i32 = 0x5053_4c31;
/// `PRAGMA user_version` of `schema.sql`.
const SCHEMA_VERSION: i32 = 3;
/// The table, and all that there is.
const SCHEMA: &str = include_str!("schema.sql");
/// How long somebody who reads the database with another program is waited for, under the lock.
const PATIENCE: Duration = Duration::from_millis(500);

/// What differs for a store that a reboot does not empty: there is something that fsync can save.
///
/// What others set by a PRAGMA at every opening is compiled in here: .cargo/config.toml has the
/// options, a test below holds them fast.
const ON_DISK: &str = "PRAGMA synchronous = NORMAL";

/// The store at one path.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    deadline: Duration,
    moved_aside: RefCell<Vec<MovedAside>>,
}

/// A damaged or alien file that had to make room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedAside {
    /// Where the store is.
    pub from: PathBuf,
    /// Where the old file is kept.
    pub to: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

impl fmt::Display for MovedAside {
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

/// What can happen inside a transaction: the file may turn out to be damaged.
#[derive(Debug)]
pub enum TxError {
    /// The file is damaged, or not ours; says how.
    Damaged(String),
    /// The transaction failed for another reason.
    Store(StoreError),
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// Names the store at `path`; nothing is touched yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), deadline: DEADLINE, moved_aside: RefCell::default() }
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the file called as the database with `suffix` behind it, if the folder is there and only
    /// root can have made it.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Option<PathBuf> {
        let is_safe = secure_file::check_folder_of(&self.path) == Ok(true);
        is_safe.then(|| secure_file::beside(&self.path, suffix))
    }

    /// Returns the damaged files that were moved aside since the last call.
    pub fn take_moved_aside(&self) -> Vec<MovedAside> {
        self.moved_aside.take()
    }

    /// Runs `work` in one transaction, alone on this host; commits if it succeeds.
    ///
    /// A file that is damaged, or not ours, is moved aside, and `work` is run again on a new one.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing has changed then.
    pub fn transaction<T>(
        &self,
        mut work: impl FnMut(&Transaction) -> Result<T, TxError>,
    ) -> Result<T, StoreError> {
        secure_file::prepare_folder_of(&self.path)?;
        let _low = LowDescriptors::new();
        let lock = Lock::take(&secure_file::beside(&self.path, ".lock"), self.deadline)?;
        let mut outcome = self.attempt(&lock, &mut work);
        // SQLite says the same of a read that failed once. To give a good file up would forget every
        // session: it must look damaged twice, and be readable.
        if matches!(outcome, Err(TxError::Damaged(_))) {
            outcome = self.attempt(&lock, &mut work);
        }
        if let Err(TxError::Damaged(reason)) = outcome {
            self.check_readable()?;
            self.move_aside(reason)?;
            outcome = self.attempt(&lock, &mut work);
        }
        outcome.map_err(|error| match error {
            TxError::Damaged(reason) => secure_file::broken(&self.path, &reason),
            TxError::Store(error) => error,
        })
    }

    /// Whatever fails, the connection is closed, and rolls back as long as it has its files.
    fn attempt<T>(
        &self,
        lock: &Lock,
        work: &mut impl FnMut(&Transaction) -> Result<T, TxError>,
    ) -> Result<T, TxError> {
        let (files, identity) = self.open_files()?;
        let of_this_file = |idle: &Idle| idle.path == self.path && idle.identity == identity;
        let transaction = match IDLE.take_if(of_this_file) {
            Some(idle) => Transaction::resume(&self.path, idle.database, files)?,
            None => Transaction::first(&self.path, files, lock.is_in_memory())?,
        };
        let value = work(&transaction)?;
        let database = transaction.commit()?;
        IDLE.keep(Idle { path: self.path.clone(), identity, database });
        Ok(value)
    }

    /// Opens database and journal, made empty if they are missing, checked if not, and keeps other
    /// programs out of the database.
    fn open_files(&self) -> Result<(Files, FileIdentity), StoreError> {
        let (journal, journal_meta) =
            secure_file::open_or_create(&secure_file::beside(&self.path, "-journal"))?;
        let (database, meta) = secure_file::open_or_create(&self.path)?;
        let until = system::boot_ns_in(PATIENCE);
        while !system::lock_other_programs_out(&database)
            .map_err(|e| secure_file::failed(&self.path, "cannot be locked", &e))?
        {
            if system::boot_ns() >= until {
                return Err(secure_file::broken(
                    &self.path,
                    "database is locked by another program",
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let identity = (meta.dev(), meta.ino(), meta.created().ok());
        Ok((Files::new((database, meta.len()), (journal, journal_meta.len())), identity))
    }

    /// Reads the database file to its end. SQLite has closed it, and nobody else has the lock.
    fn check_readable(&self) -> Result<(), StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(&self.path);
        file.and_then(|mut file| io::copy(&mut file, &mut io::sink()))
            .map(drop)
            .map_err(|e| secure_file::failed(&self.path, "cannot be read", &e))
    }

    fn move_aside(&self, reason: String) -> Result<(), StoreError> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".damaged-{}-{}", system::epoch_seconds(), system::boot_ms()));
        let to = PathBuf::from(name);
        // A journal goes first: it must never meet a database that it does not belong to.
        let journal = secure_file::beside(&self.path, "-journal");
        let is_valid = |mut files: Files| {
            files.has_journal().map_err(|e| secure_file::failed(&journal, "cannot be read", &e))
        };
        if is_valid(self.open_files()?.0)? {
            fs::rename(&journal, secure_file::beside(&to, "-journal"))
                .map_err(|e| secure_file::failed(&journal, "cannot be moved aside", &e))?;
        }
        fs::rename(&self.path, &to).map_err(|e| {
            secure_file::failed(&self.path, "is damaged and cannot be moved aside", &e)
        })?;
        self.moved_aside.borrow_mut().push(MovedAside { from: self.path.clone(), to, reason });
        Ok(())
    }
}

/// Device, inode and birth of a database file: an inode may be used again.
type FileIdentity = (u64, u64, Option<SystemTime>);

/// A connection between two transactions: it has read the schema, and holds no descriptor.
///
/// The next phase of the login takes it up, or another login, where one process serves many.
#[derive(Debug)]
struct Idle {
    path: PathBuf,
    /// Another file may lie at the path when the next transaction comes.
    identity: FileIdentity,
    database: Database,
}

static IDLE: Last<Idle> = Last::none();

/// One transaction on the store; rolled back when dropped.
pub struct Transaction {
    database: Database,
    path: PathBuf,
}

impl Transaction {
    /// Begins on a connection that is opened for it.
    fn first(path: &Path, files: Files, in_memory: bool) -> Result<Self, TxError> {
        let database = Database::open(files).map_err(|e| sqlite_error(path, &e))?;
        let transaction = Self { database, path: path.to_owned() };
        transaction.run(|connection| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
            if !in_memory {
                connection.execute_batch(ON_DISK)?;
            }
            connection.execute_batch("BEGIN IMMEDIATE")
        })?;
        transaction.check_identity()?;
        Ok(transaction)
    }

    /// Begins on a connection of an earlier transaction.
    fn resume(path: &Path, database: Database, files: Files) -> Result<Self, TxError> {
        database.lend(files);
        let transaction = Self { database, path: path.to_owned() };
        transaction.run(|connection| connection.execute_batch("BEGIN IMMEDIATE"))?;
        transaction.check_identity()?;
        Ok(transaction)
    }

    /// Refuses a file of another program or version, or with another table; makes the table in an
    /// empty file.
    ///
    /// Reads the file's header as it is now, under the lock, after SQLite has undone what a killed
    /// process left half done (<https://sqlite.org/fileformat.html>, 1.3).
    fn check_identity(&self) -> Result<(), TxError> {
        let header = self
            .database
            .with_files(Files::header)
            .unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))
            .map_err(|e| secure_file::failed(&self.path, "cannot be read", &e))?;
        let number = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map_or(0, i32::from_be_bytes)
        };
        let (id, version, cookie) = (number(68), number(60), number(40));
        if (id, version) == (APPLICATION_ID, SCHEMA_VERSION) {
            // Counts what was ever done to the schema. Once: that made the table.
            return if cookie == 1 { Ok(()) } else { self.check_schema() };
        }
        if (id, version) != (0, 0) || !self.schema()?.is_empty() {
            return Err(TxError::Damaged(format!(
                "not a store of this program (application id {id:#x}, version {version}; expected \
                 {APPLICATION_ID:#x}, {SCHEMA_VERSION})"
            )));
        }
        self.run(|connection| {
            connection.execute_batch(SCHEMA)?;
            connection.pragma_update(None, "application_id", APPLICATION_ID)?;
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)
        })
    }

    /// Refuses a file that holds anything but our table as we make it: a trigger, say, would do something
    /// else with our rows than we do.
    fn check_schema(&self) -> Result<(), TxError> {
        match self.schema()?.as_slice() {
            [Some(table)] if SCHEMA.trim_end().ends_with(&format!("{table};")) => Ok(()),
            [_] => Err(TxError::Damaged("holds another table than expected".to_owned())),
            more => Err(TxError::Damaged(format!(
                "holds {} tables, indexes, views and triggers, expected one table",
                more.len()
            ))),
        }
    }

    /// Returns the statement of every table, index, view and trigger; an automatic index has none.
    fn schema(&self) -> Result<Vec<Option<String>>, TxError> {
        self.run(|connection| {
            let mut schema = connection.prepare("SELECT sql FROM sqlite_schema")?;
            schema.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Commits, and returns the connection, without its files.
    fn commit(self) -> Result<Database, TxError> {
        self.run(|connection| connection.execute_batch("COMMIT"))?;
        self.database.close_files();
        Ok(self.database)
    }

    /// Returns the rows of one user, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn sessions_of(&self, uid: u32) -> Result<Vec<Session>, TxError> {
        let (first, last) = (place(uid, 0), place(uid, -1));
        self.run(|connection| {
            let mut rows =
                connection.prepare("SELECT * FROM session WHERE place BETWEEN ? AND ?")?;
            in_order(rows.query_map([first, last], session_of_row)?)
        })
    }

    /// Returns every row of the host, by user, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn all_sessions(&self) -> Result<Vec<Session>, TxError> {
        self.run(|connection| {
            let mut rows = connection.prepare("SELECT * FROM session")?;
            in_order(rows.query_map([], session_of_row)?)
        })
    }

    /// Adds a row, or replaces the one with the same uid and id.
    ///
    /// Two ids of one user must differ in their last 31 bits, see [`new_id`].
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn put(&self, session: &Session) -> Result<(), TxError> {
        let expires = match session.state {
            State::Open => None,
            State::Reserved { expires, .. } => Some(expires),
        };
        self.run(|connection| {
            connection.execute(
                "REPLACE INTO session VALUES (?, ?, ?, ?)",
                params![place(session.uid, session.id), session.id, expires, about(session)],
            )
        })?;
        Ok(())
    }

    /// Removes a row; a missing one is no error.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn remove(&self, uid: u32, id: i64) -> Result<(), TxError> {
        self.run(|connection| {
            connection
                .execute("DELETE FROM session WHERE place = ? AND id = ?", [place(uid, id), id])
        })?;
        Ok(())
    }

    /// Removes a row if `leader` leads it; a missing one, or that of another leader, is no error.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn remove_led_by(&self, leader: &Leader, uid: u32, id: i64) -> Result<(), TxError> {
        self.run(|connection| {
            connection.execute(
                "DELETE FROM session WHERE place = ? AND id = ? AND instr(about, ?)",
                params![place(uid, id), id, identity(leader)],
            )
        })?;
        Ok(())
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, TxError> {
        work(&self.database).map_err(|e| sqlite_error(&self.path, &e))
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("path", &self.path).finish_non_exhaustive()
    }
}

fn sqlite_error(path: &Path, error: &rusqlite::Error) -> TxError {
    let text = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        // The last two: tables of another shape than ours, which our own SQL cannot meet otherwise.
        Some(
            ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::ConstraintViolation
            | ErrorCode::Unknown,
        )
        // A value that is no value of ours.
        | None => TxError::Damaged(error.to_string()),
        Some(_) => TxError::Store(StoreError::Broken(text)),
    }
}

// The column `place`.

/// How many bits of an id are part of the place.
const PLACE_BITS: u32 = 31;

/// Returns where the row of a session is: beside those of the same user, none of them twice.
fn place(uid: u32, id: i64) -> i64 {
    i64::from(uid) << PLACE_BITS | id & ((1 << PLACE_BITS) - 1)
}

/// Returns a number for a new row of a user who has `others`: microseconds after boot, above theirs.
///
/// The lock is held and the clock does not go back, so no two rows of a host share a number.
#[must_use]
pub fn new_id(others: &[Session], now: i64) -> i64 {
    let newest = others.iter().map(|session| session.id).max().unwrap_or(0);
    let mut id = now.max(newest.saturating_add(1));
    // Once in half an hour the last bits come again: not while somebody else has them.
    while others.iter().any(|other| place(other.uid, other.id) == place(other.uid, id)) {
        // A planted row may have the last number: there is a next one all the same.
        id = id.wrapping_add(1);
    }
    id
}

/// Collects the rows, by user, oldest first.
fn in_order(
    rows: impl Iterator<Item = rusqlite::Result<Session>>,
) -> rusqlite::Result<Vec<Session>> {
    let mut sessions = rows.collect::<Result<Vec<_>, _>>()?;
    sessions.sort_unstable_by_key(|session| (session.uid, session.id));
    Ok(sessions)
}

// The column `about`. One text instead of eleven columns: SQLite reads the table's definition again at
// every login, column by column, and that was a seventh of what a login paid.

/// Between two fields; no text of a row holds one (see [`crate::model::sanitize`]).
const TAB: char = '\t';

/// Writes what a row tells of its session besides its key and its time.
fn about(session: &Session) -> String {
    let Session { user, origin, leader, audit_session, state, since, .. } = session;
    let (wish, by_child) = match *state {
        State::Open => (Wish::None, false),
        State::Reserved { wish, by_child, .. } => (wish, by_child),
    };
    let wish = match wish {
        Wish::None => "none",
        Wish::ClearAll => "clear-all",
        Wish::EvictOldest => "evict-oldest",
    };
    let opener = if by_child { "child" } else { "self" };
    let tty = origin.tty.as_deref().unwrap_or_default();
    let rhost = origin.rhost.as_deref().unwrap_or_default();
    let audit_session = audit_session.map(|id| id.to_string()).unwrap_or_default();
    format!(
        "{user}{TAB}{}{TAB}{tty}{TAB}{rhost}{}{audit_session}{TAB}{wish}{TAB}{opener}{TAB}{since}",
        origin.service,
        identity(leader)
    )
}

/// Writes the fields that tell a leader from every other process, a tab before and behind.
fn identity(leader: &Leader) -> String {
    let Leader { pid, start_time, pid_ns, boot_id } = leader;
    format!("{TAB}{pid}{TAB}{start_time}{TAB}{pid_ns}{TAB}{boot_id}{TAB}")
}

fn session_of_row(row: &Row) -> rusqlite::Result<Session> {
    let (at, id, expires): (i64, _, _) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let uid = u32::try_from(at >> PLACE_BITS).ok().filter(|&uid| place(uid, id) == at);
    let about = row.get_ref(3)?.as_str()?;
    uid.and_then(|uid| session_about(uid, id, expires, about)).ok_or_else(|| {
        let what = "expected a place and the twelve fields of a session";
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, what.into())
    })
}

/// Reads what [`about`] wrote.
fn session_about(uid: u32, id: i64, expires: Option<i64>, about: &str) -> Option<Session> {
    let mut fields = about.split(TAB);
    let mut text = || fields.next();
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let user = text()?.to_owned();
    let origin = Origin { service: text()?.to_owned(), tty: said(text()?), rhost: said(text()?) };
    let leader = Leader {
        pid: text()?.parse().ok()?,
        start_time: text()?.parse().ok()?,
        pid_ns: text()?.parse().ok()?,
        boot_id: text()?.to_owned(),
    };
    let audit_session = match text()? {
        "" => None,
        id => Some(id.parse().ok()?),
    };
    let wish = match text()? {
        "none" => Wish::None,
        "clear-all" => Wish::ClearAll,
        "evict-oldest" => Wish::EvictOldest,
        _ => return None,
    };
    let by_child = match text()? {
        "self" => false,
        "child" => true,
        _ => return None,
    };
    let since = text()?.parse().ok()?;
    let state = match expires {
        None => State::Open,
        Some(expires) => State::Reserved { expires, wish, by_child },
    };
    let session = Session { id, uid, user, origin, leader, audit_session, state, since };
    text().is_none().then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_session()(
            uid: u32, id: i64, since: i64, state in any::<Option<(i64, bool)>>(), wish in 0..3_usize,
            texts in prop::array::uniform4("[^\\t]{0,20}"), boot_id in "[0-9a-f-]{1,36}",
            (pid, start_time, pid_ns, audit_session) in any::<(i32, u64, u64, Option<u32>)>(),
        ) -> Session {
            let [user, service, tty, rhost] = texts;
            let said = |text: String| Some(text).filter(|text| !text.is_empty());
            let wish = [Wish::None, Wish::ClearAll, Wish::EvictOldest][wish];
            Session {
                id, uid, user, audit_session, since,
                origin: Origin { service, tty: said(tty), rhost: said(rhost) },
                leader: Leader { pid, start_time, pid_ns, boot_id },
                state: state.map_or(State::Open, |(expires, by_child)| {
                    State::Reserved { expires, wish, by_child }
                }),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_of_a_session_is_read_back(session in any_session()) {
            let expires = match session.state {
                State::Open => None,
                State::Reserved { expires, .. } => Some(expires),
            };
            let text = about(&session);
            prop_assert!(text.contains(&identity(&session.leader)));
            let read = session_about(session.uid, session.id, expires, &text);
            prop_assert_eq!(read, Some(session));
        }

        #[test]
        fn any_other_text_is_refused_or_read(text in ".{0,80}|([0-9a-z]{0,4}\t){11}[0-9]{0,4}") {
            let _ = session_about(0, 0, None, &text);
        }
    }

    proptest! {
        #[test]
        fn the_places_of_one_user_lie_between_those_of_others(
            uid in 1..u32::MAX, ids: [i64; 2],
        ) {
            let [one, two] = ids.map(|id| place(uid, id));
            prop_assert!(place(uid, 0) <= one && one <= place(uid, -1));
            prop_assert!(place(uid - 1, -1) < one && two < place(uid + 1, 0));
            prop_assert_eq!(one >> PLACE_BITS, i64::from(uid));
        }
    }

    #[test]
    fn a_new_id_is_above_the_others_and_has_a_place_of_its_own() {
        let other = |id| {
            let about = "alice\tsshd\tssh\t\t7\t8\t9\tboot\t\tnone\tself\t1";
            session_about(1000, id, None, about).unwrap()
        };
        const ROUND: i64 = 1 << PLACE_BITS;
        assert_eq!(new_id(&[], 77), 77);
        assert_eq!(new_id(&[other(77)], 77), 78);
        assert_eq!(new_id(&[other(99)], 77), 100);
        // Half an hour and an hour later, to the microsecond.
        let others = [other(77), other(ROUND + 78), other(ROUND + 80)];
        assert_eq!(new_id(&others, 2 * ROUND + 77), 2 * ROUND + 79);
        // Planted: no end of numbers, and no end of the search.
        assert_eq!(new_id(&[other(i64::MAX)], 77), i64::MIN);
    }

    #[test]
    fn sessions_come_by_user_oldest_first_wherever_their_places_are() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let store = Store::at(&folder.path().join("sessions.db"));
        let about = "alice\tsshd\tssh\t\t7\t8\t9\tboot\t\tnone\tself\t1";
        const ROUND: i64 = 1 << PLACE_BITS;
        let keys = [(0, 5), (7, ROUND - 1), (7, ROUND), (7, 2 * ROUND + 3), (u32::MAX, 1)];
        let read = |sessions: Vec<Session>| -> Vec<_> {
            sessions.iter().map(|session| (session.uid, session.id)).collect()
        };
        store
            .transaction(|tx| {
                for (uid, id) in keys.iter().rev() {
                    tx.put(&session_about(*uid, *id, None, about).unwrap())?;
                }
                assert_eq!(read(tx.all_sessions()?), keys);
                assert_eq!(read(tx.sessions_of(7)?), keys[1..4]);
                // The place of another session.
                tx.remove(7, 3)?;
                assert_eq!(read(tx.sessions_of(7)?), keys[1..4]);
                tx.remove(7, ROUND)?;
                assert_eq!(read(tx.sessions_of(7)?), [keys[1], keys[3]]);
                assert_eq!(read(tx.sessions_of(u32::MAX)?), keys[4..]);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_text_with_another_number_of_fields_is_refused() {
        let whole = "alice\tsshd\tssh\t\t7\t8\t9\tboot\t\tnone\tself\t1";
        assert!(session_about(1, 1, None, whole).is_some());
        assert!(session_about(1, 1, None, &format!("{whole}\t")).is_none());
        assert!(session_about(1, 1, None, whole.trim_end_matches("\t1")).is_none());
    }

    #[test]
    fn a_connection_that_is_left_is_taken_up_by_its_own_store_only() {
        let folders = [0, 1].map(|_| tempfile::tempdir().unwrap());
        let stores = folders.each_ref().map(|folder| {
            fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
                .unwrap();
            Store::at(&folder.path().join("sessions.db"))
        });
        let session = |id| {
            session_about(7, id, None, "alice\tsshd\tssh\t\t7\t8\t9\tboot\t\tnone\tself\t1")
                .unwrap()
        };
        for id in 1..4 {
            for (store, more) in stores.iter().zip([0, 100]) {
                store.transaction(|tx| tx.put(&session(id + more))).unwrap();
            }
        }
        for (store, expected) in stores.iter().zip([[1, 2, 3], [101, 102, 103]]) {
            // Any other value of the store at the same path, and any thread.
            let again = Store::at(store.path());
            let ids = std::thread::spawn(move || {
                again.transaction(|tx| tx.sessions_of(7)).unwrap().into_iter().map(|row| row.id)
            });
            assert!(ids.join().unwrap().eq(expected));
        }
    }

    #[test]
    fn sqlite_is_compiled_as_the_store_relies_on() {
        let file = || (tempfile::tempfile().unwrap(), 0);
        let connection = Database::open(Files::new(file(), file())).unwrap();
        let mut options = connection.prepare("PRAGMA compile_options").unwrap();
        let options: Vec<String> =
            options.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for expected in [
            "THREADSAFE=1",
            "TEMP_STORE=3",
            "MAX_MMAP_SIZE=0",
            "ENABLE_OVERSIZE_CELL_CHECK",
            "STMTJRNL_SPILL=-1",
            "DEFAULT_SYNCHRONOUS=0",
            "OMIT_LOAD_EXTENSION",
            "MUTEX_NOOP",
        ] {
            assert!(options.iter().any(|o| o == expected), "{expected} is not among {options:?}");
        }
        let checks: i64 =
            connection.query_row("PRAGMA cell_size_check", [], |row| row.get(0)).unwrap();
        assert_eq!(checks, 1);
    }
}
