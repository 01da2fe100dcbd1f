//! The rows of the store as they stand now, and the ending of sessions.

use std::path::{Path, PathBuf};

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
        let mut cleared = Cleared::default();
        let here = here()?;
        let fates = match on_clear {
            OnClear::Terminate => terminate::end(&chosen, &here, &Spare::caller()),
            OnClear::Forget => vec![Fate::Ended; chosen.len()],
        };
        let mut over = Vec::new();
        for (session, fate) in chosen.into_iter().zip(fates) {
            match fate {
                Fate::Ended => cleared.ended += 1,
                Fate::Killed => cleared.killed += 1,
                Fate::Spared => cleared.spared += 1,
                Fate::Survived => cleared.survived += 1,
            }
            if matches!(fate, Fate::Ended | Fate::Killed) {
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

/// How many sessions a clear met, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cleared {
    ended: usize,
    killed: usize,
    spared: usize,
    survived: usize,
}

impl Cleared {
    /// Says what was done.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let over = self.ended + self.killed;
        let mut text = format!("{over} {} ended", if over == 1 { "session" } else { "sessions" });
        if self.killed > 0 {
            text.push_str(&format!(", {} of them by force", self.killed));
        }
        if self.spared > 0 {
            text.push_str(&format!(
                "; {} left alone: you are inside, or it is in another pid namespace",
                self.spared
            ));
        }
        Reply::new("clear", &[self], format!("{text}.\n"))
    }

    /// Returns how many sessions are still there although they should not be.
    #[must_use]
    pub fn survived(&self) -> usize {
        self.survived
    }
}

fn here() -> Result<Here, Failure> {
    Here::now().map_err(|error| Failure::new(Exit::Store, sys::reason(&error)))
}

fn broken(error: &StoreError) -> Failure {
    Failure::new(Exit::Store, error.to_string())
}

fn standing(session: &Session, here: &Here, now: i64) -> Standing {
    match (here.life(&session.leader), session.state) {
        (Life::Dead, _) => Standing::Stale,
        (_, State::Reserved { expires, .. }) if expires <= now => Standing::Stale,
        (_, State::Reserved { .. }) => Standing::Reserved,
        (Life::Alive, State::Open) => Standing::Open,
        (Life::Elsewhere, State::Open) => Standing::Elsewhere,
    }
}
