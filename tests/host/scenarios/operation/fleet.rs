//! `session-limit-agent` as its unit starts it, beside the etcd of the release.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::scenarios::service::units;
use crate::wait::{seconds, until};

group!("fleet":
    a_login_takes_a_slot_of_the_fleet_and_gives_it_back,
    without_etcd_or_its_agent_the_host_goes_on_alone,
);

/// The table of a fleet whose etcd is on the host itself.
const FLEET: &str = "[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\nhost = \"web1\"\n";

/// `/etc/default/etcd`: addresses, for the host has no names.
const ETCD: &str = "ETCD_NAME=one
ETCD_INITIAL_CLUSTER=one=http://127.0.0.1:2380
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://127.0.0.1:2380
ETCD_LISTEN_PEER_URLS=http://127.0.0.1:2380
ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=http://127.0.0.1:2379
";

fn start_etcd(host: &Host) {
    host.write("/etc/default/etcd", ETCD);
    let started = host.run("systemctl daemon-reload && systemctl restart etcd");
    assert_eq!(started.status, 0, "{}", host.run("journalctl -n 20 -u etcd").stdout);
    until("etcd answers", seconds(30), || etcdctl(host, "endpoint health").0 == 0);
}

/// Starts etcd and the agent; alice may have two sessions.
fn start(host: &Host, policy: &str) {
    host.rules(Rules::default().user("alice", 2).policy(&format!("\n{FLEET}{policy}")));
    start_etcd(host);
    host.run("systemctl restart session-limit-agent").ok();
    assert_eq!(host.ok("systemctl is-active session-limit-agent"), "active");
}

fn stop(host: &Host) {
    host.ok("systemctl stop session-limit-agent etcd; rm -rf /var/lib/etcd/*");
}

fn etcdctl(host: &Host, words: &str) -> (i32, String) {
    let ended = host.run(&format!("ETCDCTL_API=3 timeout 5 etcdctl {words}"));
    (ended.status, ended.stdout)
}

/// How many slots alice has in etcd.
fn slots(host: &Host) -> usize {
    let uid = host.ok("id -u alice");
    let prefix = format!("/session-limit/u/{uid}/");
    let (status, keys) = etcdctl(host, &format!("get --prefix --keys-only {prefix}"));
    assert_eq!(status, 0, "etcd does not answer");
    keys.lines().filter(|line| line.starts_with(&prefix)).count()
}

fn a_login_takes_a_slot_of_the_fleet_and_gives_it_back(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 2).policy(&format!("\n{FLEET}")));
    start_etcd(host);
    let tried = host.ok("shell --check-config --engine");
    assert!(tried.contains("etcd answers: 0 hosts, 0 sessions"), "{tried}");
    // One that was open before the host joined counts.
    let first = host.ssh("alice").log_in();
    host.run("systemctl restart session-limit-agent").ok();
    until("the agent has taken the first one in", seconds(10), || slots(host) == 1);
    let second = host.ssh("alice").log_in();
    assert_eq!(slots(host), 2);
    let fleet = host.ok("shell show fleet");
    assert!(fleet.contains("web1 (this host)"), "{fleet}");
    let listed = host.ok("shell show session alice");
    assert_eq!(listed.matches("web1").count(), 2, "{listed}");
    // Another host is full of its sessions.
    first.log_out().ok();
    until("the slot is free", seconds(2), || slots(host) == 1);
    let uid = host.ok("id -u alice");
    let elsewhere = format!("/session-limit/u/{uid}/s/web2/1");
    let session = "{\"user\":\"alice\",\"service\":\"sshd\",\"since\":1}";
    assert_eq!(etcdctl(host, &format!("put {elsewhere} '{session}'")).0, 0);
    host.ssh("alice").is_refused();
    host.logs(&["session refused for user alice", "2 of 2", "web1 1, web2 1"]);
    let listed = host.ok("shell show session alice");
    assert!(listed.contains("web1") && listed.contains("web2"), "{listed}");
    // An agent that starts again goes on with the lease: no slot is free meanwhile.
    host.run("systemctl kill -s KILL session-limit-agent").ok();
    until("systemd has started it again", seconds(10), || host.run("shell show fleet").status == 0);
    assert_eq!(slots(host), 2);
    host.ssh("alice").is_refused();
    assert_eq!(etcdctl(host, &format!("del {elsewhere}")).0, 0);
    host.ssh("alice").is_admitted();
    second.log_out().ok();
    until("no slot is left", seconds(2), || slots(host) == 0);
    // A session whose processes are killed.
    let third = host.ssh("alice").log_in();
    assert_eq!(slots(host), 1);
    host.run("pkill -KILL -u alice; pkill -KILL -f '^sshd[a-z-]*: alice'");
    until("its slot is free", seconds(5), || slots(host) == 0);
    drop(third);
    let metrics = metrics(host);
    let version = etcdctl(host, "version").1;
    stop(host);
    let exposure = units::exposure(host, "session-limit-agent.service", 3.0);
    let version = version.lines().next().unwrap_or_default().replace("etcdctl version: ", "");
    format!("etcd {version}; {metrics}; systemd-analyze security {exposure}")
}

/// What monitoring and an administrator see through the service.
fn metrics(host: &Host) -> String {
    host.run(units::START).ok();
    let text = units::call(host, &[], "/metrics").1;
    for line in ["session_limit_fleet_up 1", "session_limit_fleet_hosts 1"] {
        assert!(text.lines().any(|written| written == line), "{line} in {text}");
    }
    let count = |result: &str| {
        let name = format!("session_limit_fleet_logins_total{{result=\"{result}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(name.as_str()));
        line.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
    };
    let figure = format!("{} granted, {} refused", count("granted"), count("refused"));
    host.run(units::STOP).ok();
    figure
}

fn without_etcd_or_its_agent_the_host_goes_on_alone(host: &mut Host) -> String {
    start(host, "");
    let first = host.ssh("alice").log_in();
    host.run("systemctl stop etcd").ok();
    let second = host.ssh("alice").log_in();
    host.logs(&["the fleet cannot be asked, only sessions of this host count"]);
    // The host's own limit holds.
    host.ssh("alice").is_refused();
    assert_eq!(host.ok("systemctl is-active session-limit-agent"), "active");
    host.run("systemctl start etcd").ok();
    until("what was let in meanwhile is in etcd", seconds(30), || {
        etcdctl(host, "endpoint health").0 == 0 && slots(host) == 2
    });
    host.run("systemctl stop session-limit-agent").ok();
    second.log_out().ok();
    host.ssh("alice").is_admitted();
    first.log_out().ok();
    stop(host);
    // No user with a limit is let in, others are.
    start(host, "on_engine_down = \"refuse\"\n");
    host.ssh("alice").is_admitted();
    host.run("systemctl stop etcd").ok();
    let refused = host.ssh("alice").run("true");
    assert_ne!(refused.status, 0, "{refused:#?}");
    host.ssh("bob").is_admitted();
    stop(host);
    "local: 2 of 2 without etcd, in etcd when it is back; refuse: out, users without a limit in"
        .to_owned()
}
