//! The live sessions in a local SQLite file: the only SQL of the project.
//!
//! A store is opened, used and closed within one call, under a lock file beside it; nothing is
//! held when the call returns, for the host may fork. Every read follows the lock, also in the very
//! first login after boot, when folder, file and tables are made.
//!
//! Journal mode TRUNCATE survives a SIGKILL at any instant, which MEMORY and OFF do not, and reads
//! from full and read-only file systems, which WAL does not.

use std::cell::RefCell;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Row, params};

use crate::session::{Leader, Origin, Session, State, Wish};
use crate::sys::{self, SignalsHeld};

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
const SCHEMA_VERSION: i32 = 1;
/// The second line behind the lock file: somebody reads the database with another program.
const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// The columns of a session, in the order of [`session_of_row`].
const COLUMNS: &str = "id, uid, user, service, tty, rhost, pid, start_time, pid_ns, boot_id, \
                       audit_session, expires, wish, by_child, since";

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

/// Why the store could not be used. Every variant names the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// An unprivileged caller may not reach it.
    NotPermitted(String),
    /// It lies on a read-only file system.
    ReadOnly(String),
    /// Anything else: unsafe owner or mode, lock not free in time, disk full, I/O error.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted(text) | Self::ReadOnly(text) | Self::Broken(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for StoreError {}

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
        self.prepare_folder()?;
        // Dropped in reverse order: SQLite closes, then the lock goes, then the signals come.
        let lock = Lock::take(&self.path, self.deadline)?;
        let _signals = SignalsHeld::new();
        match self.attempt(&lock, &mut work) {
            Err(TxError::Damaged(reason)) => {
                self.move_aside(reason)?;
                match self.attempt(&lock, &mut work) {
                    Err(TxError::Damaged(reason)) => Err(self.broken(&reason)),
                    Err(TxError::Store(error)) => Err(error),
                    Ok(value) => Ok(value),
                }
            }
            Err(TxError::Store(error)) => Err(error),
            Ok(value) => Ok(value),
        }
    }

    fn attempt<T>(
        &self,
        lock: &Lock,
        work: &mut impl FnMut(&Transaction) -> Result<T, TxError>,
    ) -> Result<T, TxError> {
        self.prepare_file()?;
        let transaction = Transaction::begin(&self.path, sys::is_in_memory(&lock.file))?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Checks every folder on the way, and makes the last one if it is missing.
    fn prepare_folder(&self) -> Result<(), StoreError> {
        let Some(folder) = self.path.parent().filter(|_| self.path.is_absolute()) else {
            return Err(self.broken("is not an absolute path"));
        };
        let mut walked = PathBuf::new();
        for part in folder.components() {
            match part {
                Component::RootDir | Component::Normal(_) => walked.push(part),
                _ => return Err(self.broken("has a component that is not a plain name")),
            }
            let last = walked == folder;
            let meta = match fs::symlink_metadata(&walked) {
                Err(e) if last && e.kind() == io::ErrorKind::NotFound => make_folder(&walked)?,
                other => other.map_err(|e| failed(&walked, "cannot be examined", &e))?,
            };
            check_folder(&walked, &meta, last)?;
        }
        Ok(())
    }

    /// Makes the database file, empty, if it is missing; checks it if not.
    ///
    /// No descriptor on an existing file is opened here: closing it would drop the POSIX locks of
    /// another thread's SQLite.
    fn prepare_file(&self) -> Result<(), StoreError> {
        match fs::symlink_metadata(&self.path) {
            Ok(meta) => check_file(&self.path, &meta),
            Err(e) if e.kind() == io::ErrorKind::NotFound => create_file(&self.path).map(drop),
            Err(e) => Err(failed(&self.path, "cannot be examined", &e)),
        }
    }

    fn move_aside(&self, reason: String) -> Result<(), StoreError> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".damaged-{}-{}", sys::epoch_seconds(), sys::boot_ms()));
        let to = PathBuf::from(name);
        // The journal goes first: it must never meet a database that it does not belong to.
        match fs::rename(beside(&self.path, "-journal"), beside(&to, "-journal")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&self.path, "its journal cannot be moved aside", &e));
            }
            _ => {}
        }
        fs::rename(&self.path, &to)
            .map_err(|e| failed(&self.path, "is damaged and cannot be moved aside", &e))?;
        self.moved_aside.borrow_mut().push(MovedAside { from: self.path.clone(), to, reason });
        Ok(())
    }

    fn broken(&self, reason: &str) -> StoreError {
        StoreError::Broken(format!("{}: {reason}", self.path.display()))
    }
}

/// Returns the file called as `path` with `suffix` behind it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, what: &str, error: &io::Error) -> StoreError {
    let text = format!("{}: {what}: {}", path.display(), sys::reason(error));
    match error.raw_os_error() {
        Some(libc::EROFS) => StoreError::ReadOnly(text),
        Some(libc::EACCES | libc::EPERM) if sys::effective_uid() != 0 => {
            StoreError::NotPermitted(text)
        }
        _ => StoreError::Broken(text),
    }
}

fn make_folder(path: &Path) -> Result<fs::Metadata, StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // The host's umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| failed(path, "cannot be given its mode", &e))?,
        // Another login was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(failed(path, "cannot be made", &e)),
    }
    fs::symlink_metadata(path).map_err(|e| failed(path, "cannot be examined", &e))
}

fn check_folder(path: &Path, meta: &fs::Metadata, last: bool) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::Broken(format!("{}: {what}", path.display())));
    if !meta.is_dir() {
        return refuse("is not a folder, or is a symbolic link, expected a folder".into());
    }
    check_owner(path, meta)?;
    let mode = meta.mode() & 0o7777;
    if last && mode & 0o077 != 0 {
        return refuse(format!("has mode {mode:04o}, expected 0700"));
    }
    // In a sticky folder, such as /tmp, nobody can replace what is ours.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return refuse(format!(
            "has mode {mode:04o}, expected one that only its owner can write to"
        ));
    }
    Ok(())
}

fn check_file(path: &Path, meta: &fs::Metadata) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::Broken(format!("{}: {what}", path.display())));
    if !meta.is_file() {
        return refuse("is not a regular file, expected one".into());
    }
    check_owner(path, meta)?;
    if meta.mode() & 0o077 != 0 {
        return refuse(format!("has mode {:04o}, expected 0600", meta.mode() & 0o7777));
    }
    if meta.nlink() > 1 {
        return refuse(format!("has {} names (hard links), expected one", meta.nlink()));
    }
    Ok(())
}

fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<(), StoreError> {
    if meta.uid() == 0 || meta.uid() == sys::effective_uid() {
        return Ok(());
    }
    if sys::effective_uid() != 0 {
        let text = format!("{}: is owned by uid {}", path.display(), meta.uid());
        return Err(StoreError::NotPermitted(text));
    }
    Err(StoreError::Broken(format!(
        "{}: is owned by uid {}, expected root",
        path.display(),
        meta.uid()
    )))
}

/// Makes a file that only its owner can read, without following a symbolic link.
fn create_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| failed(path, "cannot be made", &e))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|e| failed(path, "cannot be given its mode", &e))?;
    Ok(file)
}

/// The lock file: one transaction at a time on this host.
///
/// SQLite's own waiting fails under a herd of logins. Here every waiter sleeps 5 to 15 ms, less the
/// longer it has waited, and gives up at the deadline: a stopped holder must not stop all logins.
struct Lock {
    file: File,
}

impl Lock {
    fn take(database: &Path, deadline: Duration) -> Result<Self, StoreError> {
        let path = beside(database, ".lock");
        let began = sys::boot_ms();
        let deadline_ms = i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
        loop {
            let file = open_lock(&path)?;
            loop {
                if sys::try_lock(&file).map_err(|e| failed(&path, "cannot be locked", &e))? {
                    break;
                }
                let waited = sys::boot_ms().saturating_sub(began);
                if waited >= deadline_ms {
                    let text = format!("{}: not free within {deadline_ms} ms", path.display());
                    return Err(StoreError::Broken(text));
                }
                std::thread::sleep(pause(waited));
            }
            let lock = Self { file };
            // The file may have been removed while we waited for it.
            if lock.is_at(&path) {
                return Ok(lock);
            }
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        self.file.metadata().is_ok_and(|ours| {
            fs::symlink_metadata(path)
                .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
        })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        sys::unlock(&self.file);
    }
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    loop {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(path);
        match opened {
            Ok(file) => {
                let meta = file.metadata().map_err(|e| failed(path, "cannot be examined", &e))?;
                // A link count of 0 is a lock file that was removed just now.
                check_file(path, &meta)?;
                return Ok(file);
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => match create_file(path) {
                Ok(file) => return Ok(file),
                // Another login was faster: open what it made.
                Err(_) if path.symlink_metadata().is_ok() => {}
                Err(error) => return Err(error),
            },
            Err(e) => return Err(failed(path, "cannot be opened", &e)),
        }
    }
}

/// Returns how long to sleep after `waited` milliseconds: 5 to 15 ms, less with age.
fn pause(waited: i64) -> Duration {
    // Not a secret: it only has to differ between processes and between turns.
    let mut mix = u64::from(sys::own_pid().unsigned_abs()) ^ (sys::boot_ns().unsigned_abs() << 8);
    mix ^= mix >> 31;
    mix = mix.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let micros = 5_000 + (mix >> 32) % 10_000;
    Duration::from_micros(micros / (1 + waited.unsigned_abs() / 100))
}

/// One transaction on the store; rolled back when dropped.
pub struct Transaction {
    connection: Connection,
    path: PathBuf,
}

impl Transaction {
    fn begin(path: &Path, in_memory: bool) -> Result<Self, TxError> {
        // No URI: a path is a path. NOFOLLOW: no component of it may be a symbolic link.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let connection =
            Connection::open_with_flags(path, flags).map_err(|e| sqlite_error(path, &e))?;
        let transaction = Self { connection, path: path.to_owned() };
        // A reboot empties tmpfs, so there is nothing that fsync could save.
        let synchronous = if in_memory { "OFF" } else { "NORMAL" };
        transaction.run(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.execute_batch(&format!(
                "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA trusted_schema = OFF;
                 PRAGMA cell_size_check = ON; PRAGMA synchronous = {synchronous};
                 PRAGMA journal_mode = TRUNCATE; BEGIN IMMEDIATE"
            ))
        })?;
        transaction.check_identity()?;
        Ok(transaction)
    }

    /// Makes the tables in an empty file; refuses a file of another program or version.
    fn check_identity(&self) -> Result<(), TxError> {
        let number = |pragma: &str| {
            self.run(|connection| connection.query_row(pragma, [], |row| row.get::<_, i32>(0)))
        };
        match (number("PRAGMA application_id")?, number("PRAGMA user_version")?) {
            (APPLICATION_ID, SCHEMA_VERSION) => Ok(()),
            (0, 0) if number("SELECT count(*) FROM sqlite_schema")? == 0 => {
                self.run(|connection| {
                    connection.execute_batch(include_str!("schema.sql"))?;
                    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
                    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
                })
            }
            (id, version) => Err(TxError::Damaged(format!(
                "not a store of this program (application id {id:#x}, version {version}; expected \
                 {APPLICATION_ID:#x}, {SCHEMA_VERSION})"
            ))),
        }
    }

    fn commit(self) -> Result<(), TxError> {
        self.run(|connection| connection.execute_batch("COMMIT"))
    }

    /// Returns the rows of one user, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn sessions_of(&self, uid: u32) -> Result<Vec<Session>, TxError> {
        self.run(|connection| {
            connection
                .prepare(&format!("SELECT {COLUMNS} FROM session WHERE uid = ?1 ORDER BY id"))?
                .query_map([uid], session_of_row)?
                .collect()
        })
    }

    /// Returns every row of the host, by user, oldest first.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn all_sessions(&self) -> Result<Vec<Session>, TxError> {
        self.run(|connection| {
            connection
                .prepare(&format!("SELECT {COLUMNS} FROM session ORDER BY uid, id"))?
                .query_map([], session_of_row)?
                .collect()
        })
    }

    /// Adds a row, or replaces the one with the same uid and id.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn put(&self, session: &Session) -> Result<(), TxError> {
        let (expires, wish, by_child) = match session.state {
            State::Open => (None, Wish::None, false),
            State::Reserved { expires, wish, by_child } => (Some(expires), wish, by_child),
        };
        let leader = &session.leader;
        self.run(|connection| {
            connection.execute(
                &format!(
                    "INSERT OR REPLACE INTO session ({COLUMNS}) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
                ),
                params![
                    session.id,
                    session.uid,
                    session.user,
                    session.origin.service,
                    session.origin.tty,
                    session.origin.rhost,
                    leader.pid,
                    signed(leader.start_time),
                    signed(leader.pid_ns),
                    leader.boot_id,
                    session.audit_session,
                    expires,
                    number_of_wish(wish),
                    by_child,
                    session.since,
                ],
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
            connection.execute("DELETE FROM session WHERE uid = ?1 AND id = ?2", params![uid, id])
        })?;
        Ok(())
    }

    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, TxError> {
        work(&self.connection).map_err(|e| sqlite_error(&self.path, &e))
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

/// SQLite's integers are signed; the bits are what matters.
fn signed(number: u64) -> i64 {
    i64::from_ne_bytes(number.to_ne_bytes())
}

fn unsigned(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}

fn number_of_wish(wish: Wish) -> i64 {
    match wish {
        Wish::None => 0,
        Wish::ClearAll => 1,
        Wish::EvictOldest => 2,
    }
}

fn wish_of_number(column: usize, number: i64) -> rusqlite::Result<Wish> {
    match number {
        0 => Ok(Wish::None),
        1 => Ok(Wish::ClearAll),
        2 => Ok(Wish::EvictOldest),
        other => Err(rusqlite::Error::IntegralValueOutOfRange(column, other)),
    }
}

fn session_of_row(row: &Row) -> rusqlite::Result<Session> {
    let expires: Option<i64> = row.get(11)?;
    Ok(Session {
        id: row.get(0)?,
        uid: row.get(1)?,
        user: row.get(2)?,
        origin: Origin { service: row.get(3)?, tty: row.get(4)?, rhost: row.get(5)? },
        leader: Leader {
            pid: row.get(6)?,
            start_time: unsigned(row.get(7)?),
            pid_ns: unsigned(row.get(8)?),
            boot_id: row.get(9)?,
        },
        audit_session: row.get(10)?,
        state: match expires {
            None => State::Open,
            Some(expires) => {
                let wish = wish_of_number(12, row.get(12)?)?;
                State::Reserved { expires, wish, by_child: row.get(13)? }
            }
        },
        since: row.get(14)?,
    })
}
