//! Clearing: which sessions are ended, which are left alone, and what came of it. The one procedure for
//! logins that clear or evict and for the administrator's commands.

use std::fmt;

use super::live::LivenessCheck;
use crate::fleet::protocol::HostCleared;
use crate::model::policy::OnClear;
use crate::model::session::Session;
use crate::process::{HostIdentity, Liveness};
use crate::store::{Store, StoreError, Transaction, TransactionError};
use crate::system::clock;
use crate::termination::{self, ProtectedProcesses, SkipReason, TerminationResult};
use serde::{Deserialize, Serialize};

/// Milliseconds in which one opening begins to end sessions again, against logins that keep coming.
///
/// A count of rounds would not do: every login of a storm that clears may overtake this one once. With
/// the last round's own time an opening ends far below the 120 s of sshd's `LoginGraceTime`.
const CLEARING_MS: i64 = 10_000;

/// What clearing did to sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearSummary {
    /// Ended by SIGTERM or SIGHUP.
    pub terminated: usize,
    /// Ended by SIGKILL.
    pub killed: usize,
    /// Records wiped without ending anything.
    pub forgotten: usize,
    /// Left alone: the caller runs inside them.
    pub skipped_own: usize,
    /// Left alone: their process holds sessions of others, or more than one.
    pub skipped_shared: usize,
    /// Still there.
    pub failed: usize,
}

impl ClearSummary {
    /// Returns whether nothing happened at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what was done elsewhere.
    pub fn add_all(&mut self, other: &Self) {
        self.terminated += other.terminated;
        self.killed += other.killed;
        self.forgotten += other.forgotten;
        self.skipped_own += other.skipped_own;
        self.skipped_shared += other.skipped_shared;
        self.failed += other.failed;
    }

    /// Counts what another host has done.
    pub fn add_host(&mut self, host: &HostCleared) {
        let add =
            |sum: &mut usize, count: u32| *sum += usize::try_from(count).unwrap_or(usize::MAX);
        add(&mut self.terminated, host.terminated);
        add(&mut self.killed, host.killed);
        add(&mut self.forgotten, host.forgotten);
        add(&mut self.skipped_shared, host.skipped);
        add(&mut self.failed, host.failed);
    }

    /// Counts what became of one session.
    pub fn add(&mut self, result: TerminationResult) {
        *match result {
            TerminationResult::Terminated => &mut self.terminated,
            TerminationResult::Killed => &mut self.killed,
            TerminationResult::Skipped(SkipReason::OwnLogin) => &mut self.skipped_own,
            TerminationResult::Skipped(SkipReason::SharedProcess) => &mut self.skipped_shared,
            TerminationResult::Skipped(SkipReason::OutOfReach) | TerminationResult::Failed => {
                &mut self.failed
            }
        } += 1;
    }
}

impl fmt::Display for ClearSummary {
    /// Writes `3 sessions ended, 1 of them by SIGKILL, 1 forgotten`, leaving out what is nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.terminated + self.killed;
        write!(f, "{ended} {} ended", if ended == 1 { "session" } else { "sessions" })?;
        for (count, what) in [
            (self.killed, "by SIGKILL"),
            (self.forgotten, "forgotten, not ended"),
            (self.skipped_own, "left alone (this login runs inside it)"),
            (self.skipped_shared, "left alone (its process holds other sessions)"),
            (self.failed, "still there"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// What is to be done with sessions that are to be cleared; nothing has been done yet.
#[derive(Debug)]
pub struct ClearPlan {
    /// To be ended.
    pub terminate: Vec<Session>,
    /// Of which the records are to be wiped.
    pub forget: Vec<Session>,
    /// To be left alone, and why.
    pub skipped: Vec<(Session, SkipReason)>,
    protected: ProtectedProcesses,
}

impl ClearPlan {
    /// Sorts `sessions`, of `all` on the host, by what can be done with them.
    #[must_use]
    pub fn new(
        sessions: Vec<Session>,
        all: &[Session],
        host: &HostIdentity,
        on_clear: OnClear,
    ) -> Self {
        let protected = ProtectedProcesses::new(&sessions, all);
        let (mut terminate, mut forget, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        for session in sessions {
            let is_in_reach = host.liveness(&session.leader) != Liveness::OtherNamespace;
            let reason = protected.skip_reason(&session);
            if !session.is_open() {
                forget.push(session);
            } else if on_clear == OnClear::Terminate && is_in_reach {
                match reason {
                    Some(reason) => skipped.push((session, reason)),
                    None => terminate.push(session),
                }
            } else if reason == Some(SkipReason::OwnLogin) {
                // A login cannot make the session it runs in uncounted.
                skipped.push((session, SkipReason::OwnLogin));
            } else {
                forget.push(session);
            }
        }
        Self { terminate, forget, skipped, protected }
    }

    /// Keeps the first `count` of the sessions that can be cleared, the oldest.
    pub fn limit_to(&mut self, count: usize) {
        let mut ids: Vec<i64> =
            self.terminate.iter().chain(&self.forget).map(|session| session.id).collect();
        ids.sort_unstable();
        ids.truncate(count);
        self.terminate.retain(|session| ids.contains(&session.id));
        self.forget.retain(|session| ids.contains(&session.id));
    }

    /// Returns whether the plan clears this session.
    #[must_use]
    pub fn clears(&self, session: &Session) -> bool {
        self.terminate.iter().chain(&self.forget).any(|cleared| cleared.id == session.id)
    }

    /// Wipes the records that are to be wiped; returns how many of them were open sessions.
    ///
    /// # Errors
    ///
    /// Those of SQLite.
    pub fn forget(&self, tx: &Transaction) -> Result<usize, TransactionError> {
        for session in &self.forget {
            tx.remove(session)?;
        }
        Ok(self.forget.iter().filter(|session| session.is_open()).count())
    }

    /// Ends what is to be ended, outside any transaction: the sessions' own closing needs the lock.
    /// Returns the result for each.
    #[must_use]
    pub fn end(&self, host: &HostIdentity, ended_by: &str) -> Vec<TerminationResult> {
        termination::end(&self.terminate, host, &self.protected, ended_by)
    }
}

/// The clearing by one opening, round after round.
#[derive(Debug, Default)]
pub(super) struct ClearProgress {
    /// When the first round began, in milliseconds after boot.
    began: Option<i64>,
    tried: Vec<i64>,
    pub(super) summary: ClearSummary,
}

impl ClearProgress {
    pub(super) fn run(&mut self, plan: &ClearPlan, host: &HostIdentity, ended_by: &str) {
        self.began.get_or_insert_with(clock::boot_ms);
        for result in plan.end(host, ended_by) {
            self.summary.add(result);
        }
        self.tried.extend(plan.terminate.iter().map(|session| session.id));
    }

    /// Returns whether `session` may still be tried: once, and for a limited time.
    pub(super) fn may_try(&self, session: &Session) -> bool {
        let is_over =
            self.began.is_some_and(|began| clock::boot_ms().saturating_sub(began) >= CLEARING_MS);
        !is_over && !self.tried.contains(&session.id)
    }
}

/// Clears the sessions that `selects` means, for a command, and wipes the rows of those that are over.
/// Their terminals say that `ended_by` did it.
///
/// # Errors
///
/// [`StoreError`]. Without a store there are no sessions.
pub fn clear_sessions(
    store: &Store,
    host: &HostIdentity,
    selects: impl Fn(&Session) -> bool,
    on_clear: OnClear,
    ended_by: &str,
) -> Result<ClearSummary, StoreError> {
    let mut summary = ClearSummary::default();
    let plan = store.existing_transaction(|tx| {
        summary = ClearSummary::default();
        let check = LivenessCheck::new(host, store);
        let mut selected = Vec::new();
        let all = tx.all_sessions()?;
        for session in all.iter().filter(|session| selects(session)) {
            if check.is_stale(session) {
                tx.remove(session)?;
            } else {
                selected.push(session.clone());
            }
        }
        let plan = ClearPlan::new(selected, &all, host, on_clear);
        summary.forgotten = plan.forget(tx)?;
        Ok(plan)
    })?;
    let Some(plan) = plan else { return Ok(summary) };
    for (_, reason) in &plan.skipped {
        summary.add(TerminationResult::Skipped(*reason));
    }
    let results = plan.end(host, ended_by);
    let gone: Vec<&Session> = plan
        .terminate
        .iter()
        .zip(&results)
        .filter(|(_, result)| {
            matches!(result, TerminationResult::Terminated | TerminationResult::Killed)
        })
        .map(|(session, _)| session)
        .collect();
    for result in results {
        summary.add(result);
    }
    if !gone.is_empty() {
        store.existing_transaction(|tx| gone.iter().try_for_each(|session| tx.remove(session)))?;
    }
    Ok(summary)
}
