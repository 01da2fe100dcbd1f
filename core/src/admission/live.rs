//! Which rows of the store are living sessions, and how many of them count.

use std::cell::LazyCell;

use crate::model::session::{Session, SessionState};
use crate::process::ssh::SshConnections;
use crate::process::{HostIdentity, Liveness};
use crate::store::{Store, Transaction, TransactionError};
use crate::system::clock;

/// Tells living sessions from stale rows.
#[derive(Debug)]
pub struct LivenessCheck<'a> {
    host: &'a HostIdentity,
    now_ms: i64,
    connections: LazyCell<SshConnections>,
    store: &'a Store,
}

impl<'a> LivenessCheck<'a> {
    /// Looks from `host` at rows of `store`.
    #[must_use]
    pub fn new(host: &'a HostIdentity, store: &'a Store) -> Self {
        Self {
            host,
            now_ms: clock::boot_ms(),
            connections: LazyCell::new(SshConnections::current),
            store,
        }
    }

    /// Returns whether a row means nothing any more: its leader is gone with the connection that it led,
    /// or its time is over.
    #[must_use]
    pub fn is_stale(&self, session: &Session) -> bool {
        let leader = &session.leader;
        let liveness = self.host.liveness(leader);
        if liveness == Liveness::OtherNamespace && self.is_of_ended_namespace(session) {
            return true;
        }
        match session.state {
            SessionState::Reserved { until, .. } => {
                until <= self.now_ms || liveness == Liveness::Dead
            }
            SessionState::Open => {
                liveness == Liveness::Dead
                    // Audit sessions are numbered from one at every boot.
                    && !(leader.boot_id == self.host.boot_id
                        && session.audit_session.is_some()
                        && self.connections.has_connection_of(session))
            }
        }
    }

    /// Returns whether the row is of a pid namespace that is over: that of an earlier start of the
    /// container whose own file system the store lies on.
    fn is_of_ended_namespace(&self, session: &Session) -> bool {
        self.store.is_on_root_file_system()
            && HostIdentity::is_older_than_namespace(&session.leader)
    }
}

/// Returns the living sessions of `uid`, oldest first, and removes the stale rows among them.
///
/// # Errors
///
/// Those of SQLite.
pub fn live_sessions(
    tx: &Transaction,
    uid: u32,
    check: &LivenessCheck,
) -> Result<Vec<Session>, TransactionError> {
    let mut live = Vec::new();
    for session in tx.sessions_of(uid)? {
        if check.is_stale(&session) {
            tx.remove(&session)?;
        } else {
            live.push(session);
        }
    }
    Ok(live)
}

/// Returns how many of the user's other sessions take a slot: **the count** that is held against the
/// limit.
#[must_use]
pub fn counted_sessions(others: &[Session]) -> usize {
    others.iter().filter(|session| session.counts_toward_limit()).count()
}
