//! Joining the fleet, renewing the lease, and making the slots follow the store of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::{Claim, Claimed, Member, SWEEP};
use crate::engine::{Engine, EngineError, Lease, SlotKey};
use crate::local::{Local, Row};

/// How often an engine that does not answer is tried.
const RETRY: Duration = Duration::from_millis(500);
/// How often what hangs on the lease is compared with what is known.
const AUDIT: Duration = Duration::from_secs(60);

impl<E: Engine + 'static, L: Local + 'static> Member<E, L> {
    /// Keeps the host in the fleet; does not return.
    pub async fn run(&self) {
        let renewal = Duration::from_millis(u64::from(self.inner.lease_seconds) * 1000 / 3);
        let mut renewed: Option<Instant> = None;
        let mut audited = Instant::now();
        loop {
            let is_due = renewed.is_none_or(|at| at.elapsed() >= renewal);
            if is_due || !self.inner.health.answers() {
                match self.renew().await {
                    Ok(()) => renewed = Some(Instant::now()),
                    Err(_) => renewed = None,
                }
            }
            if audited.elapsed() >= AUDIT && self.audit().await.is_ok() {
                audited = Instant::now();
            }
            let _tried_again = self.sweep().await;
            let pause = if self.inner.health.answers() { SWEEP } else { RETRY };
            let _ = timeout(pause, self.inner.wanted.notified()).await;
            if !self.inner.health.answers() {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Joins, and takes in the sessions of this host.
    ///
    /// # Errors
    /// Those of the engine; [`Member::run`] tries again.
    pub async fn join_now(&self) -> Result<(), EngineError> {
        self.renew().await?;
        self.sweep().await
    }

    /// Renews the lease, or joins.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn renew(&self) -> Result<(), EngineError> {
        let lease = self.inner.state.borrow().lease;
        if let Some((lease, _)) = lease {
            if self.note(self.inner.engine.renew(lease).await)? {
                return Ok(());
            }
            self.lose_lease(lease);
        }
        self.join().await
    }

    /// Joins the fleet: with the lease that an earlier agent of this boot has left, or with a new one.
    async fn join(&self) -> Result<(), EngineError> {
        let _alone = self.inner.registering.lock().await;
        if self.inner.state.borrow().lease.is_some() {
            return Ok(());
        }
        let identity = &self.inner.identity;
        let hosts = self.note(self.inner.engine.hosts(Some(&identity.host)).await)?;
        let mut adopted = None;
        for found in &hosts {
            let is_same_machine = found.machine_id == identity.machine_id;
            if is_same_machine && found.boot_id == identity.boot_id {
                adopted = self.adopt(found.lease).await?;
            } else if is_same_machine && self.inner.state.borrow().counters.leases_lost == 0 {
                // This host before its reboot: its sessions are over.
                self.note(self.inner.engine.revoke(found.lease).await)?;
            } else {
                let why = format!("another host calls itself {}", identity.host);
                return self.note(Err(EngineError::Refused(why)));
            }
        }
        let lease = match adopted {
            Some(lease) => lease,
            None => self.note(self.inner.engine.grant(self.inner.lease_seconds).await)?,
        };
        let fence = self.note(self.inner.engine.register(&self.record(lease)).await)?;
        let mut state = self.inner.state.borrow_mut();
        state.lease = Some((lease, fence));
        state.needs_fence = false;
        drop(state);
        self.inner.report.info(&format!("joined the fleet as {}", identity.host));
        Ok(())
    }

    /// Takes over the lease of an earlier agent, with the slots that hang on it.
    async fn adopt(&self, lease: Lease) -> Result<Option<Lease>, EngineError> {
        if !self.note(self.inner.engine.renew(lease).await)? {
            return Ok(None);
        }
        let Some(held) = self.note(self.inner.engine.held(lease).await)? else { return Ok(None) };
        let rows = self.inner.local.rows().await.map_err(EngineError::Refused)?;
        self.compare_held(&held, &rows);
        Ok(Some(lease))
    }

    /// Compares what hangs on the lease with what is known: after a restore of etcd, say, the two differ.
    async fn audit(&self) -> Result<(), EngineError> {
        let Some((lease, _)) = self.inner.state.borrow().lease else { return Ok(()) };
        let before: BTreeSet<Claim> = self.inner.state.borrow().claims.keys().copied().collect();
        let held = self.note(self.inner.engine.held(lease).await)?;
        let Some(held) = held else {
            self.lose_lease(lease);
            return Ok(());
        };
        let Ok(rows) = self.inner.local.rows().await else { return Ok(()) };
        self.compare_held(&held, &rows);
        // Claimed all the time, and not there.
        let mut state = self.inner.state.borrow_mut();
        for (claim, claimed) in &mut state.claims {
            let is_there = held.iter().any(|key| (key.uid, key.id) == *claim);
            claimed.is_written &= is_there || !before.contains(claim);
        }
        Ok(())
    }

    fn compare_held(&self, held: &[SlotKey], rows: &[Row]) {
        let mut state = self.inner.state.borrow_mut();
        for key in held {
            let claim = (key.uid, key.id);
            if state.claims.contains_key(&claim) || state.waiting.contains_key(&key.uid) {
                continue;
            }
            match rows.iter().find(|row| (row.uid, row.id) == claim) {
                Some(row) => {
                    let claimed = Claimed { session: row.session.clone(), is_written: true };
                    state.claims.insert(claim, claimed);
                }
                None => drop(state.doubtful.insert(claim)),
            }
        }
    }

    /// Makes the slots follow the store: what is over is freed, what is open has a slot, whatever the limit.
    ///
    /// # Errors
    /// Those of the engine; the rest is done the next time.
    pub async fn sweep(&self) -> Result<(), EngineError> {
        let _alone = self.inner.upkeep.lock().await;
        // What is claimed from now on need not be in what is read.
        let before: BTreeSet<Claim> = {
            let mut guard = self.inner.state.borrow_mut();
            let state = &mut *guard;
            state.ended.retain(|claim| state.doubtful.contains(claim));
            state.claims.keys().chain(&state.doubtful).copied().collect()
        };
        let Some(rows) = self.rows().await else { return Ok(()) };
        let (over, mut missing) = self.compare_rows(&before, rows);
        let Some((lease, _)) = self.inner.state.borrow().lease else { return Ok(()) };
        self.fence(lease).await?;
        if !over.is_empty() {
            let keys: Vec<_> = over.iter().map(|&claim| self.key(claim)).collect();
            self.note(self.inner.engine.free(&keys).await)?;
            let mut state = self.inner.state.borrow_mut();
            for claim in &over {
                if !state.claims.contains_key(claim) {
                    state.doubtful.remove(claim);
                }
            }
        }
        {
            // Some have ended while the engine was busy.
            let state = self.inner.state.borrow();
            missing.retain(|claim| state.claims.contains_key(claim));
        }
        if !missing.is_empty() {
            self.take_in(lease, &missing).await?;
        }
        let mut state = self.inner.state.borrow_mut();
        state.is_ready = state.lease.is_some_and(|(now, _)| now == lease);
        drop(state);
        self.report_over_limit();
        Ok(())
    }

    /// Returns the sessions of this host; tells once why they cannot be read.
    async fn rows(&self) -> Option<Vec<Row>> {
        let rows = self.inner.local.rows().await;
        let problem = rows.as_ref().err().cloned();
        let mut state = self.inner.state.borrow_mut();
        if problem.is_some() && state.store_problem.is_none() {
            self.inner.report.warn(problem.as_deref().unwrap_or_default());
        }
        state.store_problem = problem;
        rows.ok()
    }

    /// Returns what is over and what has no slot yet, both to be told to the engine. `before` was claimed before the
    /// rows were read.
    fn compare_rows(&self, before: &BTreeSet<Claim>, rows: Vec<Row>) -> (Vec<Claim>, Vec<Claim>) {
        let mut state = self.inner.state.borrow_mut();
        let ended = state.ended.clone();
        let rows: BTreeMap<Claim, Row> = rows
            .into_iter()
            .map(|row| ((row.uid, row.id), row))
            .filter(|(claim, _)| !ended.contains(claim))
            .collect();
        let is_over = |claim: &&Claim| before.contains(claim) && !rows.contains_key(claim);
        let over: Vec<Claim> = state.claims.keys().filter(is_over).copied().collect();
        for claim in over {
            state.claims.remove(&claim);
            state.doubtful.insert(claim);
        }
        for (claim, row) in &rows {
            if row.is_open && !state.claims.contains_key(claim) {
                let claimed = Claimed { session: row.session.clone(), is_written: false };
                state.claims.insert(*claim, claimed);
                state.doubtful.remove(claim);
            }
        }
        // A login that still waits for an answer may yet get it.
        let is_over = |claim: &&Claim| {
            before.contains(claim) && !rows.contains_key(claim) && !state.claims.contains_key(claim)
        };
        let over: Vec<Claim> = state.doubtful.iter().filter(is_over).copied().collect();
        // Until the engine has freed them, they do not count here.
        state.ended.extend(&over);
        state.rows = rows;
        let missing = state.claims.iter().filter(|(_, claimed)| !claimed.is_written);
        let missing = missing.map(|(claim, _)| *claim).collect();
        (over, missing)
    }

    /// Registers again where that is needed: no call whose answer was lost can be committed any more then.
    pub(super) async fn fence(&self, lease: Lease) -> Result<(), EngineError> {
        let _alone = self.inner.registering.lock().await;
        if !self.inner.state.borrow().needs_fence {
            return Ok(());
        }
        // A call that loses its answer from now on needs another one.
        self.inner.state.borrow_mut().needs_fence = false;
        let fenced = self.note(self.inner.engine.register(&self.record(lease)).await);
        let mut state = self.inner.state.borrow_mut();
        match fenced {
            Ok(fence) => {
                if let Some(held) = state.lease.as_mut().filter(|held| held.0 == lease) {
                    held.1 = fence;
                }
                Ok(())
            }
            Err(error) => {
                state.needs_fence = true;
                drop(state);
                if error == EngineError::LeaseGone {
                    self.lose_lease(lease);
                }
                Err(error)
            }
        }
    }

    /// Writes slots for sessions that are open already.
    async fn take_in(&self, lease: Lease, missing: &[Claim]) -> Result<(), EngineError> {
        let slots: Vec<_> = {
            let state = self.inner.state.borrow();
            let slot = |claim: &Claim| {
                state.claims.get(claim).map(|claimed| self.new_slot(*claim, &claimed.session))
            };
            missing.iter().filter_map(slot).collect()
        };
        let put = self.note(self.inner.engine.put(lease, &slots).await);
        if put == Err(EngineError::LeaseGone) {
            self.lose_lease(lease);
        }
        put?;
        {
            let mut state = self.inner.state.borrow_mut();
            let is_present = state.lease.is_some_and(|(now, _)| now == lease);
            for slot in &slots {
                let claim = (slot.key.uid, slot.key.id);
                match state.claims.get_mut(&claim) {
                    Some(claimed) => claimed.is_written = is_present,
                    // Ended meanwhile.
                    None => drop(state.doubtful.insert(claim)),
                }
            }
            state.counters.taken_in += u64::try_from(slots.len()).unwrap_or(0);
        }
        let mut state = self.inner.state.borrow_mut();
        state.unreported.extend(slots.iter().map(|slot| slot.key.uid));
        Ok(())
    }

    /// Tells of users above their limit, in the background: a name service is asked.
    fn report_over_limit(&self) {
        let uids = std::mem::take(&mut self.inner.state.borrow_mut().unreported);
        for uid in uids {
            let member = self.clone();
            tokio::task::spawn_local(async move {
                if member.report_if_over_limit(uid).await.is_err() {
                    member.inner.state.borrow_mut().unreported.insert(uid);
                }
            });
        }
    }

    async fn report_if_over_limit(&self, uid: u32) -> Result<(), EngineError> {
        let seen = self.note(self.inner.engine.list(Some(uid)).await)?;
        let mut names = seen.slots.iter().map(|slot| slot.session.user.as_str());
        let Some(user) = names.find(|user| !user.is_empty()) else { return Ok(()) };
        let Some(limit) = self.inner.local.limit(user).await else { return Ok(()) };
        let counts = self.counts(&seen);
        if counts.total() > limit {
            self.inner.state.borrow_mut().counters.over_limit += 1;
            self.inner.report.warn(&format!(
                "user {user} holds more sessions than the limit allows, let in while the fleet could not be \
                 asked or before it was there: {} of {limit} over the fleet ({counts})",
                counts.total()
            ));
        }
        Ok(())
    }
}
