//! The rows of the store as they stand now, and the ending of sessions.

use std::path::{Path, PathBuf};

use serde::Serialize;
use session_limit_core::admission::{Cleared, is_stale};
use session_limit_core::log::{Journal, Level};
use session_limit_core::model::policy::OnClear;
use session_limit_core::model::session::{Session, State};
use session_limit_core::process::{Here, Life};
use session_limit_core::store::{Store, Transaction, TxError};
use session_limit_core::system;
use session_limit_core::termination::{self, Fate, Spare};

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
        let rows = self.transaction(|rows| match uid {
            Some(uid) => rows.sessions_of(uid),
            None => rows.all_sessions(),
        })?;
        let now = system::boot_ms();
        Ok(rows
            .into_iter()
            .map(|session| Seen { standing: standing(&session, &here, now), session })
            .collect())
    }

    /// Ends sessions, as a login that clears does, and wipes the rows of those that are over.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn clear(&self, chosen: Vec<Session>, on_clear: OnClear) -> Result<Cleared, Failure> {
        let (here, spare, now) = (here()?, Spare::caller(), system::boot_ms());
        let mut cleared = Cleared::default();
        let (mut to_end, mut over) = (Vec::new(), Vec::new());
        for session in chosen {
            let is_in_reach = here.life(&session.leader) != Life::Elsewhere;
            if is_stale(&session, &here, now) || !session.is_open() {
                over.push(session);
            } else if is_in_reach && on_clear == OnClear::Terminate {
                to_end.push(session);
            } else if spare.covers(&session) {
                // Whoever runs inside a session cannot make it uncounted.
                cleared.spared += 1;
            } else {
                cleared.forgotten += 1;
                over.push(session);
            }
        }
        let fates = termination::end(&to_end, &here, &spare);
        for (session, fate) in to_end.into_iter().zip(fates) {
            cleared.note(fate);
            if matches!(fate, Fate::Ended | Fate::Killed) {
                over.push(session);
            }
        }
        if !over.is_empty() {
            self.transaction(|rows| {
                over.iter().try_for_each(|gone| rows.remove(gone.uid, gone.id))
            })?;
        }
        Ok(cleared)
    }

    /// Runs `work` on the store. A damaged file that had to make room is told to the journal.
    fn transaction<T>(
        &self,
        work: impl FnMut(&Transaction) -> Result<T, TxError>,
    ) -> Result<T, Failure> {
        let store = Store::at(&self.path);
        let result = store.transaction(work);
        for moved in store.take_moved_aside() {
            Journal::new("shell", "store", false).write(Level::Critical, &moved.to_string());
        }
        result.map_err(|error| Failure::new(Exit::Store, error.to_string()))
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
    Here::now().map_err(|error| Failure::new(Exit::Store, system::reason(&error)))
}

fn standing(session: &Session, here: &Here, now: i64) -> Standing {
    match (here.life(&session.leader), session.state) {
        _ if is_stale(session, here, now) => Standing::Stale,
        (_, State::Reserved { .. }) => Standing::Reserved,
        (Life::Elsewhere, State::Open) => Standing::Elsewhere,
        (_, State::Open) => Standing::Open,
    }
}
