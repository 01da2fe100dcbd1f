//! What one agent sees of the engine: a network in between, and the end of the agent itself.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use session_limit_agent::engine::memory::MemoryEngine;
use session_limit_agent::engine::{
    Engine, EngineError, Fence, Hold, HostRecord, Lease, NewSlot, Note, Seen, SlotKey, Taken,
};
use tokio::time::sleep;

use crate::random::Random;

/// What is wrong between a host and the engine.
pub struct Network {
    pub host: String,
    pub random: Random,
    /// Percent of the calls that something happens to.
    pub faults: u64,
    pub is_cut_off: Cell<bool>,
}

/// The agent's life: it can end between any two steps.
#[derive(Default)]
pub struct Life {
    pub is_over: Cell<bool>,
    pub calls: Cell<u64>,
    /// Dies at this call, before or after it is done.
    pub dies_at: Cell<Option<(u64, bool)>>,
}

#[derive(Clone)]
pub struct FaultyEngine {
    pub engine: MemoryEngine,
    pub network: Rc<Network>,
    pub life: Rc<Life>,
}

const DEADLINE: Duration = Duration::from_millis(300);

/// Says what happens, where only one schedule runs.
pub fn trace(what: impl FnOnce() -> String) {
    if std::env::var_os("SEED").is_some() {
        println!("{:?} {}", tokio::time::Instant::now(), what());
    }
}

fn silence<T>() -> Result<T, EngineError> {
    Err(EngineError::Unreachable("no answer".to_owned()))
}

impl FaultyEngine {
    /// Does `call` as the network lets it; `call` is done at most once.
    async fn pass<T: fmt::Debug + 'static>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, EngineError>> + 'static,
    ) -> Result<T, EngineError> {
        let host = self.network.host.clone();
        let call = async move {
            let done = call.await;
            trace(|| format!("{host} {what}: {done:?}"));
            done
        };
        let number = self.life.calls.get();
        self.life.calls.set(number + 1);
        let dies = self.life.dies_at.get().filter(|(at, _)| *at == number);
        if let Some((_, true)) = dies {
            self.life.is_over.set(true);
        }
        self.end_if_over().await;
        let random = &self.network.random;
        let done = if self.network.is_cut_off.get() {
            sleep(DEADLINE).await;
            silence()
        } else if random.chance(self.network.faults) {
            match random.below(4) {
                // The request is lost.
                0 => {
                    sleep(DEADLINE).await;
                    silence()
                }
                // The answer is lost.
                1 => {
                    let _lost = call.await;
                    sleep(DEADLINE).await;
                    silence()
                }
                // It arrives long after it was given up.
                2 => {
                    let late = Duration::from_millis(300 + random.below(4_000));
                    tokio::task::spawn_local(async move {
                        sleep(late).await;
                        drop(call.await);
                    });
                    sleep(DEADLINE).await;
                    silence()
                }
                // It is slow.
                _ => {
                    sleep(Duration::from_millis(50 + random.below(240))).await;
                    call.await
                }
            }
        } else {
            sleep(Duration::from_micros(random.below(6_000))).await;
            let done = call.await;
            sleep(Duration::from_micros(random.below(6_000))).await;
            done
        };
        if dies.is_some() {
            self.life.is_over.set(true);
        }
        self.end_if_over().await;
        done
    }

    async fn end_if_over(&self) {
        if self.life.is_over.get() {
            std::future::pending::<()>().await;
        }
    }
}

impl Engine for FaultyEngine {
    async fn grant(&self, seconds: u32) -> Result<Lease, EngineError> {
        let engine = self.engine.clone();
        self.pass("grant", async move { engine.grant(seconds).await }).await
    }

    async fn renew(&self, lease: Lease) -> Result<bool, EngineError> {
        let engine = self.engine.clone();
        self.pass("renew", async move { engine.renew(lease).await }).await
    }

    async fn renewed(&self, lease: Lease) -> Result<Option<u32>, EngineError> {
        let engine = self.engine.clone();
        self.pass("renewed", async move { engine.renewed(lease).await }).await
    }

    async fn revoke(&self, lease: Lease) -> Result<(), EngineError> {
        let engine = self.engine.clone();
        self.pass("revoke", async move { engine.revoke(lease).await }).await
    }

    async fn held(&self, lease: Lease) -> Result<Option<Vec<SlotKey>>, EngineError> {
        let engine = self.engine.clone();
        self.pass("held", async move { engine.held(lease).await }).await
    }

    async fn register(&self, record: &HostRecord) -> Result<Fence, EngineError> {
        let (engine, record) = (self.engine.clone(), record.clone());
        self.pass("register", async move { engine.register(&record).await }).await
    }

    async fn hosts(&self, name: Option<&str>) -> Result<Vec<HostRecord>, EngineError> {
        let (engine, name) = (self.engine.clone(), name.map(str::to_owned));
        self.pass("hosts", async move { engine.hosts(name.as_deref()).await }).await
    }

    async fn list(&self, uid: Option<u32>) -> Result<Seen, EngineError> {
        let engine = self.engine.clone();
        self.pass("list", async move { engine.list(uid).await }).await
    }

    async fn take(
        &self,
        hold: &Hold<'_>,
        seen: i64,
        add: &[NewSlot],
        remove: &[SlotKey],
    ) -> Result<Taken, EngineError> {
        let (engine, host) = (self.engine.clone(), hold.host.to_owned());
        let (lease, fence, uid) = (hold.lease, hold.fence, hold.uid);
        let (add, remove) = (add.to_vec(), remove.to_vec());
        self.pass("take", async move {
            let hold = Hold { host: &host, lease, fence, uid };
            engine.take(&hold, seen, &add, &remove).await
        })
        .await
    }

    async fn put(&self, lease: Lease, slots: &[NewSlot]) -> Result<(), EngineError> {
        let (engine, slots) = (self.engine.clone(), slots.to_vec());
        self.pass("put", async move { engine.put(lease, &slots).await }).await
    }

    async fn free(&self, keys: &[SlotKey]) -> Result<(), EngineError> {
        let (engine, keys) = (self.engine.clone(), keys.to_vec());
        self.pass("free", async move { engine.free(&keys).await }).await
    }

    async fn write_note(&self, lease: Lease, note: &Note) -> Result<(), EngineError> {
        let (engine, note) = (self.engine.clone(), note.clone());
        self.pass("write_note", async move { engine.write_note(lease, &note).await }).await
    }

    async fn notes(&self, prefix: &str) -> Result<(Vec<Note>, i64), EngineError> {
        let (engine, prefix) = (self.engine.clone(), prefix.to_owned());
        self.pass("notes", async move { engine.notes(&prefix).await }).await
    }

    async fn notes_after(
        &self,
        prefix: &str,
        moment: i64,
    ) -> Result<(Vec<Note>, i64), EngineError> {
        self.engine.notes_after(prefix, moment).await
    }
}
