//! An engine in memory, for tests and simulations: commits at once, and lets leases expire in tokio's time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{
    Engine, EngineError, Fence, Hold, HostRecord, Lease, NewSlot, Note, Seen, SessionInfo, Slot,
    SlotKey, Taken,
};

/// The engine; a copy is another connection to the same one.
#[derive(Clone, Default)]
pub struct MemoryEngine {
    state: Rc<RefCell<State>>,
    written: Rc<Notify>,
}

#[derive(Default)]
struct State {
    revision: i64,
    leases: BTreeMap<Lease, (Instant, u32)>,
    slots: BTreeMap<SlotKey, Entry<SessionInfo>>,
    hosts: BTreeMap<String, Entry<HostRecord>>,
    notes: BTreeMap<String, Entry<String>>,
    /// Hosts whose lease has expired.
    expired: u64,
}

struct Entry<T> {
    created: i64,
    changed: i64,
    lease: Lease,
    value: T,
}

impl State {
    /// Forgets what hangs on leases that have expired.
    fn expire(&mut self) {
        let now = Instant::now();
        self.leases.retain(|_, (until, _)| *until > now);
        let leases = &self.leases;
        let lost = self.hosts.values().filter(|entry| !leases.contains_key(&entry.lease)).count();
        self.expired += u64::try_from(lost).unwrap_or(0);
        self.slots.retain(|_, entry| leases.contains_key(&entry.lease));
        self.hosts.retain(|_, entry| leases.contains_key(&entry.lease));
        self.notes.retain(|_, entry| leases.contains_key(&entry.lease));
    }

    fn seen(&self, uid: Option<u32>) -> Seen {
        let slots = self.slots.iter().filter(|(key, _)| uid.is_none_or(|uid| key.uid == uid));
        Seen {
            revision: self.revision,
            slots: slots
                .map(|(key, entry)| Slot {
                    key: key.clone(),
                    created: entry.created,
                    session: entry.value.clone(),
                })
                .collect(),
        }
    }

    fn put(&mut self, lease: Lease, slots: &[NewSlot]) -> Result<(), EngineError> {
        if !self.leases.contains_key(&lease) {
            return Err(EngineError::LeaseGone);
        }
        self.revision += 1;
        let revision = self.revision;
        for slot in slots {
            let created = self.slots.get(&slot.key).map_or(revision, |entry| entry.created);
            let value = slot.session.clone();
            self.slots.insert(slot.key.clone(), Entry { created, changed: revision, lease, value });
        }
        Ok(())
    }
}

impl MemoryEngine {
    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.borrow_mut();
        state.expire();
        work(&mut state)
    }

    /// Returns how often a host has lost its lease.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.state(|state| state.expired)
    }

    /// Ends a lease from outside, as a time of silence does.
    pub fn expire_lease_of(&self, host: &str) {
        self.state(|state| {
            let lease = state.hosts.get(host).map(|entry| entry.lease);
            lease.map(|lease| state.leases.remove(&lease));
            state.expire();
        });
    }
}

impl Engine for MemoryEngine {
    async fn grant(&self, seconds: u32) -> Result<Lease, EngineError> {
        self.state(|state| {
            state.revision += 1;
            let until = Instant::now() + Duration::from_secs(seconds.into());
            state.leases.insert(state.revision, (until, seconds));
            Ok(state.revision)
        })
    }

    async fn renew(&self, lease: Lease) -> Result<bool, EngineError> {
        self.state(|state| {
            let Some((until, seconds)) = state.leases.get_mut(&lease) else { return Ok(false) };
            *until = Instant::now() + Duration::from_secs((*seconds).into());
            Ok(true)
        })
    }

    async fn renewed(&self, lease: Lease) -> Result<Option<u32>, EngineError> {
        self.state(|state| {
            let ago = |(until, seconds): &(Instant, u32)| {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                seconds.saturating_sub(u32::try_from(left).unwrap_or(u32::MAX))
            };
            Ok(state.leases.get(&lease).map(ago))
        })
    }

    async fn revoke(&self, lease: Lease) -> Result<(), EngineError> {
        self.state(|state| {
            state.leases.remove(&lease);
            state.expire();
            Ok(())
        })
    }

    async fn held(&self, lease: Lease) -> Result<Option<Vec<SlotKey>>, EngineError> {
        self.state(|state| {
            let held = state.slots.iter().filter(|(_, entry)| entry.lease == lease);
            let held = held.map(|(key, _)| key.clone()).collect();
            Ok(state.leases.contains_key(&lease).then_some(held))
        })
    }

    async fn register(&self, record: &HostRecord) -> Result<Fence, EngineError> {
        self.state(|state| {
            if !state.leases.contains_key(&record.lease) {
                return Err(EngineError::LeaseGone);
            }
            state.revision += 1;
            let (changed, lease) = (state.revision, record.lease);
            let entry = Entry { created: changed, changed, lease, value: record.clone() };
            state.hosts.insert(record.host.clone(), entry);
            Ok(changed)
        })
    }

    async fn hosts(&self, name: Option<&str>) -> Result<Vec<HostRecord>, EngineError> {
        self.state(|state| {
            let hosts = state.hosts.values().map(|entry| entry.value.clone());
            Ok(hosts.filter(|record| name.is_none_or(|name| record.host == name)).collect())
        })
    }

    async fn list(&self, uid: Option<u32>) -> Result<Seen, EngineError> {
        self.state(|state| Ok(state.seen(uid)))
    }

    async fn take(
        &self,
        hold: &Hold<'_>,
        seen: i64,
        add: &[NewSlot],
        remove: &[SlotKey],
    ) -> Result<Taken, EngineError> {
        self.state(|state| {
            let is_fenced =
                state.hosts.get(hold.host).is_none_or(|host| host.changed != hold.fence);
            let is_late =
                state.slots.iter().any(|(key, entry)| key.uid == hold.uid && entry.created > seen);
            if is_fenced || is_late {
                return Ok(Taken::No(state.seen(Some(hold.uid))));
            }
            state.put(hold.lease, add)?;
            state.slots.retain(|key, _| !remove.contains(key));
            Ok(Taken::Yes)
        })
    }

    async fn put(&self, lease: Lease, slots: &[NewSlot]) -> Result<(), EngineError> {
        self.state(|state| state.put(lease, slots))
    }

    async fn free(&self, keys: &[SlotKey]) -> Result<(), EngineError> {
        self.state(|state| {
            state.revision += 1;
            state.slots.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    async fn write_note(&self, lease: Lease, note: &Note) -> Result<(), EngineError> {
        let written = self.state(|state| {
            if !state.leases.contains_key(&lease) {
                return Err(EngineError::LeaseGone);
            }
            state.revision += 1;
            let (created, changed) = (state.revision, state.revision);
            let entry = Entry { created, changed, lease, value: note.text.clone() };
            state.notes.insert(note.name.clone(), entry);
            Ok(())
        });
        self.written.notify_waiters();
        written
    }

    async fn notes(&self, prefix: &str) -> Result<(Vec<Note>, i64), EngineError> {
        self.state(|state| {
            let notes = state.notes.iter().filter(|(name, _)| name.starts_with(prefix));
            let note = |(name, entry): (&String, &Entry<String>)| Note {
                name: name.clone(),
                text: entry.value.clone(),
            };
            Ok((notes.map(note).collect(), state.revision))
        })
    }

    async fn notes_after(
        &self,
        prefix: &str,
        moment: i64,
    ) -> Result<(Vec<Note>, i64), EngineError> {
        let written = self.written.notified();
        let (found, now) = self.state(|state| {
            let is_new = |(name, entry): &(&String, &Entry<String>)| {
                name.starts_with(prefix) && entry.changed > moment
            };
            let notes = state
                .notes
                .iter()
                .filter(is_new)
                .map(|(name, entry)| Note { name: name.clone(), text: entry.value.clone() });
            (notes.collect::<Vec<_>>(), state.revision)
        });
        if found.is_empty() {
            written.await;
        }
        Ok((found, now.max(moment)))
    }
}
