//! The engine on etcd, through its JSON gateway (`/v3/…`, etcd 3.4 and later).
//!
//! ```text
//! PREFIX/u/UID/s/HOST/ID      a slot, under the host's lease; JSON: the session
//! PREFIX/h/HOST               a host, under its lease; its modification revision is the fence
//! PREFIX/n/…                  notes, under leases of their own
//! ```
//!
//! A slot is taken by one transaction, which succeeds only if no key of the user was created since the slots
//! were read. A guard key for each user would be left behind, and would miss a host that takes its sessions
//! back in; a comparison over the range of the user's keys does neither.

mod calls;
mod connection;
mod tls;
mod wire;

use serde_json::{Value, json};

use self::calls::{Calls, Retry};
use self::wire::{decode, encode, number, range_end, texts};
use super::{
    Engine, EngineError, Fence, Hold, HostRecord, Lease, NewSlot, Note, Seen, SessionInfo, Slot,
    SlotKey, Taken,
};
use session_limit_core::model::fleet_settings::Fleet;

/// Keys written by one transaction; etcd accepts 128.
const AT_ONCE: usize = 100;

/// A cluster of etcd.
pub struct EtcdEngine {
    calls: Calls,
    prefix: String,
}

impl EtcdEngine {
    /// Reads certificates and password; connects at the first call.
    ///
    /// # Errors
    /// One line that names the file and what is wrong with it.
    pub fn new(fleet: &Fleet) -> Result<Self, String> {
        Ok(Self { calls: Calls::new(fleet)?, prefix: fleet.prefix.clone() })
    }

    fn slot_key(&self, key: &SlotKey) -> String {
        format!("{}/u/{}/s/{}/{}", self.prefix, key.uid, key.host, key.id)
    }

    fn slots_of(&self, uid: Option<u32>) -> String {
        match uid {
            Some(uid) => format!("{}/u/{uid}/s/", self.prefix),
            None => format!("{}/u/", self.prefix),
        }
    }

    /// Reads `UID/s/HOST/ID` behind the prefix; `None` for a key that is none of ours.
    fn read_key(&self, key: &str) -> Option<SlotKey> {
        let rest = key.strip_prefix(&self.prefix)?.strip_prefix("/u/")?;
        let mut words = rest.split('/');
        let (uid, s, host, id) = (words.next()?, words.next()?, words.next()?, words.next()?);
        (s == "s" && words.next().is_none()).then_some(())?;
        Some(SlotKey { uid: uid.parse().ok()?, host: host.to_owned(), id: id.parse().ok()? })
    }

    fn read_slots(&self, range: &Value) -> Vec<Slot> {
        let slots = range.get("kvs").and_then(Value::as_array).into_iter().flatten();
        slots
            .filter_map(|kv| {
                let key = self.read_key(&decode(kv.get("key")?)?)?;
                let session = decode(kv.get("value")?).unwrap_or_default();
                Some(Slot {
                    key,
                    created: number(kv.get("create_revision")),
                    // What cannot be read is a slot all the same.
                    session: serde_json::from_str(&session).unwrap_or_default(),
                })
            })
            .collect()
    }

    fn put_request(&self, lease: Lease, slot: &NewSlot) -> Value {
        json!({"request_put": {
            "key": encode(&self.slot_key(&slot.key)),
            "value": encode(&session_text(&slot.session)),
            "lease": lease.to_string(),
        }})
    }

    async fn range(&self, prefix: &str) -> Result<Value, EngineError> {
        let body = json!({"key": encode(prefix), "range_end": encode(&range_end(prefix))});
        self.calls.call("/v3/kv/range", &body, Retry::Anywhere).await
    }
}

fn session_text(session: &SessionInfo) -> String {
    serde_json::to_string(session).unwrap_or_default()
}

fn revision(answer: &Value) -> i64 {
    number(answer.pointer("/header/revision"))
}

impl Engine for EtcdEngine {
    async fn grant(&self, seconds: u32) -> Result<Lease, EngineError> {
        // One more that is granted without an answer expires by itself.
        let body = json!({"TTL": seconds.to_string()});
        let answer = self.calls.call("/v3/lease/grant", &body, Retry::Anywhere).await?;
        Ok(number(answer.get("ID")))
    }

    async fn renew(&self, lease: Lease) -> Result<bool, EngineError> {
        let body = json!({"ID": lease.to_string()});
        let answer = self.calls.call("/v3/lease/keepalive", &body, Retry::Anywhere).await?;
        Ok(number(answer.pointer("/result/TTL")) > 0)
    }

    async fn renewed(&self, lease: Lease) -> Result<Option<u32>, EngineError> {
        let body = json!({"ID": lease.to_string()});
        let answer = self.calls.call("/v3/lease/timetolive", &body, Retry::Anywhere).await?;
        let (left, granted) = (number(answer.get("TTL")), number(answer.get("grantedTTL")));
        // What is left is rounded down.
        let ago = u32::try_from(granted.saturating_sub(left).saturating_sub(1)).unwrap_or(0);
        Ok((left > 0).then_some(ago))
    }

    async fn revoke(&self, lease: Lease) -> Result<(), EngineError> {
        let body = json!({"ID": lease.to_string()});
        match self.calls.call("/v3/lease/revoke", &body, Retry::Anywhere).await {
            Ok(_) | Err(EngineError::LeaseGone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn held(&self, lease: Lease) -> Result<Option<Vec<SlotKey>>, EngineError> {
        let body = json!({"ID": lease.to_string(), "keys": true});
        let answer = self.calls.call("/v3/lease/timetolive", &body, Retry::Anywhere).await?;
        if number(answer.get("TTL")) <= 0 {
            return Ok(None);
        }
        let keys = answer.get("keys").and_then(Value::as_array).into_iter().flatten();
        Ok(Some(keys.filter_map(|key| self.read_key(&decode(key)?)).collect()))
    }

    async fn register(&self, record: &HostRecord) -> Result<Fence, EngineError> {
        let text = serde_json::to_string(record).unwrap_or_default();
        let body = json!({
            "key": encode(&format!("{}/h/{}", self.prefix, record.host)),
            "value": encode(&text),
            "lease": record.lease.to_string(),
        });
        let answer = self.calls.call("/v3/kv/put", &body, Retry::Never).await?;
        Ok(revision(&answer))
    }

    async fn hosts(&self, name: Option<&str>) -> Result<Vec<HostRecord>, EngineError> {
        let prefix = format!("{}/h/", self.prefix);
        let answer = match name {
            None => self.range(&prefix).await?,
            Some(name) => {
                let body = json!({"key": encode(&format!("{prefix}{name}"))});
                self.calls.call("/v3/kv/range", &body, Retry::Anywhere).await?
            }
        };
        let records = texts(&answer).into_iter();
        Ok(records.filter_map(|(_, text)| serde_json::from_str(&text).ok()).collect())
    }

    async fn list(&self, uid: Option<u32>) -> Result<Seen, EngineError> {
        let answer = self.range(&self.slots_of(uid)).await?;
        Ok(Seen { revision: revision(&answer), slots: self.read_slots(&answer) })
    }

    async fn take(
        &self,
        hold: &Hold<'_>,
        seen: i64,
        add: &[NewSlot],
        remove: &[SlotKey],
    ) -> Result<Taken, EngineError> {
        let slots = self.slots_of(Some(hold.uid));
        let (key, range_end) = (encode(&slots), encode(&range_end(&slots)));
        let puts = add.iter().map(|slot| self.put_request(hold.lease, slot));
        let deletes = remove
            .iter()
            .map(|key| json!({"request_delete_range": {"key": encode(&self.slot_key(key))}}));
        let body = json!({
            "compare": [
                {
                    "key": key, "range_end": range_end,
                    "target": "CREATE", "result": "LESS",
                    "create_revision": seen.saturating_add(1).to_string(),
                },
                {
                    "key": encode(&format!("{}/h/{}", self.prefix, hold.host)),
                    "target": "MOD", "result": "EQUAL",
                    "mod_revision": hold.fence.to_string(),
                },
            ],
            "success": puts.chain(deletes).collect::<Vec<_>>(),
            "failure": [{"request_range": {"key": key, "range_end": range_end}}],
        });
        let answer = self.calls.call("/v3/kv/txn", &body, Retry::Never).await?;
        if answer.get("succeeded").and_then(Value::as_bool) == Some(true) {
            return Ok(Taken::Yes);
        }
        let range = answer.pointer("/responses/0/response_range").unwrap_or(&Value::Null);
        Ok(Taken::No(Seen { revision: revision(&answer), slots: self.read_slots(range) }))
    }

    async fn put(&self, lease: Lease, slots: &[NewSlot]) -> Result<(), EngineError> {
        for part in slots.chunks(AT_ONCE) {
            let puts: Vec<_> = part.iter().map(|slot| self.put_request(lease, slot)).collect();
            self.calls.call("/v3/kv/txn", &json!({"success": puts}), Retry::Never).await?;
        }
        Ok(())
    }

    async fn free(&self, keys: &[SlotKey]) -> Result<(), EngineError> {
        let delete = |key| json!({"request_delete_range": {"key": encode(&self.slot_key(key))}});
        for part in keys.chunks(AT_ONCE) {
            let deletes: Vec<_> = part.iter().map(delete).collect();
            // A number is never used again in a boot: what is deleted twice is gone anyway.
            self.calls.call("/v3/kv/txn", &json!({"success": deletes}), Retry::Anywhere).await?;
        }
        Ok(())
    }

    async fn write_note(&self, lease: Lease, note: &Note) -> Result<(), EngineError> {
        let body = json!({
            "key": encode(&format!("{}/n/{}", self.prefix, note.name)),
            "value": encode(&note.text),
            "lease": lease.to_string(),
        });
        self.calls.call("/v3/kv/put", &body, Retry::Anywhere).await.map(drop)
    }

    async fn notes(&self, prefix: &str) -> Result<(Vec<Note>, i64), EngineError> {
        let answer = self.range(&format!("{}/n/{prefix}", self.prefix)).await?;
        Ok((self.read_notes(texts(&answer)), revision(&answer)))
    }

    async fn notes_after(
        &self,
        prefix: &str,
        moment: i64,
    ) -> Result<(Vec<Note>, i64), EngineError> {
        let prefix = format!("{}/n/{prefix}", self.prefix);
        let body = json!({"create_request": {
            "key": encode(&prefix),
            "range_end": encode(&range_end(&prefix)),
            "start_revision": moment.saturating_add(1).to_string(),
            "filters": ["NODELETE"],
        }});
        let (events, latest) = self.calls.watch(&body, moment).await?;
        Ok((self.read_notes(events), latest))
    }
}

impl EtcdEngine {
    fn read_notes(&self, texts: Vec<(String, String)>) -> Vec<Note> {
        let name =
            |key: &str| Some(key.strip_prefix(&self.prefix)?.strip_prefix("/n/")?.to_owned());
        let note = |(key, text): (String, String)| Some(Note { name: name(&key)?, text });
        texts.into_iter().filter_map(note).collect()
    }
}
