//! One schedule: what happens to a small fleet in a minute, and what must hold.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use session_limit_agent::engine::Engine;
use session_limit_agent::engine::memory::MemoryEngine;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::faulty_engine::Network;
use crate::host::{Host, Login};
use crate::random::Random;

/// What is allowed to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Messages are lost and late, agents die and come back before their lease expires, but for the few that lose
    /// all messages until then. Logins are refused while the fleet cannot be asked.
    LeasesHeld,
    /// Also hosts are cut off, leases expire, hosts lose their power.
    LeasesLost,
    /// The same, and hosts decide alone while the fleet cannot be asked.
    DecideAlone,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Sum {
    pub schedules: u64,
    pub logins: u64,
    pub granted: u64,
    pub refused: u64,
    pub refused_down: u64,
    /// Schedules in which a host lost its lease.
    pub leases_lost: u64,
    /// Schedules in which a user was above the limit at some time.
    pub over_limit: u64,
    /// The largest number of sessions above the limit.
    pub most_over: usize,
}

impl Sum {
    pub fn add(&mut self, other: &Self) {
        self.schedules += other.schedules;
        self.logins += other.logins;
        self.granted += other.granted;
        self.refused += other.refused;
        self.refused_down += other.refused_down;
        self.leases_lost += other.leases_lost;
        self.over_limit += other.over_limit;
        self.most_over = self.most_over.max(other.most_over);
    }
}

pub struct Schedule {
    kind: Kind,
    seed: u64,
    random: Random,
}

/// One fleet and its users.
struct Fleet {
    engine: MemoryEngine,
    hosts: Vec<Rc<Host>>,
    users: u32,
    limit: u32,
}

impl Fleet {
    fn open(&self, uid: u32) -> usize {
        self.hosts.iter().map(|host| host.open(uid)).sum()
    }

    fn has_all_leases(&self) -> bool {
        self.engine.expired() == 0
    }

    fn most_over(&self) -> usize {
        (0..self.users)
            .map(|uid| self.open(uid).saturating_sub(self.limit as usize))
            .max()
            .unwrap_or(0)
    }
}

impl Schedule {
    pub fn new(kind: Kind, seed: u64) -> Self {
        Self { kind, seed, random: Random::new(seed ^ ((kind as u64) << 60)) }
    }

    pub fn run(self) -> Sum {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        LocalSet::new().block_on(&runtime, self.story())
    }

    async fn story(self) -> Sum {
        let random = &self.random;
        let engine = MemoryEngine::default();
        let faults = [0, 5, 20][random.below(3) as usize];
        let limit = 1 + random.below(3) as u32;
        let host = |number| {
            let name = format!("host{number}");
            let network = Network {
                host: name.clone(),
                random: Random::new(random.next()),
                faults,
                is_cut_off: false.into(),
            };
            Rc::new(Host::new(name, limit, engine.clone(), Rc::new(network)))
        };
        let hosts: Vec<_> = (0..2 + random.below(3)).map(host).collect();
        let users = 1 + random.below(2) as u32;
        let fleet = Rc::new(Fleet { engine, hosts, users, limit });
        for host in &fleet.hosts {
            host.start_agent();
        }
        sleep(Duration::from_secs(2)).await;
        let mut sum = Sum { schedules: 1, ..Sum::default() };
        let mut logins = Vec::new();
        let mut most_over = 0;
        for _ in 0..20 + random.below(30) {
            sleep(Duration::from_millis([0, 1, 20, 700, 3_000][random.below(5) as usize])).await;
            self.step(&fleet, &mut logins);
            most_over = most_over.max(fleet.most_over());
            if self.kind != Kind::DecideAlone && fleet.has_all_leases() {
                assert_eq!(most_over, 0, "seed {}: above the limit", self.seed);
            }
        }
        for login in logins {
            let ended: Login = login.await.unwrap();
            sum.logins += 1;
            *match ended {
                Login::Open(_) => &mut sum.granted,
                Login::Refused => &mut sum.refused,
                Login::RefusedDown => &mut sum.refused_down,
            } += 1;
            most_over = most_over.max(fleet.most_over());
        }
        self.must_hold(&fleet, most_over).await;
        sum.leases_lost = u64::from(!fleet.has_all_leases());
        sum.over_limit = u64::from(most_over > 0);
        sum.most_over = most_over;
        sum
    }

    /// One thing happens.
    fn step(&self, fleet: &Rc<Fleet>, logins: &mut Vec<tokio::task::JoinHandle<Login>>) {
        let random = &self.random;
        let host = Rc::clone(&fleet.hosts[random.below(fleet.hosts.len() as u64) as usize]);
        let uid = random.below(fleet.users.into()) as u32;
        match random.below(100) {
            0..60 => {
                // A few at once, on any hosts.
                for _ in 0..1 + random.below(4) {
                    let host =
                        Rc::clone(&fleet.hosts[random.below(fleet.hosts.len() as u64) as usize]);
                    logins.push(self.login(host, uid, fleet));
                }
            }
            60..75 => {
                host.kill_agent();
                let pause = random.below(3_000);
                tokio::task::spawn_local(async move {
                    sleep(Duration::from_millis(pause)).await;
                    if !host.is_running() {
                        host.start_agent();
                    }
                });
            }
            75..80 if self.kind != Kind::LeasesHeld => fleet.engine.expire_lease_of(&host.name),
            80..90 if self.kind != Kind::LeasesHeld => {
                host.network.is_cut_off.set(true);
                let pause = random.below(25_000);
                tokio::task::spawn_local(async move {
                    sleep(Duration::from_millis(pause)).await;
                    host.network.is_cut_off.set(false);
                });
            }
            90..95 if self.kind != Kind::LeasesHeld => {
                host.power_off();
                let pause = random.below(20_000);
                tokio::task::spawn_local(async move {
                    sleep(Duration::from_millis(pause)).await;
                    if !host.is_running() {
                        host.start_agent();
                    }
                });
            }
            _ => {}
        }
    }

    fn login(&self, host: Rc<Host>, uid: u32, fleet: &Fleet) -> tokio::task::JoinHandle<Login> {
        let limit = fleet.limit;
        let alone = self.kind == Kind::DecideAlone;
        let lasts = Duration::from_millis(self.random.below(20_000));
        let stays = self.random.chance(25);
        let message_arrives = self.random.chance(70);
        tokio::task::spawn_local(async move {
            let login = host.log_in(uid, limit, alone).await;
            if let Login::Open(id) = login {
                if !stays {
                    tokio::task::spawn_local(async move {
                        sleep(lasts).await;
                        host.log_out(uid, id, message_arrives).await;
                    });
                }
            }
            login
        })
    }

    /// What must hold at the end, and after a time in which nothing happens.
    async fn must_hold(&self, fleet: &Fleet, most_over: usize) {
        let seed = self.seed;
        let bound = match self.kind {
            Kind::LeasesHeld | Kind::LeasesLost if fleet.has_all_leases() => 0,
            // Each host lets in what the limit allows, at the worst.
            _ => (fleet.hosts.len() - 1) * fleet.limit as usize,
        };
        assert!(most_over <= bound, "seed {seed}: {most_over} above the limit");
        sleep(Duration::from_secs(60)).await;
        let mut expected = BTreeSet::new();
        for host in &fleet.hosts {
            assert!(!host.network.is_cut_off.get() && host.is_running());
            for (uid, id) in host.rows.0.borrow().keys() {
                expected.insert((*uid, host.name.clone(), *id));
            }
        }
        // Faults go on; what they leave is repaired again and again.
        for host in &fleet.hosts {
            host.member().unwrap().sweep().await.unwrap_or_default();
        }
        let mut found = BTreeSet::new();
        for _ in 0..20 {
            let seen = fleet.engine.list(None).await.unwrap();
            found = seen
                .slots
                .into_iter()
                .map(|slot| (slot.key.uid, slot.key.host, slot.key.id))
                .collect();
            if found == expected {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(found, expected, "seed {seed}: slots and sessions differ");
        // What is above the limit has been said.
        if fleet.most_over() > 0 {
            let reports: u64 = fleet.hosts.iter().map(|host| host.reports()).sum();
            assert!(reports > 0, "seed {seed}: above the limit, and not reported");
        }
        self.free_slots_can_be_taken(fleet).await;
    }

    async fn free_slots_can_be_taken(&self, fleet: &Fleet) {
        for uid in 0..fleet.users {
            let is_full = fleet.open(uid) >= fleet.limit as usize;
            let host = fleet.hosts.iter().min_by_key(|host| host.open(uid)).unwrap();
            let mut login = Login::RefusedDown;
            for _ in 0..30 {
                login = host.log_in(uid, fleet.limit, false).await;
                if login != Login::RefusedDown {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
            let is_open = matches!(login, Login::Open(_));
            assert_eq!(
                is_open,
                !is_full,
                "seed {}: {login:?} with {} open",
                self.seed,
                fleet.open(uid)
            );
        }
    }
}

/// A host without faults, at limit 1.
fn calm_host(name: &str, engine: &MemoryEngine) -> Host {
    let network = Network {
        host: name.to_owned(),
        random: Random::new(1),
        faults: 0,
        is_cut_off: false.into(),
    };
    Host::new(name.to_owned(), 1, engine.clone(), Rc::new(network))
}

/// The registration of a host is written once more, as one does that was given up and was on its way.
pub fn late_registration() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let engine = MemoryEngine::default();
        let host = calm_host("host1", &engine);
        host.start_agent();
        sleep(Duration::from_secs(2)).await;
        let record = engine.hosts(None).await.unwrap().remove(0);
        engine.register(&record).await.unwrap();
        assert!(matches!(host.log_in(1, 1, false).await, Login::Open(_)));
        assert_eq!(host.member().unwrap().counters().overtaken, 1);
    });
}

/// An agent dies at a step of its life, in which one session is opened and closed; returns whether it came so far.
pub fn death_at(step: u64, before: bool) -> bool {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let engine = MemoryEngine::default();
        let (host, other) = (calm_host("host1", &engine), calm_host("host2", &engine));
        let life = host.start_agent();
        life.dies_at.set(Some((step, before)));
        other.start_agent();
        sleep(Duration::from_secs(2)).await;
        let first = host.log_in(1, 1, false).await;
        if let Login::Open(id) = first {
            assert_eq!(other.log_in(1, 1, false).await, Login::Refused, "step {step}");
            let _ended =
                tokio::time::timeout(Duration::from_millis(500), host.log_out(1, id, true)).await;
        }
        if !life.is_over.get() && life.calls.get() <= step {
            return false;
        }
        sleep(Duration::from_secs(1)).await;
        host.start_agent();
        sleep(Duration::from_secs(5)).await;
        let seen = engine.list(None).await.unwrap();
        assert_eq!(seen.slots, [], "step {step}: left behind");
        assert!(matches!(other.log_in(1, 1, false).await, Login::Open(_)), "step {step}");
        true
    })
}
