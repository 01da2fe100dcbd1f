//! What `shell` says of a user on a host of a fleet, whose agent is played.

use std::os::unix::fs::DirBuilderExt;

use serde_json::{Value, json};

use crate::world::World;

const FLEET: &str = "\
[[useraccountprofile]]
name = \"Default-User-Account-Profile\"
max_concurrent_sessions = 2
[fleet]
endpoints = [\"http://127.0.0.1:2379\"]
host = \"web1\"
";

/// The line of a session of alice.
fn session(host: &str) -> String {
    let object = json!({
        "host": host, "id": 1, "uid": 3001, "user": "alice", "service": "sshd", "tty": null,
        "rhost": null, "since": 1,
    });
    format!("{object}\n")
}

/// Answers as the agent of a host does: `check` says whether there is a slot, and alice has a session on web2.
fn play_agent(world: &World, check: &'static str) {
    let directory = world.path("run/session-limit");
    if !directory.exists() {
        std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
    }
    testkit::play_agent(&directory.join("fleet.sock"), move |words| match words {
        [_, "check" | "take", ..] => check.to_owned(),
        [_, "clear", "3001", "web2:1", ..] => "1 host web2 1 0 0 0 0\n1 end\n".to_owned(),
        [_, "sessions", ..] => format!("{}{}1 end\n", session("web1"), session("web2")),
        _ => String::new(),
    });
}

fn explained(world: &World, policy: &str) -> Value {
    world.configure(&format!("{FLEET}{policy}"));
    world.results(&["explain", "alice", "shell"]).remove(0)
}

#[test]
fn explain_asks_the_fleet_where_the_host_alone_would_let_the_login_in() {
    let Some(world) = World::with_installed_module() else { return };
    let says = |policy: &str, next_login: &str, reason: &str| {
        let found = explained(&world, policy);
        let seen = (found["next_login"].as_str().unwrap(), found["reason"].as_str().unwrap());
        assert_eq!(seen, (next_login, reason), "{policy}");
        found["notes"].to_string()
    };
    let alone = says("", "admitted", "0 of 2 slots are in use");
    assert!(alone.contains("only the sessions of this host count"), "{alone}");
    assert!(alone.contains("session-limit-agent is not running"), "{alone}");
    let down = "the fleet cannot be asked, and on_engine_down is refuse: session-limit-agent is not running";
    says("on_engine_down = \"refuse\"\n", "refused", down);

    play_agent(&world, "1 granted 1\n");
    let notes = says("", "admitted", "1 of 2 slots are in use over the fleet");
    assert!(!notes.contains("fleet"), "{notes}");

    play_agent(&world, "1 refused web2=1 web3=1\n");
    let held = "2 of 2 slots are in use over the fleet: 1 on web2, 1 on web3";
    says("", "refused", held);
    let reason = "and on_limit is ask: refused unless the user ends all of them";
    says("[policy]\non_limit = \"ask\"\n", "asked", &format!("{held}, {reason}"));
    let reason = "and on_limit is evict-oldest: the oldest sessions that can be ended make room";
    says("[policy]\non_limit = \"evict-oldest\"\n", "admitted", &format!("{held}, {reason}"));
    let reason = "and on_limit is log: let in, and logged as one that would be refused";
    says("[policy]\non_limit = \"log\"\n", "admitted", &format!("{held}, {reason}"));
}

#[test]
fn what_a_user_holds_is_counted_and_ended_on_all_hosts() {
    let Some(world) = World::new() else { return };
    world.configure(FLEET);
    let shown = world.run(&["show", "user", "alice"]);
    assert!(shown.status.success(), "{shown:?}");
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(
        said.contains(
            "sessions on other hosts are not counted: fleet: session-limit-agent is not running"
        ),
        "{said}"
    );
    play_agent(&world, "1 granted 1\n");
    let cleared = world.results(&["clear", "session", "web2:1"]).remove(0);
    assert_eq!(cleared["ended"], 1, "{cleared}");
    for (session, says) in
        [("web2:2", "session web2:2: there is none"), ("web1:2", "session 2: there is none")]
    {
        let output = world.run(&["clear", "session", session]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(says), "{output:?}");
    }
    let user = world.results(&["show", "user", "alice"]).remove(0);
    assert_eq!(user["concurrent_sessions"], 1, "the one of web1 would be in the store: {user}");
    let _here = world.logged_in("alice");
    let activity = world.results(&["show", "useractivity", "alice"]).remove(0);
    assert_eq!(activity["concurrent_sessions"], 2, "{activity}");
    let all = world.results(&["show", "useractivity"]);
    assert!(all.contains(&activity), "{all:?}");
    let check = [
        "check",
        "useraccountprofile",
        "Default-User-Account-Profile",
        "max_concurrent_sessions",
        "1",
    ];
    let above = world.results(&check).remove(0);
    assert_eq!((&above["user"], &above["sessions"]), (&json!("alice"), &json!(2)), "{above}");
}
