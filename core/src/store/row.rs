//! A session as a row of the table, and back.

use rusqlite::types::Type;
use rusqlite::{Row, ToSql, params};

use super::TransactionError;
use crate::model::session::{EvictionRequest, Leader, Origin, Session, SessionState};
use crate::system::clock;

/// What [`session_of`] reads, of the table of version 4: it had neither `on_open_session` nor `over_limit`.
pub const COLUMNS_OF_VERSION_4: &str = "id, uid, user, service, tty, rhost, state, since, reserved_until, \
                           reserved_by_child, on_open, NULL, 0, leader_pid, leader_start_time, \
                           leader_pid_ns, leader_boot_id, process_session, audit_session";

/// Adds a row, or replaces the user's one with the same id; a value for each column, in the order of the table.
pub const UPSERT: &str = "INSERT OR REPLACE INTO session \
                          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Returns the number of a row that is new at this moment: microseconds after boot.
#[must_use]
pub fn first_number() -> i64 {
    clock::boot_ns() / 1000
}

/// Returns a number for a new row of a user with these other rows, above theirs.
///
/// Every writer holds the lock, takes longer than a microsecond and asks the same clock, which does not go
/// back: no number is used twice in one boot.
///
/// # Errors
///
/// A planted row has the last number of all.
pub fn new_id(others: &[Session]) -> Result<i64, TransactionError> {
    let newest = others.iter().map(|session| session.id).max().unwrap_or(0);
    let next = newest.checked_add(1).ok_or_else(|| {
        TransactionError::Damaged(format!("holds a session with the number {newest}"))
    })?;
    Ok(next.max(first_number()))
}

/// Hands the parameters of [`UPSERT`] to `execute`.
pub fn with_parameters<T>(session: &Session, execute: impl FnOnce(&[&dyn ToSql]) -> T) -> T {
    let Session {
        id,
        uid,
        user,
        origin,
        leader,
        process_session,
        audit_session,
        state,
        over_limit,
        since,
    } = session;
    let (state, until, eviction, by_child) = match *state {
        SessionState::Open => ("open", None, EvictionRequest::None, false),
        SessionState::Reserved { until, eviction, by_child } => {
            ("reserved", Some(until), eviction, by_child)
        }
    };
    let (on_open, on_open_session) = match eviction {
        EvictionRequest::None => (None, None),
        EvictionRequest::ClearAll => (Some("clear-all"), None),
        EvictionRequest::EvictOldest => (Some("evict-oldest"), None),
        EvictionRequest::Session(id) => (Some("clear-session"), Some(id)),
    };
    execute(params![
        id,
        uid,
        user,
        origin.service,
        origin.tty,
        origin.rhost,
        state,
        since,
        until,
        by_child,
        on_open,
        on_open_session,
        over_limit,
        leader.pid,
        signed(leader.start_time),
        signed(leader.pid_ns),
        leader.boot_id,
        process_session,
        audit_session,
    ])
}

/// Reads a row with all columns, in the order of the table.
///
/// # Errors
///
/// A value that [`with_parameters`] never writes.
pub fn session_of(row: &Row) -> rusqlite::Result<Session> {
    let state: String = row.get(6)?;
    let (until, by_child, on_open): (Option<i64>, bool, Option<String>) =
        (row.get(8)?, row.get(9)?, row.get(10)?);
    let eviction = match (on_open.as_deref(), row.get(11)?) {
        (None, None) => EvictionRequest::None,
        (Some("clear-all"), None) => EvictionRequest::ClearAll,
        (Some("evict-oldest"), None) => EvictionRequest::EvictOldest,
        (Some("clear-session"), Some(id)) => EvictionRequest::Session(id),
        _ => {
            return Err(unexpected(10, "clear-all, evict-oldest, or clear-session with a session"));
        }
    };
    let state = match (state.as_str(), until) {
        ("open", None) => SessionState::Open,
        ("reserved", Some(until)) => SessionState::Reserved { until, eviction, by_child },
        _ => return Err(unexpected(6, "open, or reserved until some time")),
    };
    let (start_time, pid_ns): (i64, i64) = (row.get(14)?, row.get(15)?);
    Ok(Session {
        id: row.get(0)?,
        uid: row.get(1)?,
        user: row.get(2)?,
        origin: Origin { service: row.get(3)?, tty: row.get(4)?, rhost: row.get(5)? },
        leader: Leader {
            pid: row.get(13)?,
            start_time: unsigned(start_time),
            pid_ns: unsigned(pid_ns),
            boot_id: row.get(16)?,
        },
        process_session: row.get(17)?,
        audit_session: row.get(18)?,
        state,
        over_limit: row.get(12)?,
        since: row.get(7)?,
    })
}

/// Returns the bits of a number as SQLite keeps them: it has no unsigned numbers.
#[must_use]
pub fn signed(number: u64) -> i64 {
    i64::from_ne_bytes(number.to_ne_bytes())
}

fn unsigned(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}

fn unexpected(column: usize, expected: &str) -> rusqlite::Error {
    let text = format!("expected {expected}");
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, text.into())
}
