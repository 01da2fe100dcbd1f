//! What the fleet costs: a login beside one that only its host counts, and many hosts on one cluster.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use session_limit_agent::engine::etcd::EtcdEngine;
use session_limit_agent::engine::{Engine, SessionInfo};
use session_limit_agent::local::{Local, Row};
use session_limit_agent::member::{Identity, Member, Report};
use session_limit_core::config::Config;
use session_limit_core::fleet::Answer;
use session_limit_core::fleet::protocol::HostCleared;
use testkit::{Host, default_limit, example, module};

use crate::{alone, amount, eventually};

const PORT: u16 = 32_379;

/// Three members on loopback, without TLS.
struct Members {
    children: Vec<Child>,
    directory: tempfile::TempDir,
}

impl Members {
    fn start() -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").unwrap();
        let peers: Vec<String> =
            (0..3).map(|n| format!("e{n}=http://127.0.0.1:{}", PORT + 100 + n)).collect();
        let start = |n: u16| {
            let client = format!("http://127.0.0.1:{}", PORT + n);
            let peer = format!("http://127.0.0.1:{}", PORT + 100 + n);
            Command::new("setpriv")
                .args([
                    "--pdeathsig",
                    "KILL",
                    "nice",
                    "-n",
                    "-10",
                    "etcd",
                    "--name",
                    &format!("e{n}"),
                ])
                .arg("--data-dir")
                .arg(directory.path().join(format!("e{n}")))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--initial-cluster", &peers.join(","), "--logger", "zap"])
                .env("ETCD_UNSUPPORTED_ARCH", std::env::consts::ARCH)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let children = (0..3).map(start).collect();
        Self { children, directory }
    }

    /// Resident memory and size of the database of one member, in MB.
    fn size(&self) -> (f64, f64) {
        let pid = self.children[0].id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        let database = self.directory.path().join("e0/member/snap/db");
        let bytes = std::fs::metadata(database).unwrap().len();
        (kilobytes / 1024.0, bytes as f64 / 1_048_576.0)
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Hands bytes on to the first member after some time each way; returns its port.
fn delayed(one_way: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(member) = TcpStream::connect(("127.0.0.1", PORT)) else { continue };
            for (mut from, mut to) in
                [(client.try_clone().unwrap(), member.try_clone().unwrap()), (member, client)]
            {
                let _ = to.set_nodelay(true);
                std::thread::spawn(move || {
                    let mut part = [0; 65_536];
                    // Requests and answers take turns: to sleep here delays nothing else.
                    while let Ok(count @ 1..) = from.read(&mut part) {
                        std::thread::sleep(one_way);
                        if to.write_all(&part[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    port
}

fn median_and_p99(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("median {:?}, p99 {:?}", at(50), at(99))
}

#[test]
fn what_a_login_pays() {
    let _alone = alone();
    let _members = Members::start();
    let logins = amount(60, 1_000);
    let mut medians = Vec::new();
    for (what, port) in [
        ("this host only", None),
        ("etcd at 0 ms", Some(PORT)),
        ("etcd at 1 ms", Some(delayed(Duration::from_micros(500)))),
        ("etcd at 10 ms", Some(delayed(Duration::from_millis(5)))),
    ] {
        let host = Host::new(example("pam_actor"), module());
        let fleet = port.map_or(String::new(), |port| {
            format!("[fleet]\nendpoints = [\"http://127.0.0.1:{port}\"]\nhost = \"h{port}\"\non_engine_down = \"refuse\"\n")
        });
        host.configure(&format!("{}{fleet}", default_limit(5)));
        let mut agent = port.map(|_| {
            Command::new("setpriv")
                .args(["--pdeathsig", "KILL", "nice", "-n", "-10"])
                .arg(testkit::program("session-limit-agent", "session-limit-agent"))
                .arg("--config")
                .arg(host.config())
                .arg("--state")
                .arg(host.state())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        let mut caller = host.login("login", "alice");
        eventually("a login", Duration::from_secs(60), || caller.log_in() == 0);
        drop(caller);
        let mut times = Vec::new();
        let mut unanswered = 0;
        for _ in 0..logins {
            let mut login = host.login("login", "alice");
            let began = Instant::now();
            if login.log_in() == 0 {
                times.push(began.elapsed());
                login.close();
            } else {
                unanswered += 1;
            }
        }
        assert!(unanswered * 10 < logins, "{unanswered} of {logins} without an answer");
        let mut sorted = times.clone();
        sorted.sort();
        medians.push(sorted[sorted.len() / 2]);
        println!(
            "a login, {what}: {} ({unanswered} of {logins} without an answer)",
            median_and_p99(times)
        );
        if let Some(agent) = &mut agent {
            agent.kill().unwrap();
            agent.wait().unwrap();
        }
    }
    // Never more than the deadline, and a margin for a machine that does other things as well.
    assert!(medians[3] < medians[0] + Duration::from_millis(600), "{medians:?}");
}

/// A host that exists in this process only.
#[derive(Clone, Default)]
struct Rows(Rc<RefCell<Vec<Row>>>);

impl Local for Rows {
    async fn rows(&self) -> Result<Vec<Row>, String> {
        Ok(self.0.borrow().clone())
    }

    fn lives(&self, _row: &Row) -> bool {
        true
    }

    async fn limit(&self, _user: &str) -> Option<u32> {
        None
    }

    async fn end(&self, _uid: u32, _ids: &[i64], _ended_by: &str) -> HostCleared {
        HostCleared::default()
    }
}

struct Silent;

impl Report for Silent {
    fn warn(&self, _text: &str) {}
    fn info(&self, _text: &str) {}
}

#[test]
fn many_hosts_on_three_members() {
    let _alone = alone();
    let members = Members::start();
    let hosts = amount(20, 200);
    let sessions = 50;
    let empty = members.size_when_there();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut all = Vec::new();
        for number in 0..hosts {
            let endpoint = PORT + (number % 3) as u16;
            let config = format!("[fleet]\nendpoints = [\"http://127.0.0.1:{endpoint}\"]\n");
            let engine = EtcdEngine::new(&Config::parse(&config).unwrap().fleet.unwrap()).unwrap();
            let identity = Identity {
                host: format!("h{number}"),
                boot_id: "b".into(),
                machine_id: format!("m{number}"),
                since: 0,
            };
            let member = Member::new(engine, Rows::default(), identity, 10, Box::new(Silent));
            let running = member.clone();
            tokio::task::spawn_local(async move { running.run().await });
            all.push(member);
        }
        while !all.iter().all(|member| member.claims().1) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let began = Instant::now();
        let (mut tasks, mut times, mut unanswered) = (Vec::new(), Vec::new(), 0);
        for (number, member) in all.iter().enumerate() {
            let member = member.clone();
            tasks.push(tokio::task::spawn_local(async move {
                let (mut times, mut unanswered) = (Vec::new(), 0);
                for id in 0..sessions {
                    let uid = u32::try_from(number * sessions + id).unwrap();
                    let id = i64::try_from(id).unwrap() + 1;
                    let row = Row { uid, id, is_open: true, session: SessionInfo::default(), leader: None };
                    let began = Instant::now();
                    match member.take(uid, id, 5, SessionInfo::default()).await {
                        Answer::Granted(_) => times.push(began.elapsed()),
                        _ => unanswered += 1,
                    }
                    // Open, whichever side decided.
                    member.local().0.borrow_mut().push(row);
                }
                (times, unanswered)
            }));
        }
        for task in tasks {
            let (more, none) = task.await.unwrap();
            times.extend(more);
            unanswered += none;
        }
        let took = began.elapsed();
        let takes = times.len();
        assert!(takes > 0);
        println!(
            "{hosts} hosts with {sessions} sessions each: {takes} takes in {took:?}, {:.0} a second, {}, {unanswered} \
             without an answer in time",
            takes as f64 / took.as_secs_f64(),
            median_and_p99(times)
        );
        // All are there in the end, whatever had no answer, and stay while nothing but renewals goes on.
        let settled = Instant::now();
        loop {
            let found = all[0].engine().list(None).await.map(|seen| seen.slots.len());
            if found == Ok(hosts * sessions) {
                break;
            }
            assert!(settled.elapsed() < Duration::from_secs(60), "{found:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_secs(amount(2, 60) as u64)).await;
        let lost: u64 = all.iter().map(|member| member.counters().leases_lost).sum();
        let (memory, disk) = members.size();
        println!(
            "a member of etcd: {:.0} MB before, {memory:.0} MB with {} sessions; database {disk:.1} MB; {lost} leases lost",
            empty,
            hosts * sessions
        );
    });
}

impl Members {
    /// Resident memory before there is anything, in MB.
    fn size_when_there(&self) -> f64 {
        let database = self.directory.path().join("e0/member/snap/db");
        eventually("etcd", Duration::from_secs(60), || database.exists());
        std::thread::sleep(Duration::from_secs(2));
        self.size().0
    }
}
