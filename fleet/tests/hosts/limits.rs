//! One limit over four hosts.

use std::time::{Duration, Instant};

use testkit::{Stack, code};

use crate::fleet::Fleet;
use crate::{alone, eventually};

const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\n\
                       Please clear the sessions using shell --clear-sessions";

#[test]
fn a_limit_of_two_is_two_over_all_hosts() {
    let _alone = alone();
    let mut fleet = Fleet::new(2, "");
    let mut first = fleet.hosts[0].login();
    let second = fleet.hosts[1].login();
    for host in &fleet.hosts {
        assert_eq!(host.refused(), WARNING);
    }
    assert!(fleet.hosts[3].ask("1 sessions").iter().any(|line| line.contains("\"host\":\"web1\"")));
    let answer = fleet.hosts[2].ask("1 check 4001 2");
    assert_eq!(answer, ["1 refused web2=0 web0=1 web1=1"]);

    // A session that closes frees its slot at once.
    assert_eq!(first.close(), 0);
    // Long before the lease would end.
    eventually("the slot is free", Duration::from_secs(1), || {
        fleet.hosts[2].ask("1 check 4001 2") == ["1 granted 1"]
    });
    let third = fleet.hosts[2].login();

    // So does one that is killed, within a second or two, and at once for logins of its own host.
    drop(second);
    let _second = fleet.hosts[1].login();
    drop(third);
    let took = eventually("the slot of a killed session", Duration::from_secs(3), || {
        fleet.hosts[3].host.login("login", "alice").log_in() == code::SUCCESS
    });
    println!("a killed session's slot was free for other hosts after {took:?}");

    // What an agent knows survives its death: it goes on with its lease.
    fleet.hosts[1].kill_agent();
    fleet.start_agent(1);
    eventually("the killed session of web3 is forgotten", Duration::from_secs(3), || {
        fleet.hosts[0].ask("1 check 4001 2") == ["1 granted 1"]
    });
    let _last = fleet.hosts[0].login();
    assert_eq!(fleet.hosts[3].refused(), WARNING);
    fleet.hosts[1].joined();
    assert_eq!(fleet.hosts[1].refused(), WARNING);
}

#[test]
fn the_user_is_told_what_the_policy_allows_and_other_users_are_not_in_the_way() {
    let _alone = alone();
    let fleet = Fleet::new(2, "[policy]\ntell = \"sessions\"");
    let _sessions = (fleet.hosts[0].login(), fleet.hosts[0].login());
    assert_eq!(fleet.hosts[1].refused(), format!("{WARNING}\n2 sessions on web0"));
    let _bob = fleet.hosts[0].host.logged_in("login", "bob");
    // Without a limit no login waits for the agent, and the session is known to the fleet all the same.
    fleet.configure(2, 0, "");
    let began = Instant::now();
    let _carol = fleet.hosts[2].host.logged_in("login", "carol");
    println!("a login without a limit took {:?}", began.elapsed());
    eventually("carol's session is listed", Duration::from_secs(3), || {
        fleet.hosts[3].ask("1 sessions 4003").len() == 2
    });
}

#[test]
fn with_ask_a_user_chooses_to_end_all_sessions_of_all_hosts_or_none() {
    let _alone = alone();
    let fleet = Fleet::new(2, "[policy]\non_limit = \"ask\"");
    let host = &fleet.hosts[1].host;
    for stack in [Stack::both(), Stack::session_only()] {
        host.stack("login", &stack.control("required"));
        let mut far = fleet.hosts[0].login();
        let mut near = fleet.hosts[1].login();
        let mut third = host.login("login", "alice");
        third.will_answer("1").will_answer("#1").will_answer("");
        assert_eq!(third.log_in(), code::PERM_DENIED);
        assert!(!far.has_ended() && !near.has_ended());

        let mut third = host.login("login", "alice");
        third.will_answer("a");
        let code = third.log_in();
        assert_eq!(code, code::SUCCESS, "{:?}", third.said());
        for session in [&mut far, &mut near] {
            eventually("the session has ended", Duration::from_secs(1), || session.has_ended());
        }
        eventually("only the new one is left", Duration::from_secs(3), || {
            fleet.hosts[2].ask("1 check 4001 2") == ["1 granted 1"]
        });
        assert_eq!(third.close(), 0);
        eventually("the slot is free", Duration::from_secs(1), || {
            fleet.hosts[2].ask("1 check 4001 2") == ["1 granted 0"]
        });
    }
    // What the account phase asks, with the sessions of this host by line and those of others by number.
    host.stack("login", &Stack::both().control("required"));
    let _held = (fleet.hosts[0].login(), fleet.hosts[0].login());
    let mut asking = host.login("login", "alice");
    asking.will_answer("");
    assert_eq!(asking.acct(), code::PERM_DENIED);
    let texts: Vec<&str> = asking.said().iter().map(|(_, text)| text.as_str()).collect();
    let question = "WARNING: Maximum concurrent session count has been reached.\n2 sessions on web0\n\
                    Your sessions on all hosts must end (a = all, Enter = none): ";
    assert_eq!(texts, [question, WARNING]);
}

/// Of three logins at once on the second host so many get in.
fn herd_of_three(fleet: &Fleet, phases: &str, admitted: usize) {
    let stack = if phases == "open" { Stack::session_only() } else { Stack::both() };
    fleet.hosts[1].host.stack("login", &stack.control("required"));
    let mut caller = fleet.hosts[1].host.application();
    caller.tell(&format!("herd 6c6f67696e 616c696365 3 {phases}"));
    let is_in = |&&(acct, open): &&(i32, i32)| (acct, open) == (0, 0);
    assert_eq!(
        caller.results().iter().filter(is_in).count(),
        admitted,
        "{phases}: {:?}",
        caller.results()
    );
}

#[test]
fn the_session_line_alone_and_the_child_of_sshd_ask_as_well() {
    let _alone = alone();
    let fleet = Fleet::new(1, "");
    fleet.hosts[0].host.stack("login", &Stack::session_only().control("required"));
    let session = fleet.hosts[0].login();
    for phases in ["both", "open", "split"] {
        herd_of_three(&fleet, phases, 0);
    }
    drop(session);
    fleet.quiet();
    for phases in ["both", "open", "split"] {
        // What the last one has closed is free in a moment.
        fleet.quiet();
        herd_of_three(&fleet, phases, 1);
    }
}
