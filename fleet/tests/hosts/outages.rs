//! Hosts that are cut off, lose their power, or come back with sessions still open.

use std::time::{Duration, Instant};

use testkit::code;

use crate::cluster::MEMBERS;
use crate::fleet::{Fleet, LEASE};
use crate::{alone, eventually};

/// A login never waits longer for the agent; the rest is the login itself.
const AT_MOST: Duration = Duration::from_millis(900);

#[test]
fn a_host_that_is_cut_off_decides_alone_and_its_sessions_are_taken_back_in() {
    let _alone = alone();
    let fleet = Fleet::new(2, "");
    let _one = fleet.hosts[0].login();
    let _two = fleet.hosts[1].login();
    fleet.cut_off(0, true);
    // This host counts one session of its own: one more, and no more.
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    let _three = fleet.hosts[0].login();
    slowest = slowest.max(began.elapsed());
    for _ in 0..8 {
        let began = Instant::now();
        fleet.hosts[0].refused();
        slowest = slowest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(300));
    }
    println!("cut off, a login took {slowest:?} at most");
    assert!(slowest < AT_MOST);
    // Its slots are free for others when its lease is over.
    let mut lease_over = fleet.hosts[2].host.login("login", "alice");
    eventually("its slot is free for others", Duration::from_secs(u64::from(LEASE) + 4), || {
        let mut login = fleet.hosts[2].host.login("login", "alice");
        std::mem::swap(&mut login, &mut lease_over);
        lease_over.log_in() == code::SUCCESS
    });
    fleet.cut_off(0, false);
    // It comes back: its two sessions count, above the limit, and that is said.
    eventually("they are counted again", Duration::from_secs(15), || {
        fleet.hosts[1].ask("1 check 4001 2") == ["1 refused web1=1 web0=2 web2=1"]
    });
    eventually("it is said", Duration::from_secs(5), || {
        fleet.hosts[0].said().contains("user alice holds more sessions than the limit allows")
    });
    let said = fleet.hosts[0].said();
    for expected in [
        "the engine cannot be asked",
        "the engine answers again",
        "the lease of this host has expired",
        "4 of 2 over the fleet (web0 2, web1 1, web2 1)",
    ] {
        assert_eq!(said.matches(expected).count(), 1, "{expected}: {said}");
    }
    fleet.hosts[3].refused();
}

#[test]
fn with_the_policy_to_refuse_a_host_that_is_cut_off_lets_no_one_in() {
    let _alone = alone();
    let mut fleet = Fleet::new(2, "on_engine_down = \"refuse\"");
    let session = fleet.hosts[0].login();
    fleet.cut_off(0, true);
    for _ in 0..3 {
        let began = Instant::now();
        assert!(fleet.hosts[0].refused().starts_with("Sessions cannot be counted"));
        assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    }
    // A user without a limit is not asked for.
    fleet.hosts[0].host.configure(
        &(std::fs::read_to_string(fleet.hosts[0].host.config()).unwrap()
            + "[[useraccountprofile]]\nname = \"Free\"\n[[user]]\nusername = \"bob\"\nuser_profile = \"Free\"\n"),
    );
    let _bob = fleet.hosts[0].host.logged_in("login", "bob");
    fleet.cut_off(0, false);
    eventually("logins are let in again", Duration::from_secs(10), || {
        fleet.hosts[0].host.login("login", "alice").log_in() == code::SUCCESS
    });
    // Neither does one without an agent, nor one whose agent stands still.
    let pid = fleet.hosts[1].agent_pid().to_string();
    let signal = |signal: &str| {
        assert!(
            std::process::Command::new("kill")
                .args([signal, pid.as_str()])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    let began = Instant::now();
    fleet.hosts[1].refused();
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    signal("-CONT");
    fleet.hosts[1].kill_agent();
    let began = Instant::now();
    fleet.hosts[1].refused();
    assert!(began.elapsed() < AT_MOST, "{:?}", began.elapsed());
    drop(session);
}

#[test]
fn the_slots_of_a_host_without_power_are_free_within_its_lease() {
    let _alone = alone();
    let mut fleet = Fleet::new(1, "");
    let mut session = fleet.hosts[0].login();
    fleet.hosts[1].refused();
    // Right after a renewal: the longest that it can take.
    eventually("a renewal", Duration::from_secs(8), || {
        fleet.hosts[1]
            .ask("1 hosts")
            .iter()
            .any(|line| line.contains("\"host\":\"web0\"") && line.contains("\"renewed\":0"))
    });
    fleet.cut_off(0, true);
    fleet.hosts[0].kill_agent();
    session.kill();
    let took = eventually("the slot is free", Duration::from_secs(u64::from(LEASE) + 5), || {
        fleet.hosts[1].host.login("login", "alice").log_in() == code::SUCCESS
    });
    println!("free {took:?} after the power was off");
    assert!(took < Duration::from_millis(u64::from(LEASE) * 1000 + 1000), "{took:?}");
}

#[test]
fn without_a_majority_hosts_decide_alone_and_agree_again_later() {
    let _alone = alone();
    let mut fleet = Fleet::new(1, "");
    for member in 0..2 {
        fleet.cluster.kill(member);
    }
    std::thread::sleep(Duration::from_secs(3));
    let sessions: Vec<_> = fleet.hosts.iter().map(crate::fleet::FleetHost::login).collect();
    fleet.hosts.iter().for_each(|host| drop(host.refused()));
    for member in 0..MEMBERS - 1 {
        fleet.cluster.start_member(&fleet.lab, member);
    }
    fleet.cluster.settled(&fleet.lab);
    eventually("all four are counted", Duration::from_secs(20), || {
        fleet.hosts[0].ask("1 check 4001 1") == ["1 refused web0=1 web1=1 web2=1 web3=1"]
    });
    drop(sessions);
    fleet.quiet();
}
