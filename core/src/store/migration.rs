//! Stores of earlier versions of this program, whose rows are living sessions.
//!
//! Versions 2 and 3 kept most of a row in one text of twelve fields with tabs between them. They were
//! written to `sessions.db`; modules of those versions move a store of any other version out of the way
//! and begin a new one. So the present store has a name of its own: a new one takes over the rows of the
//! former one beside it, which is left as it is for the sessions that such a module still has to close.
//!
//! Version 6 had the present columns with an index of the uid, version 5 checks too, version 4 neither
//! `on_open_session` nor `over_limit`. They leave a store of a later version alone, so their rows are taken over in
//! place, with their numbers.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::TransactionError;
use super::error::sqlite_error;
use super::{row, secure_file};
use crate::model::session::{EvictionRequest, Leader, Origin, Session, SessionState};

/// What the store is called since version 4.
pub const FILE_NAME: &str = "live-sessions.db";
/// The last version that called it otherwise.
pub const FORMER_VERSION: i32 = 3;
/// What it was called before.
const FORMER_FILE_NAME: &str = "sessions.db";

/// Returns where the former version kept the sessions of the store at `path`, if it did so elsewhere.
#[must_use]
pub fn former_path(path: &Path) -> Option<PathBuf> {
    (path.file_name()? == FILE_NAME).then(|| path.with_file_name(FORMER_FILE_NAME))
}

/// Reads the rows of the former store beside the one at `path`; none where there is no such store.
///
/// # Errors
///
/// Those of SQLite, and a file that is not safe to open.
pub fn former_sessions(path: &Path) -> Result<Vec<Session>, TransactionError> {
    let Some(former) = former_path(path) else { return Ok(Vec::new()) };
    if !secure_file::check_if_exists(&former)? {
        return Ok(Vec::new());
    }
    // Written to where a killed process left a journal: SQLite rolls it back.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let read = || {
        let connection = Connection::open_with_flags(&former, flags)?;
        let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        sessions_of_version(&connection, version)
    };
    read().map_err(|error| sqlite_error(&former, &error))
}

/// Reads the rows of a store of an earlier version.
///
/// # Errors
///
/// Those of SQLite; a version that is not known; a row that this program did not write.
pub fn sessions_of_version(
    connection: &Connection,
    version: i32,
) -> rusqlite::Result<Vec<Session>> {
    let columns = match version {
        4..=6 => {
            let columns = if version == 4 { row::COLUMNS_OF_VERSION_4 } else { "*" };
            let mut rows = connection.prepare(&format!("SELECT {columns} FROM session"))?;
            return rows.query_map([], row::session_of)?.collect();
        }
        2 => "uid, id, expires, about",
        // The uid and the last 31 bits of the id were one number.
        3 => "place >> 31, id, expires, about",
        _ => return Err(not_understood(format!("version {version} of the store"))),
    };
    let mut rows = connection.prepare(&format!("SELECT {columns} FROM session"))?;
    rows.query_map([], |row| {
        let about: String = row.get(3)?;
        session_about(row.get(0)?, row.get(1)?, row.get(2)?, &about)
            .ok_or_else(|| not_understood(format!("a row of version {version}: {about:?}")))
    })?
    .collect()
}

/// Reads the text of a row: user, service, tty, rhost, leader (pid, start time, pid namespace, boot),
/// audit session, eviction request, who reserved it, seconds after the epoch.
fn session_about(uid: u32, id: i64, until: Option<i64>, about: &str) -> Option<Session> {
    let mut fields = about.split('\t');
    let mut text = || fields.next();
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let user = text()?.to_owned();
    let origin = Origin { service: text()?.to_owned(), tty: given(text()?), rhost: given(text()?) };
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
    let eviction = match text()? {
        "none" => EvictionRequest::None,
        "clear-all" => EvictionRequest::ClearAll,
        "evict-oldest" => EvictionRequest::EvictOldest,
        _ => return None,
    };
    let by_child = match text()? {
        "self" => false,
        "child" => true,
        _ => return None,
    };
    let since = text()?.parse().ok()?;
    let state = match until {
        None => SessionState::Open,
        Some(until) => SessionState::Reserved { until, eviction, by_child },
    };
    // It was not recorded. sshd and login lead their process session.
    let process_session = leader.pid;
    let session = Session {
        id,
        uid,
        user,
        origin,
        leader,
        process_session,
        audit_session,
        state,
        over_limit: false,
        since,
    };
    text().is_none().then_some(session)
}

fn not_understood(what: String) -> rusqlite::Error {
    let text = format!("{what} is not understood");
    rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROW: &str = "alice\tsshd\tssh\t192.0.2.7\t7\t8\t9\tboot\t5\tnone\tself\t1";

    #[test]
    fn a_row_of_the_former_version_is_read() {
        let session = session_about(1000, 77, None, ROW).unwrap();
        assert_eq!((session.uid, session.id, session.user.as_str()), (1000, 77, "alice"));
        assert_eq!(session.origin.to_string(), "service sshd, tty ssh, rhost 192.0.2.7");
        assert_eq!((session.leader.pid, session.leader.start_time), (7, 8));
        assert_eq!((session.audit_session, session.state), (Some(5), SessionState::Open));
        let reserved = "alice\tsshd\t\t\t7\t8\t9\tboot\t\tclear-all\tchild\t1";
        let state = session_about(1000, 77, Some(5), reserved).unwrap().state;
        let eviction = EvictionRequest::ClearAll;
        assert_eq!(state, SessionState::Reserved { until: 5, eviction, by_child: true });
    }

    #[test]
    fn a_text_with_another_number_of_fields_is_refused() {
        assert!(session_about(1, 1, None, &format!("{ROW}\t")).is_none());
        assert!(session_about(1, 1, None, ROW.trim_end_matches("\t1")).is_none());
    }

    proptest! {
        #[test]
        fn any_other_text_is_refused_or_read(text in ".{0,80}|([0-9a-z]{0,4}\t){11}[0-9]{0,4}") {
            let _ = session_about(0, 0, None, &text);
        }
    }
}
