//! The rows of the store as they stand now, and the ending of sessions.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use session_limit_core::admission::clear::{self, ClearSummary};
use session_limit_core::admission::live::LivenessCheck;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::policy::OnClear;
use session_limit_core::model::session::{Session, SessionState};
use session_limit_core::process::{HostIdentity, Liveness};
use session_limit_core::store::last_login::{LastLogin, LastLogins};
use session_limit_core::store::{Store, StoreError};
use session_limit_core::system;

use crate::error::{AdminError, AdminErrorKind};

/// The store of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sessions {
    path: PathBuf,
}

impl Sessions {
    /// Names the store at `path`; nothing is touched yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Returns where the store is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the sessions of one user, or of all, and how each stands.
    ///
    /// A store that does not exist yet has none; looking does not make it.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn seen(&self, uid: Option<u32>) -> Result<Vec<SessionView>, AdminError> {
        self.look(self.rows(uid)?)
    }

    /// Returns the sessions of one user, or of all, as they are recorded.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn rows(&self, uid: Option<u32>) -> Result<Vec<Session>, AdminError> {
        let store = Store::at(&self.path);
        let rows = store.read(|rows| match uid {
            Some(uid) => rows.sessions_of(uid),
            None => rows.all_sessions(),
        });
        Ok(told(&store, rows)?.unwrap_or_default())
    }

    /// Looks how recorded sessions stand: a look at a process for each.
    ///
    /// # Errors
    /// When `/proc` cannot be used.
    pub fn look(&self, rows: Vec<Session>) -> Result<Vec<SessionView>, AdminError> {
        let (store, host) = (Store::at(&self.path), here()?);
        let check = LivenessCheck::new(&host, &store);
        Ok(rows
            .into_iter()
            .map(|session| SessionView { status: status(&session, &host, &check), session })
            .collect())
    }

    /// Returns the last login of a user; nothing where none is known.
    ///
    /// # Errors
    /// When what was kept cannot be read.
    pub fn last_login(&self, uid: u32) -> Result<Option<LastLogin>, AdminError> {
        LastLogins::beside(&self.path).of(uid).map_err(|error| store_error(&error))
    }

    /// Returns the last logins of all users, in the order of the user ids.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn last_logins(&self) -> Result<Vec<LastLogin>, AdminError> {
        LastLogins::beside(&self.path).all().map_err(|error| store_error(&error))
    }

    /// Ends sessions, as a login that clears does, and wipes the rows of those that are over.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn clear(
        &self,
        chosen: &[Session],
        on_clear: OnClear,
        ended_by: &str,
    ) -> Result<ClearSummary, AdminError> {
        let store = Store::at(&self.path);
        let is_chosen =
            |row: &Session| chosen.iter().any(|one| (one.uid, one.id) == (row.uid, row.id));
        told(&store, clear::clear_sessions(&store, &here()?, is_chosen, on_clear, ended_by))
    }
}

/// Tells the log of a damaged file that had to make room.
fn told<T>(store: &Store, result: Result<T, StoreError>) -> Result<T, AdminError> {
    for quarantined in store.take_quarantined() {
        Log::new("admin", "store", false).write(Level::Critical, &quarantined.to_string());
    }
    result.map_err(|error| store_error(&error))
}

fn store_error(error: &StoreError) -> AdminError {
    AdminError::new(AdminErrorKind::Store, error.to_string())
}

/// How a row of the store stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// The session is open and its leader lives.
    Open,
    /// A place taken by a login that has not opened yet.
    Reserved,
    /// The leader is gone; the row goes at the user's next login.
    Stale,
    /// The leader is in another pid namespace and cannot be tested from here.
    Elsewhere,
}

impl SessionStatus {
    /// Returns the word that it is shown by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Reserved => "reserved",
            Self::Stale => "stale",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// A row of the store and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The row.
    pub session: Session,
    /// How it stands.
    pub status: SessionStatus,
}

/// Returns how many of the sessions are open.
#[must_use]
pub fn count(sessions: &[SessionView]) -> usize {
    sessions.iter().filter(|seen| is_held(seen)).count()
}

/// Returns whether the session takes a slot, which a reservation does too.
#[must_use]
pub fn takes_slot(seen: &SessionView) -> bool {
    seen.status != SessionStatus::Stale && seen.session.counts_toward_limit()
}

/// Returns whether the session is open and its leader lives.
#[must_use]
pub fn is_held(seen: &SessionView) -> bool {
    seen.session.state == SessionState::Open && seen.status != SessionStatus::Stale
}

fn here() -> Result<HostIdentity, AdminError> {
    HostIdentity::current()
        .map_err(|error| AdminError::new(AdminErrorKind::Store, system::error_text(&error)))
}

fn status(session: &Session, host: &HostIdentity, check: &LivenessCheck) -> SessionStatus {
    match (host.liveness(&session.leader), session.state) {
        _ if check.is_stale(session) => SessionStatus::Stale,
        (_, SessionState::Reserved { .. }) => SessionStatus::Reserved,
        (Liveness::OtherNamespace, SessionState::Open) => SessionStatus::Elsewhere,
        (_, SessionState::Open) => SessionStatus::Open,
    }
}
