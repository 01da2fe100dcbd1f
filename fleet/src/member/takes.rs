//! Logins ask for slots. Those of one user that wait at the same time are decided together, so that a storm of
//! logins costs a few calls and each host competes with other hosts only.

use std::collections::BTreeSet;

use session_limit_core::fleet::{Answer, HostCounts};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout};

use super::{Claim, Claimed, Member};
use crate::engine::{Engine, EngineError, Hold, Seen, SessionInfo, Taken};
use crate::local::{Local, Row};

/// How long a login is made to wait: less than the module does.
const DEADLINE: Duration = Duration::from_millis(450);

/// How long the store is looked at before a login is refused: a session that was killed may still have its slot.
const LOOK: Duration = Duration::from_millis(150);

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
        match self.note(self.inner.engine.list(Some(uid)).await) {
            Err(error) => Answer::Down(error.to_string()),
            Ok(mut seen) => {
                if u32::try_from(seen.slots.len()).unwrap_or(u32::MAX) >= limit {
                    self.find_ended(uid, &seen, &BTreeSet::new()).await;
                }
                let dead = self.dead(uid, &seen, &BTreeSet::new());
                seen.slots.retain(|slot| {
                    !dead.contains(&(uid, slot.key.id)) || !self.is_own(&slot.key.host)
                });
                let counts = self.counts(&seen);
                match counts.total() {
                    in_use if in_use < limit => Answer::Granted(in_use),
                    _ => Answer::Refused(counts),
                }
            }
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

    fn is_own(&self, host: &str) -> bool {
        host == self.inner.identity.host
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
        let mut seen = match self.note(self.inner.engine.list(Some(uid)).await) {
            Ok(seen) => seen,
            Err(error) => return self.give_up(waiters, &error.to_string()),
        };
        loop {
            waiters = self.answer_held(uid, waiters, &seen);
            let ready = {
                let state = self.inner.state.borrow();
                state.lease.filter(|_| state.is_ready)
            };
            let Some(lease) = ready else {
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
            };
            let asking: BTreeSet<i64> = waiters.iter().map(|waiter| waiter.id).collect();
            let count = |seen: &Seen| u32::try_from(seen.slots.len()).unwrap_or(u32::MAX);
            let is_short = |in_use| waiters.iter().any(|waiter| in_use >= waiter.limit);
            // A session that was killed still has its slot: what is over here does not count.
            let asked = u32::try_from(asking.len()).unwrap_or(u32::MAX);
            let dead = match is_short(count(&seen).saturating_add(asked.saturating_sub(1))) {
                true => self.dead(uid, &seen, &asking),
                false => BTreeSet::new(),
            };
            seen.slots.retain(|slot| {
                !(self.is_own(&slot.key.host) && dead.contains(&(uid, slot.key.id)))
            });
            let mut in_use = count(&seen);
            let (mut granted, mut refused) = (Vec::new(), Vec::new());
            for waiter in waiters {
                if in_use < waiter.limit {
                    in_use += 1;
                    granted.push((waiter, in_use));
                } else {
                    refused.push(waiter);
                }
            }
            if !refused.is_empty() && !has_looked {
                has_looked = true;
                if self.find_ended(uid, &seen, &asking).await {
                    waiters =
                        granted.into_iter().map(|(waiter, _)| waiter).chain(refused).collect();
                    continue;
                }
            }
            if granted.is_empty() {
                return self.refuse(refused, &self.counts(&seen));
            }
            let add: Vec<_> = granted
                .iter()
                .map(|(waiter, _)| self.new_slot((uid, waiter.id), &waiter.session))
                .collect();
            let remove: Vec<_> = dead.iter().map(|&claim| self.key(claim)).collect();
            let hold =
                Hold { host: &self.inner.identity.host, lease: lease.0, fence: lease.1, uid };
            let taken =
                self.note(self.inner.engine.take(&hold, seen.revision, &add, &remove).await);
            match taken {
                Ok(Taken::Yes) => {
                    {
                        let mut state = self.inner.state.borrow_mut();
                        // Lost while the answer was on its way.
                        let is_written = state.lease.is_some_and(|(now, _)| now == lease.0);
                        for slot in add {
                            let claimed = Claimed { session: slot.session, is_written };
                            state.claims.insert((uid, slot.key.id), claimed);
                            state.doubtful.remove(&(uid, slot.key.id));
                        }
                        for claim in &dead {
                            state.claims.remove(claim);
                        }
                        state.counters.granted += u64::try_from(granted.len()).unwrap_or(0);
                    }
                    for (waiter, in_use) in granted {
                        self.tell(waiter, in_use);
                    }
                    if refused.is_empty() {
                        return;
                    }
                    // Decided by what is there now, the slots granted here included.
                    waiters = refused;
                    match self.note(self.inner.engine.list(Some(uid)).await) {
                        Ok(now) => seen = now,
                        Err(error) => return self.give_up(waiters, &error.to_string()),
                    }
                }
                Ok(Taken::No(now)) => {
                    self.inner.state.borrow_mut().counters.overtaken += 1;
                    waiters =
                        granted.into_iter().map(|(waiter, _)| waiter).chain(refused).collect();
                    seen = now;
                }
                Err(error) => {
                    if matches!(error, EngineError::Unreachable(_)) {
                        let mut state = self.inner.state.borrow_mut();
                        state.needs_fence = true;
                        state.doubtful.extend(add.iter().map(|slot| (uid, slot.key.id)));
                        drop(state);
                        self.inner.wanted.notify_one();
                    } else if error == EngineError::LeaseGone {
                        self.lose_lease(lease.0);
                        waiters =
                            granted.into_iter().map(|(waiter, _)| waiter).chain(refused).collect();
                        continue;
                    }
                    waiters =
                        granted.into_iter().map(|(waiter, _)| waiter).chain(refused).collect();
                    return self.give_up(waiters, &error.to_string());
                }
            }
            if until.elapsed() >= DEADLINE {
                return self.give_up(waiters, "the engine is too slow");
            }
        }
    }

    /// Joins, and takes the sessions of this host in; returns the user's slots then.
    async fn rejoin(&self, uid: u32) -> Result<Seen, String> {
        if self.inner.state.borrow().lease.is_none() {
            self.renew().await.map_err(|error| error.to_string())?;
        }
        self.sweep().await.map_err(|error| error.to_string())?;
        self.note(self.inner.engine.list(Some(uid)).await).map_err(|error| error.to_string())
    }

    /// Answers the logins that have their slots already; returns the others.
    fn answer_held(&self, uid: u32, waiters: Vec<Waiter>, seen: &Seen) -> Vec<Waiter> {
        let in_use = u32::try_from(seen.slots.len()).unwrap_or(u32::MAX);
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
            // Nobody waits any more: if the session is not open, the next comparison frees it.
            self.inner.wanted.notify_one();
        }
    }

    /// Looks for slots of this host whose sessions are over; returns whether there are any that were not known.
    async fn find_ended(&self, uid: u32, seen: &Seen, asking: &BTreeSet<i64>) -> bool {
        let own: Vec<Claim> = {
            let state = self.inner.state.borrow();
            let own = seen.slots.iter().filter(|slot| self.is_own(&slot.key.host));
            own.map(|slot| (uid, slot.key.id))
                .filter(|claim| !asking.contains(&claim.1) && !state.ended.contains(claim))
                .collect()
        };
        if own.is_empty() {
            return false;
        }
        let Ok(Ok(rows)) = timeout(LOOK, self.inner.local.rows()).await else { return false };
        let is_over = |claim: &&Claim| !rows.iter().any(|row| (row.uid, row.id) == **claim);
        let over: Vec<Claim> = own.iter().filter(is_over).copied().collect();
        let mut state = self.inner.state.borrow_mut();
        state.doubtful.extend(&over);
        for claim in &over {
            state.claims.remove(claim);
        }
        state.ended.extend(&over);
        !over.is_empty()
    }

    /// Returns the slots of this host whose sessions are over, as far as that is seen at a look: the store is not
    /// read, for that could mean to wait with all the others of a storm.
    fn dead(&self, uid: u32, seen: &Seen, asking: &BTreeSet<i64>) -> BTreeSet<Claim> {
        let state = self.inner.state.borrow();
        let own = seen.slots.iter().filter(|slot| self.is_own(&slot.key.host));
        own.map(|slot| (uid, slot.key.id))
            .filter(|claim| !asking.contains(&claim.1))
            .filter(|claim| {
                let is_dead = |row: &Row| !self.inner.local.lives(row);
                state.ended.contains(claim) || state.rows.get(claim).is_some_and(is_dead)
            })
            .collect()
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
