//! The rows of the store as they stand now, and the ending of sessions.

use std::path::{Path, PathBuf};

use pam_session_limit::login::{Cleared, is_stale};
use pam_session_limit::policy::OnClear;
use pam_session_limit::process::{Here, Life};
use pam_session_limit::session::{Session, State};
use pam_session_limit::store::{Store, StoreError};
use pam_session_limit::sys;
use pam_session_limit::terminate::{self, Fate, Spare};
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::reply::Reply;
use crate::show::{Seen, Standing};

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
    pub fn seen(&self, uid: Option<u32>) -> Result<Vec<Seen>, Failure> {
        let missing = |e: std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
        if self.path.symlink_metadata().is_err_and(missing) {
            return Ok(Vec::new());
        }
        let here = here()?;
        let rows = Store::at(&self.path)
            .transaction(|rows| match uid {
                Some(uid) => rows.sessions_of(uid),
                None => rows.all_sessions(),
            })
            .map_err(|error| broken(&error))?;
        let now = sys::boot_ms();
        Ok(rows
            .into_iter()
            .map(|session| Seen { standing: standing(&session, &here, now), session })
            .collect())
    }

    /// Ends sessions and wipes the rows of those that are over.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn clear(&self, chosen: Vec<Session>, on_clear: OnClear) -> Result<Cleared, Failure> {
        let here = here()?;
        let fates: Vec<Option<Fate>> = match on_clear {
            OnClear::Terminate => {
                terminate::end(&chosen, &here, &Spare::caller()).into_iter().map(Some).collect()
            }
            OnClear::Forget => vec![None; chosen.len()],
        };
        let mut cleared = Cleared::default();
        let mut over = Vec::new();
        for (session, fate) in chosen.into_iter().zip(fates) {
            match fate {
                Some(fate) => cleared.note(fate),
                None => cleared.forgotten += 1,
            }
            if !matches!(fate, Some(Fate::Spared | Fate::Survived)) {
                over.push((session.uid, session.id));
            }
        }
        if !over.is_empty() {
            Store::at(&self.path)
                .transaction(|rows| over.iter().try_for_each(|&(uid, id)| rows.remove(uid, id)))
                .map_err(|error| broken(&error))?;
        }
        Ok(cleared)
    }
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
pub fn reply(cleared: &Cleared) -> Reply {
    let Cleared { ended, killed, forgotten, spared, .. } = *cleared;
    Reply::new("clear", &[ClearedRow { ended, killed, forgotten, spared }], format!("{cleared}.\n"))
}

fn here() -> Result<Here, Failure> {
    Here::now().map_err(|error| Failure::new(Exit::Store, sys::reason(&error)))
}

fn broken(error: &StoreError) -> Failure {
    Failure::new(Exit::Store, error.to_string())
}

fn standing(session: &Session, here: &Here, now: i64) -> Standing {
    match (here.life(&session.leader), session.state) {
        _ if is_stale(session, here, now) => Standing::Stale,
        (_, State::Reserved { .. }) => Standing::Reserved,
        (Life::Elsewhere, State::Open) => Standing::Elsewhere,
        (_, State::Open) => Standing::Open,
    }
}
