//! A host of the simulation: a store, an agent, and logins that do what the module does.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use session_limit_agent::engine::SessionInfo;
use session_limit_agent::engine::memory::MemoryEngine;
use session_limit_agent::local::{Local, Row};
use session_limit_agent::member::{Identity, Member, Report};
use session_limit_core::fleet::Answer;
use session_limit_core::fleet::protocol::HostCleared;
use tokio::time::{sleep, timeout};

use crate::faulty_engine::{FaultyEngine, Life, Network, trace};

pub const TTL: u32 = 10;
const MODULE_WAITS: Duration = Duration::from_millis(500);

/// The store.
#[derive(Clone, Default)]
pub struct Rows(pub Rc<RefCell<BTreeMap<(u32, i64), bool>>>, pub u32);

impl Local for Rows {
    async fn rows(&self) -> Result<Vec<Row>, String> {
        let row = |(&(uid, id), &is_open): (&(u32, i64), &bool)| Row {
            uid,
            id,
            is_open,
            session: SessionInfo { user: format!("user{uid}"), ..SessionInfo::default() },
            leader: None,
        };
        let rows = self.0.borrow().iter().map(row).collect();
        // What is returned is some time old.
        sleep(Duration::from_millis(20)).await;
        Ok(rows)
    }

    fn lives(&self, row: &Row) -> bool {
        self.0.borrow().contains_key(&(row.uid, row.id))
    }

    async fn limit(&self, _user: &str) -> Option<u32> {
        Some(self.1)
    }

    async fn end(&self, uid: u32, ids: &[i64], _ended_by: &str) -> HostCleared {
        let mut rows = self.0.borrow_mut();
        let ended = ids.iter().filter(|id| rows.remove(&(uid, **id)).is_some()).count();
        HostCleared { terminated: ended as u32, ..HostCleared::default() }
    }
}

struct Quiet(String);

impl Report for Quiet {
    fn warn(&self, text: &str) {
        trace(|| format!("{} says: {text}", self.0));
    }

    fn info(&self, text: &str) {
        self.warn(text);
    }
}

/// An agent, and its end.
type Agent = (Member<FaultyEngine, Rows>, Rc<Life>);

pub struct Host {
    pub name: String,
    pub rows: Rows,
    pub network: Rc<Network>,
    engine: MemoryEngine,
    agent: RefCell<Option<Agent>>,
    boots: Cell<u32>,
    next: Cell<i64>,
    /// Reports of agents that have ended.
    pub over_limit: Cell<u64>,
}

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    Open(i64),
    Refused,
    /// The fleet could not be asked, and the policy is to refuse.
    RefusedDown,
}

impl Host {
    pub fn new(name: String, limit: u32, engine: MemoryEngine, network: Rc<Network>) -> Self {
        Self {
            name,
            rows: Rows(Rc::default(), limit),
            network,
            engine,
            agent: RefCell::default(),
            boots: Cell::new(1),
            next: Cell::new(1),
            over_limit: Cell::new(0),
        }
    }

    pub fn start_agent(&self) -> Rc<Life> {
        self.kill_agent();
        let life = Rc::new(Life::default());
        let engine = FaultyEngine {
            engine: self.engine.clone(),
            network: Rc::clone(&self.network),
            life: Rc::clone(&life),
        };
        let identity = Identity {
            host: self.name.clone(),
            boot_id: format!("boot {}", self.boots.get()),
            machine_id: self.name.clone(),
            since: 0,
        };
        let member = Member::new(
            engine,
            self.rows.clone(),
            identity,
            TTL,
            Box::new(Quiet(self.name.clone())),
        );
        let running = member.clone();
        tokio::task::spawn_local(async move { running.run().await });
        *self.agent.borrow_mut() = Some((member, Rc::clone(&life)));
        life
    }

    pub fn kill_agent(&self) {
        if let Some((member, life)) = self.agent.take() {
            trace(|| format!("{} agent killed", self.name));
            life.is_over.set(true);
            self.over_limit.set(self.over_limit.get() + member.counters().over_limit);
        }
    }

    pub fn is_running(&self) -> bool {
        self.agent.borrow().is_some()
    }

    /// The power is gone: with it agent, store and sessions.
    pub fn power_off(&self) {
        self.kill_agent();
        self.rows.0.borrow_mut().clear();
        self.boots.set(self.boots.get() + 1);
    }

    pub fn member(&self) -> Option<Member<FaultyEngine, Rows>> {
        self.agent.borrow().as_ref().map(|(member, _)| member.clone())
    }

    pub fn reports(&self) -> u64 {
        self.over_limit.get() + self.member().map_or(0, |member| member.counters().over_limit)
    }

    pub fn open(&self, uid: u32) -> usize {
        self.rows.0.borrow().iter().filter(|((one, _), open)| *one == uid && **open).count()
    }

    /// What the module does: the host decides and reserves, then the fleet.
    pub async fn log_in(&self, uid: u32, limit: u32, local_if_down: bool) -> Login {
        let boot = self.boots.get();
        let held = self.rows.0.borrow().keys().filter(|(one, _)| *one == uid).count();
        if held >= limit as usize {
            return Login::Refused;
        }
        let id = self.next.get();
        self.next.set(id + 1);
        self.rows.0.borrow_mut().insert((uid, id), false);
        let info = SessionInfo { user: format!("user{uid}"), ..SessionInfo::default() };
        let answer = match self.member() {
            None => Answer::Down("not running".to_owned()),
            Some(member) => timeout(MODULE_WAITS, member.take(uid, id, limit, info))
                .await
                .unwrap_or(Answer::Down("no answer".to_owned())),
        };
        trace(|| format!("{} login {uid} {id}: {answer:?}", self.name));
        if boot != self.boots.get() {
            // The login has ended with its host.
            return Login::RefusedDown;
        }
        let mut rows = self.rows.0.borrow_mut();
        match answer {
            Answer::Granted(_) => {}
            Answer::Down(_) if local_if_down => {}
            Answer::Down(_) => {
                rows.remove(&(uid, id));
                if let Some(member) = self.member() {
                    tokio::task::spawn_local(async move { member.free(uid, id).await });
                }
                return Login::RefusedDown;
            }
            Answer::Refused(_) => {
                rows.remove(&(uid, id));
                return Login::Refused;
            }
        }
        rows.insert((uid, id), true);
        Login::Open(id)
    }

    pub async fn log_out(&self, uid: u32, id: i64, message_arrives: bool) {
        trace(|| format!("{} logout {uid} {id}", self.name));
        let was_there = self.rows.0.borrow_mut().remove(&(uid, id)).is_some();
        if let Some(member) = self.member().filter(|_| was_there && message_arrives) {
            member.free(uid, id).await;
        }
    }
}
