//! The rows of the store as they stand now, and the ending of sessions.

use std::path::{Path, PathBuf};

use serde::Serialize;
use session_limit_core::admission::clear::{self, ClearSummary};
use session_limit_core::admission::live::LivenessCheck;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::policy::OnClear;
use session_limit_core::model::session::{Session, SessionState};
use session_limit_core::process::{HostIdentity, Liveness};
use session_limit_core::store::{Store, StoreError};
use session_limit_core::system;

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::Response;
use crate::output::views::{SessionStatus, SessionView};

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

    /// Returns the sessions of one user, or of all, and how each stands.
    ///
    /// A store that does not exist yet has none; looking does not make it.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn seen(&self, uid: Option<u32>) -> Result<Vec<SessionView>, CommandError> {
        let store = Store::at(&self.path);
        let host = here()?;
        let rows = store.read(|rows| match uid {
            Some(uid) => rows.sessions_of(uid),
            None => rows.all_sessions(),
        });
        let rows = told(&store, rows)?.unwrap_or_default();
        let check = LivenessCheck::new(&host, &store);
        Ok(rows
            .into_iter()
            .map(|session| SessionView { standing: standing(&session, &host, &check), session })
            .collect())
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
    ) -> Result<ClearSummary, CommandError> {
        let store = Store::at(&self.path);
        let is_chosen = |row: &Session| chosen.iter().any(|one| one.id == row.id);
        told(&store, clear::clear_sessions(&store, &here()?, is_chosen, on_clear, ended_by))
    }
}

/// Tells the log of a damaged file that had to make room.
fn told<T>(store: &Store, result: Result<T, StoreError>) -> Result<T, CommandError> {
    for quarantined in store.take_quarantined() {
        Log::new("shell", "store", false).write(Level::Critical, &quarantined.to_string());
    }
    result.map_err(|error| CommandError::new(ExitCode::Store, error.to_string()))
}

/// What a clear did, as JSON shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct ClearedRow {
    ended: usize,
    killed: usize,
    forgotten: usize,
    spared: usize,
}

/// Says what a clear did.
#[must_use]
pub fn reply(cleared: &ClearSummary) -> Response {
    let row = ClearedRow {
        ended: cleared.terminated,
        killed: cleared.killed,
        forgotten: cleared.forgotten,
        spared: cleared.skipped_own + cleared.skipped_shared,
    };
    Response::new("clear", &[row], format!("{cleared}.\n"))
}

fn here() -> Result<HostIdentity, CommandError> {
    HostIdentity::current()
        .map_err(|error| CommandError::new(ExitCode::Store, system::error_text(&error)))
}

fn standing(session: &Session, host: &HostIdentity, check: &LivenessCheck) -> SessionStatus {
    match (host.liveness(&session.leader), session.state) {
        _ if check.is_stale(session) => SessionStatus::Stale,
        (_, SessionState::Reserved { .. }) => SessionStatus::Reserved,
        (Liveness::OtherNamespace, SessionState::Open) => SessionStatus::Elsewhere,
        (_, SessionState::Open) => SessionStatus::Open,
    }
}
