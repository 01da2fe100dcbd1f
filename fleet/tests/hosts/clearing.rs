//! Clearing over all hosts.

use std::time::{Duration, Instant};

use testkit::{Stack, code};

use crate::fleet::{Fleet, HOSTS};
use crate::{alone, eventually};

#[test]
fn a_login_that_clears_ends_the_sessions_of_all_hosts() {
    let _alone = alone();
    let mut fleet = Fleet::new(3, "");
    fleet.hosts[3].host.stack("login", &Stack::both().control("required").with("clear_sessions"));
    let mut sessions: Vec<_> =
        fleet.hosts[..3].iter().map(crate::fleet::FleetHost::login).collect();
    let began = Instant::now();
    let clearing = fleet.hosts[3].login();
    println!("cleared three hosts in {:?}", began.elapsed());
    for session in &mut sessions {
        eventually("the session has ended", Duration::from_secs(1), || session.has_ended());
    }
    assert_eq!(fleet.hosts[0].ask("1 check 4001 3"), ["1 granted 1"]);
    drop(clearing);
    fleet.quiet();

    // A host that does not answer is named, and the others are waited for no longer than the deadline.
    let _first = fleet.hosts[0].login();
    let mut second = fleet.hosts[1].login();
    fleet.hosts[0].kill_agent();
    let began = Instant::now();
    let answers = fleet.hosts[3].ask("1 clear 4001 all root");
    println!("one silent host: {:?}, {answers:?}", began.elapsed());
    assert_eq!(answers, ["1 host web1 1 0 0 0 0", "1 silent web0", "1 end"]);
    assert!(began.elapsed() < Duration::from_secs(8));
    eventually("the session has ended", Duration::from_secs(1), || second.has_ended());
}

#[test]
fn one_session_of_any_host_is_ended_and_no_other() {
    let _alone = alone();
    let fleet = Fleet::new(3, "");
    let mut first = fleet.hosts[0].login();
    let mut second = fleet.hosts[0].login();
    let own = fleet.hosts[3].login();
    let sessions = fleet.hosts[3].ask("1 sessions 4001");
    let of_web0: Vec<serde_json::Value> = sessions
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|session: &serde_json::Value| session["host"] == "web0")
        .collect();
    assert_eq!(of_web0.len(), 2, "{sessions:?}");
    let clear = |id: &serde_json::Value| {
        fleet.hosts[3].ask(&format!("1 clear 4001 web0:{id} root with `shell`"))
    };
    let id = &of_web0[0]["id"];
    assert_eq!(clear(id), ["1 host web0 1 0 0 0 0", "1 end"]);
    eventually("the session has ended", Duration::from_secs(1), || first.has_ended());
    assert!(!second.has_ended());
    assert_eq!(clear(id), ["1 end"], "it is over");
    assert_eq!(fleet.hosts[1].ask("1 check 4001 3"), ["1 granted 2"]);
    drop((own, second));
    fleet.quiet();
}

#[test]
fn the_oldest_session_of_all_hosts_makes_room() {
    let _alone = alone();
    let fleet = Fleet::new(2, "[policy]\non_limit = \"evict-oldest\"");
    let mut oldest = fleet.hosts[0].login();
    let mut younger = fleet.hosts[1].login();
    let _new = fleet.hosts[2].login();
    eventually("the oldest has ended", Duration::from_secs(1), || oldest.has_ended());
    assert!(!younger.has_ended());
    // Also where it is on the same host: two more logins there end the others in turn.
    let _newer = fleet.hosts[2].login();
    eventually("the next has ended", Duration::from_secs(1), || younger.has_ended());
    assert_eq!(fleet.hosts[HOSTS - 1].ask("1 check 4001 2"), ["1 refused web3=0 web2=2"]);
    assert_eq!(fleet.hosts[3].host.login("login", "alice").log_in(), code::SUCCESS);
}
