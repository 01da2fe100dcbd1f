//! Logins ask for slots. Those of one user that wait at the same time are decided together, so that a storm of
//! logins costs a few calls and each host competes with other hosts only.

use std::collections::BTreeSet;

use session_limit_core::fleet::{Answer, HostCounts};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use super::ended::Wanted;
use super::{Claim, Claimed, Member};
use crate::engine::{Engine, EngineError, Fence, Hold, Lease, Seen, SessionInfo, Taken};
use crate::local::Local;

/// How long a login is made to wait: less than the module does.
const DEADLINE: Duration = Duration::from_millis(450);

/// Why a login gets no answer.
pub type GrantError = String;

/// A login that waits for its answer.
pub(super) struct Waiter {
    id: i64,
    limit: u32,
    session: SessionInfo,
    since: Instant,
    answer: oneshot::Sender<Answer>,
}

impl Wanted {
    fn of(waiters: &[Waiter]) -> Self {
        Self {
            ids: waiters.iter().map(|waiter| waiter.id).collect(),
            slots: u32::try_from(waiters.len()).unwrap_or(u32::MAX),
            limit: waiters.iter().map(|waiter| waiter.limit).min().unwrap_or(u32::MAX),
        }
    }
}

impl<E: Engine + 'static, L: Local + 'static> Member<E, L> {
    /// Takes a slot for a session that has one on this host already.
    pub async fn take(&self, uid: u32, id: i64, limit: u32, session: SessionInfo) -> Answer {
        if let Some(why) = self.inner.health.is_down() {
            self.inner.state.borrow_mut().counters.unanswered += 1;
            return Answer::Down(why);
        }
        let (answer, answered) = oneshot::channel();
        let waiter = Waiter { id, limit, session, since: Instant::now(), answer };
        let is_first = {
            let mut state = self.inner.state.borrow_mut();
            let waiting = state.waiting.get_mut(&uid);
            match waiting {
                Some(waiting) => {
                    waiting.push(waiter);
                    false
                }
                None => {
                    state.waiting.insert(uid, vec![waiter]);
                    true
                }
            }
        };
        if is_first {
            let member = self.clone();
            tokio::task::spawn_local(async move { member.decide_all(uid).await });
        }
        answered.await.unwrap_or_else(|_| Answer::Down("the agent is ending".to_owned()))
    }

    /// Returns whether a user has a slot left; takes none.
    pub async fn check(&self, uid: u32, limit: u32) -> Answer {
        if let Some(why) = self.inner.health.is_down() {
            return Answer::Down(why);
        }
        let mut seen = match self.slots_of(uid).await {
            Ok(seen) => seen,
            Err(error) => return Answer::Down(error.to_string()),
        };
        let wanted = Wanted { ids: BTreeSet::new(), slots: 1, limit };
        self.leave_out_ended(uid, &mut seen, &wanted, &mut false).await;
        let counts = self.counts(&seen);
        match counts.total() {
            in_use if in_use < limit => Answer::Granted(in_use),
            _ => Answer::Refused(counts),
        }
    }

    /// A session is over: its slot is free at once.
    pub async fn free(&self, uid: u32, id: i64) {
        {
            let mut state = self.inner.state.borrow_mut();
            state.claims.remove(&(uid, id));
            state.ended.insert((uid, id));
            // Until the engine has said so.
            state.doubtful.insert((uid, id));
        }
        if self.inner.health.answers() {
            let freed = self.note(self.inner.engine.free(&[self.key((uid, id))]).await);
            if freed.is_ok() {
                let mut state = self.inner.state.borrow_mut();
                if !state.claims.contains_key(&(uid, id)) && !state.needs_fence {
                    state.doubtful.remove(&(uid, id));
                }
            }
        }
    }

    pub(super) fn note<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        self.inner.health.note(result, &*self.inner.report)
    }

    /// Returns the user's slots on all hosts.
    async fn slots_of(&self, uid: u32) -> Result<Seen, EngineError> {
        self.note(self.inner.engine.list(Some(uid)).await)
    }

    /// Decides until no login of the user waits.
    async fn decide_all(&self, uid: u32) {
        loop {
            let waiters = {
                let mut state = self.inner.state.borrow_mut();
                let waiting = state.waiting.get_mut(&uid).map(std::mem::take).unwrap_or_default();
                if waiting.is_empty() {
                    state.waiting.remove(&uid);
                    return;
                }
                waiting
            };
            self.decide(uid, waiters).await;
        }
    }

    async fn decide(&self, uid: u32, mut waiters: Vec<Waiter>) {
        if waiters.iter().all(|waiter| waiter.since.elapsed() >= DEADLINE) {
            return self.give_up(waiters, "the engine is too slow");
        }
        let until = waiters.iter().map(|waiter| waiter.since).max().unwrap_or_else(Instant::now);
        let (mut has_joined, mut has_looked) = (false, false);
        let mut seen = match self.slots_of(uid).await {
            Ok(seen) => seen,
            Err(error) => return self.give_up(waiters, &error.to_string()),
        };
        loop {
            waiters = self.answer_held(uid, waiters, &seen);
            if self.ready_lease().is_none() {
                // The lease has just expired, or the agent was just started.
                let joined =
                    if has_joined { Err("not yet".to_owned()) } else { self.rejoin(uid).await };
                match joined {
                    Ok(now) => (seen, has_joined) = (now, true),
                    Err(why) => {
                        let why = format!("this host has not joined the fleet: {why}");
                        return self.give_up(waiters, &why);
                    }
                }
                continue;
            }
            let wanted = Wanted::of(&waiters);
            let ended = self.leave_out_ended(uid, &mut seen, &wanted, &mut has_looked).await;
            let Some(lease) = self.ready_lease() else { continue };
            let (granted, refused) = share_out(waiters, &seen);
            if granted.is_empty() {
                return self.refuse(refused, &self.counts(&seen));
            }
            match self.write(uid, lease, seen.revision, &granted, &ended).await {
                Ok(Taken::Yes) => {
                    for (waiter, in_use) in granted {
                        self.tell(waiter, in_use);
                    }
                    if refused.is_empty() {
                        return;
                    }
                    // Decided by what is there now, the slots granted here included.
                    waiters = refused;
                    match self.slots_of(uid).await {
                        Ok(now) => seen = now,
                        Err(error) => return self.give_up(waiters, &error.to_string()),
                    }
                }
                Ok(Taken::No(now)) => {
                    (waiters, seen) = (all_of(granted, refused), now);
                    match self.fence(lease.0).await {
                        Ok(()) | Err(EngineError::LeaseGone) => {}
                        Err(error) => return self.give_up(waiters, &error.to_string()),
                    }
                }
                Err(EngineError::LeaseGone) => waiters = all_of(granted, refused),
                Err(error) => return self.give_up(all_of(granted, refused), &error.to_string()),
            }
            if until.elapsed() >= DEADLINE {
                return self.give_up(waiters, "the engine is too slow");
            }
        }
    }

    /// Returns the lease of this host, where its logins can be counted.
    fn ready_lease(&self) -> Option<(Lease, Fence)> {
        let state = self.inner.state.borrow();
        state.lease.filter(|_| state.is_ready)
    }

    /// Writes slots in place of those that have `ended`, if nothing has changed since `revision`; keeps in mind what
    /// the engine has then.
    async fn write(
        &self,
        uid: u32,
        (lease, fence): (Lease, Fence),
        revision: i64,
        granted: &[(Waiter, u32)],
        ended: &BTreeSet<Claim>,
    ) -> Result<Taken, EngineError> {
        let slot = |waiter: &Waiter| self.new_slot((uid, waiter.id), &waiter.session);
        let add: Vec<_> = granted.iter().map(|(waiter, _)| slot(waiter)).collect();
        let remove: Vec<_> = ended.iter().map(|&claim| self.key(claim)).collect();
        let hold = Hold { host: &self.inner.identity.host, lease, fence, uid };
        let taken = self.note(self.inner.engine.take(&hold, revision, &add, &remove).await);
        let mut state = self.inner.state.borrow_mut();
        match &taken {
            Ok(Taken::Yes) => {
                // Lost while the answer was on its way.
                let is_written = state.lease.is_some_and(|(now, _)| now == lease);
                state.counters.granted += u64::try_from(add.len()).unwrap_or(0);
                for slot in add {
                    let claim = (uid, slot.key.id);
                    state.claims.insert(claim, Claimed { session: slot.session, is_written });
                    state.doubtful.remove(&claim);
                }
                for claim in ended {
                    state.claims.remove(claim);
                }
            }
            Ok(Taken::No(now)) => {
                state.counters.overtaken += 1;
                // No slot is newer: a registration that was given up has arrived late, or the keys were changed by
                // other means.
                let is_fenced = !now.slots.iter().any(|slot| slot.created > revision);
                state.needs_fence |= is_fenced && state.lease == Some((lease, fence));
            }
            Err(EngineError::Unreachable(_)) => {
                // It may be committed all the same.
                state.needs_fence = true;
                state.doubtful.extend(add.iter().map(|slot| (uid, slot.key.id)));
                self.inner.wanted.notify_one();
            }
            Err(EngineError::LeaseGone) => {
                drop(state);
                self.lose_lease(lease);
            }
            Err(EngineError::Refused(_)) => {}
        }
        taken
    }

    /// Joins, and takes the sessions of this host in; returns the user's slots then.
    async fn rejoin(&self, uid: u32) -> Result<Seen, String> {
        if self.inner.state.borrow().lease.is_none() {
            self.renew().await.map_err(|error| error.to_string())?;
        }
        self.sweep().await.map_err(|error| error.to_string())?;
        self.slots_of(uid).await.map_err(|error| error.to_string())
    }

    /// Answers the logins that have their slots already; returns the others.
    fn answer_held(&self, uid: u32, waiters: Vec<Waiter>, seen: &Seen) -> Vec<Waiter> {
        let in_use = seen.in_use();
        let (held, others): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|waiter| {
            seen.slots.iter().any(|slot| self.is_own(&slot.key.host) && slot.key.id == waiter.id)
        });
        if held.is_empty() {
            return others;
        }
        for waiter in held {
            let mut state = self.inner.state.borrow_mut();
            let claim = (uid, waiter.id);
            state.doubtful.remove(&claim);
            let claimed = Claimed { session: waiter.session.clone(), is_written: true };
            state.claims.entry(claim).or_insert(claimed);
            drop(state);
            self.tell(waiter, in_use);
        }
        others
    }

    /// Tells a login that it has its slot.
    fn tell(&self, waiter: Waiter, in_use: u32) {
        if waiter.answer.send(Answer::Granted(in_use)).is_err() {
            // No login waits any more: if the session is not open, the next comparison frees it.
            self.inner.wanted.notify_one();
        }
    }

    fn refuse(&self, waiters: Vec<Waiter>, counts: &HostCounts) {
        let count = u64::try_from(waiters.len()).unwrap_or(0);
        self.inner.state.borrow_mut().counters.refused += count;
        for waiter in waiters {
            let _gone = waiter.answer.send(Answer::Refused(counts.clone()));
        }
    }

    fn give_up(&self, waiters: Vec<Waiter>, why: &str) {
        let count = u64::try_from(waiters.len()).unwrap_or(0);
        self.inner.state.borrow_mut().counters.unanswered += count;
        for waiter in waiters {
            let _gone = waiter.answer.send(Answer::Down(why.to_owned()));
        }
    }
}

/// Shares out the slots that are left, in the order in which the logins came; returns those that have one, each with
/// how many are in use then, and those that have none.
fn share_out(waiters: Vec<Waiter>, seen: &Seen) -> (Vec<(Waiter, u32)>, Vec<Waiter>) {
    let mut in_use = seen.in_use();
    let (mut granted, mut refused) = (Vec::new(), Vec::new());
    for waiter in waiters {
        if in_use < waiter.limit {
            in_use += 1;
            granted.push((waiter, in_use));
        } else {
            refused.push(waiter);
        }
    }
    (granted, refused)
}

/// Returns the logins of which nothing has come yet.
fn all_of(granted: Vec<(Waiter, u32)>, refused: Vec<Waiter>) -> Vec<Waiter> {
    granted.into_iter().map(|(waiter, _)| waiter).chain(refused).collect()
}
