//! Slots of this host whose sessions are over: that of a session whose processes were killed is in the engine until
//! that is found out, and must not keep a login out.

use std::collections::BTreeSet;

use tokio::time::{Duration, timeout};

use super::{Claim, Member};
use crate::engine::{Engine, Seen};
use crate::local::{Local, Row};

/// How long the store is looked at before a login is refused.
const LOOK: Duration = Duration::from_millis(150);

/// What logins of one user ask for at the same time.
pub(super) struct Wanted {
    /// The numbers of their sessions.
    pub(super) ids: BTreeSet<i64>,
    /// How many slots.
    pub(super) slots: u32,
    /// The lowest of their limits.
    pub(super) limit: u32,
}

impl Wanted {
    /// Returns whether not all of them can have a slot.
    fn exceeds(&self, seen: &Seen) -> bool {
        seen.in_use().saturating_add(self.slots) > self.limit
    }
}

impl<E: Engine + 'static, L: Local + 'static> Member<E, L> {
    /// Where slots are short, takes out of `seen` those of this host whose sessions are over, and returns them. If
    /// that is not enough, the store is read, unless it `has_looked` there already.
    pub(super) async fn leave_out_ended(
        &self,
        uid: u32,
        seen: &mut Seen,
        wanted: &Wanted,
        has_looked: &mut bool,
    ) -> BTreeSet<Claim> {
        let mut ended = BTreeSet::new();
        if wanted.exceeds(seen) {
            ended.extend(self.take_out_ended(uid, seen, wanted));
        }
        if wanted.exceeds(seen) && !*has_looked {
            *has_looked = true;
            if self.find_ended(uid, seen, wanted).await {
                ended.extend(self.take_out_ended(uid, seen, wanted));
            }
        }
        ended
    }

    /// Takes out the slots of this host whose sessions are over, as far as that is seen at a look: the store is not
    /// read, for that could mean to wait with all the others of a storm.
    fn take_out_ended(&self, uid: u32, seen: &mut Seen, wanted: &Wanted) -> BTreeSet<Claim> {
        let state = self.inner.state.borrow();
        let is_dead = |row: &Row| !self.inner.local.lives(row);
        let mut ended = self.own_slots(uid, seen, wanted);
        ended.retain(|claim| {
            state.ended.contains(claim) || state.rows.get(claim).is_some_and(is_dead)
        });
        seen.slots
            .retain(|slot| !self.is_own(&slot.key.host) || !ended.contains(&(uid, slot.key.id)));
        ended
    }

    /// Looks into the store for sessions that are over; returns whether there are any that were not known.
    async fn find_ended(&self, uid: u32, seen: &Seen, wanted: &Wanted) -> bool {
        let mut over = self.own_slots(uid, seen, wanted);
        if over.is_empty() {
            return false;
        }
        let Ok(Ok(rows)) = timeout(LOOK, self.inner.local.rows()).await else { return false };
        over.retain(|claim| !rows.iter().any(|row| (row.uid, row.id) == *claim));
        let mut state = self.inner.state.borrow_mut();
        for claim in &over {
            state.claims.remove(claim);
        }
        state.doubtful.extend(&over);
        state.ended.extend(&over);
        !over.is_empty()
    }

    /// Returns the slots that this host has, those of the logins that ask left out.
    fn own_slots(&self, uid: u32, seen: &Seen, wanted: &Wanted) -> BTreeSet<Claim> {
        let own = seen.slots.iter().filter(|slot| self.is_own(&slot.key.host));
        own.map(|slot| (uid, slot.key.id)).filter(|(_, id)| !wanted.ids.contains(id)).collect()
    }
}
