//! Clearing over the fleet: one agent asks, those whose hosts hold sessions of the user end them and answer.
//!
//! A request is a note `c/NUMBER`, an answer a note `a/NUMBER/HOST`; both are gone with the lease of the request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_limit_core::fleet::protocol::{ClearAnswer, ClearedSessions, HostCleared};
use session_limit_core::model::sanitize::{printable, shortened};
use tokio::time::{Instant, sleep, timeout_at};

use crate::engine::{Engine, EngineError, Lease, Note, Slot};
use crate::local::Local;
use crate::member::Member;

/// How long the other hosts are waited for: a session that ignores SIGTERM is killed after 3 s.
const DEADLINE: Duration = Duration::from_millis(7_500);
/// Seconds that a request stays in the engine if its agent dies.
const LEASE: u32 = 30;
/// How long a watch that has failed is left alone.
const BREATHER: Duration = Duration::from_millis(500);
/// Characters of the text that terminals show.
const MAX_TEXT: usize = 200;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Request {
    uid: u32,
    /// The sessions that are to be ended, of each host that has any.
    sessions: BTreeMap<String, Vec<i64>>,
    by: String,
    from: String,
    lease: Lease,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Done {
    terminated: u32,
    killed: u32,
    forgotten: u32,
    skipped: u32,
    failed: u32,
}

/// Ends sessions of a user; returns what became of it, host by host.
pub async fn clear<E: Engine + 'static, L: Local + 'static>(
    member: &Member<E, L>,
    uid: u32,
    sessions: &ClearedSessions,
    by: &str,
) -> Vec<ClearAnswer> {
    let mut answers = Vec::new();
    match ask(member, uid, sessions, by, &mut answers).await {
        Ok(()) => answers.push(ClearAnswer::End),
        Err(error) => answers.push(ClearAnswer::Down(error.to_string())),
    }
    answers
}

async fn ask<E: Engine + 'static, L: Local + 'static>(
    member: &Member<E, L>,
    uid: u32,
    cleared: &ClearedSessions,
    by: &str,
    answers: &mut Vec<ClearAnswer>,
) -> Result<(), EngineError> {
    let deadline = Instant::now() + DEADLINE;
    let engine = member.engine();
    let own = &member.identity().host;
    let mut sessions = chosen(engine.list(Some(uid)).await?.slots, own, cleared);
    let here = sessions.remove(own);
    let mut silent: BTreeSet<String> = sessions.keys().cloned().collect();
    let lease = if silent.is_empty() { None } else { Some(engine.grant(LEASE).await?) };
    if let Some(lease) = lease {
        let request = Request { uid, sessions, by: by.to_owned(), from: own.clone(), lease };
        let text = serde_json::to_string(&request).unwrap_or_default();
        engine.write_note(lease, &Note { name: format!("c/{lease}"), text }).await?;
    }
    if let Some(ids) = here {
        answers.push(ClearAnswer::Host(end(member, uid, &ids, by).await));
    }
    if let Some(lease) = lease {
        hear(engine, lease, &mut silent, answers, deadline).await;
        // If this fails it expires.
        let _ = engine.revoke(lease).await;
    }
    answers.extend(silent.into_iter().map(ClearAnswer::Silent));
    Ok(())
}

/// Waits for the answers of the hosts that are `silent` so far.
async fn hear(
    engine: &impl Engine,
    lease: Lease,
    silent: &mut BTreeSet<String>,
    answers: &mut Vec<ClearAnswer>,
    deadline: Instant,
) {
    let prefix = format!("a/{lease}/");
    let mut moment = 0;
    while !silent.is_empty() {
        // What was written before the wait began is read, what comes later is waited for.
        let found = match moment {
            0 => timeout_at(deadline, engine.notes(&prefix)).await,
            _ => timeout_at(deadline, engine.notes_after(&prefix, moment)).await,
        };
        let Ok(found) = found else { return };
        match found {
            Err(_) => {
                sleep(BREATHER.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
            Ok((notes, now)) => {
                moment = now;
                let heard =
                    notes.iter().filter_map(|note| Some((note.name.strip_prefix(&prefix)?, note)));
                for (host, note) in heard.filter(|(host, _)| silent.remove(*host)) {
                    answers.push(ClearAnswer::Host(read_answer(host, &note.text)));
                }
            }
        }
        if Instant::now() >= deadline {
            return;
        }
    }
}

/// Returns the sessions that are to be ended, by host.
fn chosen(
    mut slots: Vec<Slot>,
    own: &str,
    cleared: &ClearedSessions,
) -> BTreeMap<String, Vec<i64>> {
    match cleared {
        // The host of the login has ended its own sessions already.
        ClearedSessions::Elsewhere => slots.retain(|slot| slot.key.host != own),
        ClearedSessions::Oldest(count) => {
            slots.sort_by_key(|slot| slot.created);
            slots.truncate(usize::try_from(*count).unwrap_or(usize::MAX));
        }
        ClearedSessions::One(one) => {
            slots.retain(|slot| slot.key.host == one.host && slot.key.id == one.id);
        }
    }
    let mut sessions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for slot in slots {
        sessions.entry(slot.key.host).or_default().push(slot.key.id);
    }
    sessions
}

async fn end<E: Engine + 'static, L: Local + 'static>(
    member: &Member<E, L>,
    uid: u32,
    ids: &[i64],
    by: &str,
) -> HostCleared {
    // It comes from another host, and goes to terminals.
    let by = shortened(&printable(by.as_bytes()), MAX_TEXT);
    let mut done = member.local().end(uid, ids, &by).await;
    done.host.clone_from(&member.identity().host);
    // The slots are free before this is answered.
    let _tried_again = member.sweep().await;
    done
}

fn read_answer(host: &str, text: &str) -> HostCleared {
    let Done { terminated, killed, forgotten, skipped, failed } =
        serde_json::from_str(text).unwrap_or_default();
    HostCleared { host: host.to_owned(), terminated, killed, forgotten, skipped, failed }
}

/// Ends sessions that other hosts ask to be ended; does not return.
pub async fn serve<E: Engine + 'static, L: Local + 'static>(member: &Member<E, L>) {
    let mut moment = None;
    loop {
        let found = match moment {
            None => member.engine().notes("c/").await,
            Some(moment) => member.engine().notes_after("c/", moment).await,
        };
        match found {
            Err(_) => sleep(BREATHER).await,
            Ok((notes, now)) => {
                // An engine that was set up again counts from the beginning.
                let is_stuck = notes.is_empty() && moment == Some(now);
                moment = Some(now);
                for note in notes {
                    let member = member.clone();
                    tokio::task::spawn_local(async move { answer(&member, &note).await });
                }
                if is_stuck {
                    sleep(BREATHER / 5).await;
                }
            }
        }
    }
}

async fn answer<E: Engine + 'static, L: Local + 'static>(member: &Member<E, L>, note: &Note) {
    let own = &member.identity().host;
    let Ok(request) = serde_json::from_str::<Request>(&note.text) else { return };
    let Some(number) = note.name.strip_prefix("c/") else { return };
    let Some(ids) = request.sessions.get(own) else { return };
    let by = format!("{} on {}", request.by, request.from);
    let HostCleared { terminated, killed, forgotten, skipped, failed, .. } =
        end(member, request.uid, ids, &by).await;
    let done = Done { terminated, killed, forgotten, skipped, failed };
    let answer = Note {
        name: format!("a/{number}/{own}"),
        text: serde_json::to_string(&done).unwrap_or_default(),
    };
    for _ in 0..3 {
        match member.engine().write_note(request.lease, &answer).await {
            Err(EngineError::Unreachable(_)) => sleep(BREATHER).await,
            // Written, or no caller waits any more.
            _ => return,
        }
    }
}
