//! One host in the fleet: its lease, the slots that it holds, and how they follow the store of the host.
//!
//! ```text
//! takes      logins ask: the fleet's slots decide
//! ended      slots of this host whose sessions are over
//! upkeep     joins, renews the lease, and compares the slots with the store
//! health     whether the engine answers
//! ```
//!
//! A slot is *claimed* when a login was granted it, or when its session is open. What is claimed is in the engine,
//! or is put there as soon as that is possible; what is not is removed. The lease is the engine's to measure: no
//! decision compares clocks.

mod ended;
mod health;
mod takes;
mod upkeep;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use session_limit_core::fleet::HostCounts;

pub use health::Health;
pub use takes::GrantError;

use crate::engine::{Engine, Fence, HostRecord, Lease, NewSlot, Seen, SessionInfo, SlotKey};
use crate::local::{Local, Row};

/// Who a host is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its name in the fleet.
    pub host: String,
    /// The boot of its kernel.
    pub boot_id: String,
    /// Its machine ID.
    pub machine_id: String,
    /// When its agent joined, in seconds after the epoch; for display.
    pub since: i64,
}

/// What the administrator is told.
pub trait Report {
    /// Something that has changed for all logins of the host.
    fn warn(&self, text: &str);
    /// It is as it should be again.
    fn info(&self, text: &str);
}

/// What a member has counted since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Slots granted to logins.
    pub granted: u64,
    /// Logins that found no slot.
    pub refused: u64,
    /// Logins that could not be answered.
    pub unanswered: u64,
    /// Attempts to take that another host had overtaken.
    pub overtaken: u64,
    /// Leases that have expired.
    pub leases_lost: u64,
    /// Slots written for sessions that were open already.
    pub taken_in: u64,
    /// Users found above their limit after that.
    pub over_limit: u64,
}

/// The number of a session and its user: what names a slot of this host.
type Claim = (u32, i64);

#[derive(Default)]
struct State {
    lease: Option<(Lease, Fence)>,
    /// Whether the engine has all sessions that were open when the host joined: only then logins are counted.
    is_ready: bool,
    /// Why the store could not be read, where that has been told.
    store_problem: Option<String>,
    claims: BTreeMap<Claim, Claimed>,
    /// What may be in the engine without being claimed; removed from there once the session is over.
    doubtful: BTreeSet<Claim>,
    /// Whether the host has to register again: a call that may still be committed has to be fenced off, or the
    /// registration is no longer the one that is known.
    needs_fence: bool,
    /// Users whose sessions were taken in, and who may be above their limit.
    unreported: BTreeSet<u32>,
    /// The rows of the store as they were last read.
    rows: BTreeMap<Claim, Row>,
    /// Sessions that have ended, and whose slots the engine may still have; what is read of the store may not know
    /// it yet.
    ended: BTreeSet<Claim>,
    waiting: BTreeMap<u32, Vec<takes::Waiter>>,
    counters: Counters,
}

struct Claimed {
    session: SessionInfo,
    /// Whether the engine has it, under the present lease.
    is_written: bool,
}

/// One host in the fleet; a copy is the same one.
pub struct Member<E, L> {
    inner: Rc<Inner<E, L>>,
}

struct Inner<E, L> {
    engine: E,
    local: L,
    identity: Identity,
    lease_seconds: u32,
    report: Box<dyn Report>,
    state: RefCell<State>,
    health: Health,
    /// One comparison with the store at a time.
    upkeep: tokio::sync::Mutex<()>,
    /// One registration at a time: the fence that is known has to be that of the last one.
    registering: tokio::sync::Mutex<()>,
    /// Something has to be repaired now.
    wanted: tokio::sync::Notify,
}

impl<E, L> Clone for Member<E, L> {
    fn clone(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }
}

impl<E: Engine + 'static, L: Local + 'static> Member<E, L> {
    /// A host that has not joined yet; [`Member::run`] does.
    #[must_use]
    pub fn new(
        engine: E,
        local: L,
        identity: Identity,
        lease_seconds: u32,
        report: Box<dyn Report>,
    ) -> Self {
        Self {
            inner: Rc::new(Inner {
                engine,
                local,
                identity,
                lease_seconds,
                report,
                state: RefCell::default(),
                health: Health::default(),
                upkeep: tokio::sync::Mutex::default(),
                registering: tokio::sync::Mutex::default(),
                wanted: tokio::sync::Notify::new(),
            }),
        }
    }

    /// Returns the engine.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.inner.engine
    }

    /// Returns the sessions of this host.
    #[must_use]
    pub fn local(&self) -> &L {
        &self.inner.local
    }

    /// Returns who this host is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// Returns whether the engine answers, and since when it does not.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Returns what has been counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.state.borrow().counters.clone()
    }

    /// Returns how many slots the host claims, and whether the engine has them all.
    #[must_use]
    pub fn claims(&self) -> (usize, bool) {
        let state = self.inner.state.borrow();
        let is_settled = state.lease.is_some()
            && state.doubtful.is_empty()
            && state.claims.values().all(|claim| claim.is_written);
        (state.claims.len(), is_settled)
    }

    fn is_own(&self, host: &str) -> bool {
        host == self.inner.identity.host
    }

    fn key(&self, (uid, id): Claim) -> SlotKey {
        SlotKey { uid, host: self.inner.identity.host.clone(), id }
    }

    fn new_slot(&self, claim: Claim, session: &SessionInfo) -> NewSlot {
        NewSlot { key: self.key(claim), session: session.clone() }
    }

    fn record(&self, lease: Lease) -> HostRecord {
        let Identity { host, boot_id, machine_id, since } = self.inner.identity.clone();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        HostRecord { host, boot_id, machine_id, lease, since, version }
    }

    /// Returns how many slots each host holds, this one first.
    fn counts(&self, seen: &Seen) -> HostCounts {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for slot in &seen.slots {
            let count = counts.entry(&slot.key.host).or_default();
            *count = count.saturating_add(1);
        }
        let own = self.inner.identity.host.as_str();
        let here = (own.to_owned(), counts.remove(own).unwrap_or(0));
        let others = counts.into_iter().map(|(host, count)| (host.to_owned(), count));
        HostCounts(std::iter::once(here).chain(others).collect())
    }

    /// The lease that this was done with has expired.
    fn lose_lease(&self, lost: Lease) {
        let mut state = self.inner.state.borrow_mut();
        if state.lease.is_none_or(|(lease, _)| lease != lost) {
            return;
        }
        state.lease = None;
        state.is_ready = false;
        state.counters.leases_lost += 1;
        state.claims.values_mut().for_each(|claim| claim.is_written = false);
        // It is gone with the lease.
        state.doubtful.clear();
        drop(state);
        self.inner.report.warn(&format!(
            "the lease of this host has expired: other hosts may take its slots until its {} sessions are \
             taken back in",
            self.claims().0
        ));
        self.inner.wanted.notify_one();
    }
}

/// How often the slots are compared with the store. A session that was killed keeps its slot so long.
pub const SWEEP: Duration = Duration::from_secs(1);
