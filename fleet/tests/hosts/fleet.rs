//! Hosts with an agent each: scratch hosts of the test kit, whose agents are nodes of the lab.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use testkit::{FAIL_CLOSED, Host, Login, Stack, code, default_limit, example, module};

use crate::cluster::{Cluster, MEMBERS};
use crate::eventually;
use crate::lab::Lab;

pub const HOSTS: usize = 4;
/// Seconds after which the slots of a host that is gone are free.
pub const LEASE: u32 = 10;

/// One host.
pub struct FleetHost {
    pub host: Host,
    number: usize,
    agent: Option<Child>,
}

/// etcd, and hosts that count over it.
pub struct Fleet {
    pub hosts: Vec<FleetHost>,
    pub cluster: Cluster,
    pub lab: Lab,
    _directory: tempfile::TempDir,
}

impl Fleet {
    /// A fleet whose users have a limit; `more` are further lines of `[fleet]`.
    pub fn new(limit: u32, more: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("fleet-").tempdir_in("/dev/shm").unwrap();
        let lab = Lab::new(MEMBERS + HOSTS);
        let cluster = Cluster::start(&lab, directory.path());
        let hosts = (0..HOSTS)
            .map(|number| {
                let host = Host::new(example("pam_actor"), module());
                // An error of the module must not pass for an admission.
                host.stack("login", &Stack::both().control(FAIL_CLOSED));
                FleetHost { host, number, agent: None }
            })
            .collect();
        let mut fleet = Self { hosts, cluster, lab, _directory: directory };
        for number in 0..HOSTS {
            fleet.configure(number, limit, more);
            fleet.start_agent(number);
        }
        for number in 0..HOSTS {
            fleet.hosts[number].joined();
        }
        fleet
    }

    pub fn configure(&self, number: usize, limit: u32, more: &str) {
        let endpoints: Vec<String> = (0..MEMBERS)
            .map(|member| format!("\"https://{}:2379\"", Lab::address(member)))
            .collect();
        let path = |name: &str| self.cluster.authority.path(name).display().to_string();
        self.hosts[number].host.configure(&format!(
            "{}[fleet]\nendpoints = [{}]\nhost = \"web{number}\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
             {more}\n",
            default_limit(limit),
            endpoints.join(", "),
            path("ca.pem"),
            path("agent.pem"),
            path("agent.key"),
        ));
    }

    pub fn start_agent(&mut self, number: usize) {
        let program = testkit::program("session-limit-agent", "session-limit-agent");
        let host = &mut self.hosts[number];
        let log = fs::OpenOptions::new().create(true).append(true).open(host.log()).unwrap();
        // It asks for names of users, as the module does in its application.
        let etc = host.host.path("etc");
        let script = "mount --bind $1/passwd /etc/passwd; mount --bind $1/group /etc/group; \
                      mount --bind $1/nsswitch.conf /etc/nsswitch.conf; shift; exec \"$@\"";
        let child = self
            .lab
            .node(MEMBERS + number)
            .command("nice")
            // As its unit says: the logins of a storm share the processors with it.
            .args(["-n", "-10", "unshare", "--mount", "sh", "-c", script, "sh"])
            .arg(etc)
            .arg(program)
            .arg("--config")
            .arg(host.host.config())
            .arg("--state")
            .arg(host.host.state())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        host.agent = Some(child);
    }

    /// Pulls the cable of a host.
    pub fn cut_off(&self, number: usize, is_cut_off: bool) {
        self.lab.connect(MEMBERS + number, !is_cut_off);
    }

    /// Waits until no user holds a slot.
    pub fn quiet(&self) {
        eventually("all slots are free", Duration::from_secs(15), || {
            self.hosts[0].ask("1 sessions").len() == 1
        });
    }
}

impl FleetHost {
    fn log(&self) -> PathBuf {
        self.host.path("agent.log")
    }

    /// What the agent has said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    pub fn joined(&self) {
        eventually("the agent has joined", Duration::from_secs(60), || {
            self.said().contains("joined the fleet")
                && self
                    .ask("1 status")
                    .first()
                    .is_some_and(|line| line.contains("\"answers\":true"))
        });
    }

    /// Asks the agent; returns its lines.
    pub fn ask(&self, line: &str) -> Vec<String> {
        let socket = self.host.state().with_file_name("fleet.sock");
        let Ok(mut stream) = UnixStream::connect(socket) else { return Vec::new() };
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let _ = writeln!(stream, "{line}");
        BufReader::new(stream).lines().map_while(Result::ok).collect()
    }

    /// Ends the agent as a crash does.
    pub fn kill_agent(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            agent.kill().unwrap();
            agent.wait().unwrap();
        }
    }

    pub fn agent_pid(&self) -> i32 {
        self.agent.as_ref().unwrap().id().try_into().unwrap()
    }

    /// Logs alice in, and expects that to succeed.
    pub fn login(&self) -> Login {
        let mut login = self.host.login("login", "alice");
        let code = login.log_in();
        assert_eq!(
            code,
            code::SUCCESS,
            "on web{}: {:?}\n{}",
            self.number,
            login.said(),
            self.said()
        );
        login
    }

    /// Tries to log alice in, and expects a refusal; returns what she is told.
    pub fn refused(&self) -> String {
        let mut login = self.host.login("login", "alice");
        assert_eq!(login.log_in(), code::PERM_DENIED, "on web{}", self.number);
        login.said()[0].1.clone()
    }
}

impl Drop for FleetHost {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        if std::thread::panicking() {
            eprintln!("web{}: {}", self.number, self.said());
        }
    }
}
