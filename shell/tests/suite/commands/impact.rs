//! Whom a limit would refuse, before and when it is saved.

use std::process::Output;

use crate::world::World;

const PROFILE: &str = "[[useraccountprofile]]\nname = \"C\"\n\
                       [[user]]\nusername = \"alice\"\nuser_profile = \"C\"\n";

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn check_names_the_users_above_a_limit_and_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.configure(PROFILE);
    let _alice = [world.logged_in("alice"), world.logged_in("alice"), world.logged_in("alice")];
    let _bob = [world.logged_in("bob"), world.logged_in("bob")];
    let before = world.configuration();
    let check =
        |n: &str| world.ok(&["check", "useraccountprofile", "C", "max_concurrent_sessions", n]);
    assert_eq!(
        check("1"),
        "\
+-------+----------+----------+-----------------+
| user  | sessions | above_by | recent_refusals |
+-------+----------+----------+-----------------+
| alice | 3        | 2        | 0               |
+-------+----------+----------+-----------------+
recent_refusals: logins of the last 7 days that the limit would have refused, at least; known are recorded \
refusals, for there is no history.
"
    );
    assert_eq!(
        check("3"),
        "No user of C holds more than 3 sessions now.\n\
         No login of the last 7 days is known that the limit would have refused; known are recorded refusals, \
         for there is no history.\n"
    );
    assert_eq!(check("0"), "0 is no limit: no user of C would be refused.\n");
    let words = ["check", "useraccountprofile", "C", "max_concurrent_sessions", "2"];
    let rows = world.results(&words);
    assert_eq!(
        rows,
        [serde_json::json!({
            "user": "alice", "uid": 3001, "limit": 2, "sessions": 3, "above_by": 1, "recent_refusals": 0
        })]
    );
    assert_eq!(world.configuration(), before);
    let unknown = world.run(&["check", "useraccountprofile", "D", "max_concurrent_sessions", "2"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", stderr(&unknown));
    let bad = world.run(&["check", "useraccountprofile", "C", "max_concurrent_sessions", "-2"]);
    assert!(stderr(&bad).contains("expected a whole number from 0"), "{}", stderr(&bad));
    for words in [&["account_lock_timeout", "3"][..], &["max_concurrent_sessions"], &[]] {
        let other = world.run(&[&["check", "useraccountprofile", "C"], words].concat());
        assert_eq!(other.status.code(), Some(2), "{words:?}");
        let expected = "expected max_concurrent_sessions NUMBER after the profile";
        assert!(stderr(&other).contains(expected), "{words:?}: {}", stderr(&other));
    }
}

#[test]
fn saving_a_limit_that_users_are_above_says_so() {
    let Some(world) = World::new() else { return };
    world.configure(PROFILE);
    let _alice = [world.logged_in("alice"), world.logged_in("alice")];
    let warning = "shell: warning: user `alice` holds 2 sessions, 1 above the limit of 1; they go on, and \
                   further logins are beyond the limit\n";
    let configure = |words: &[&str]| stderr(&world.run(&[&["configure"], words].concat()));
    let profile = |limit| ["useraccountprofile", "C", "max_concurrent_sessions", limit];
    assert_eq!(configure(&profile("2")), "");
    assert_eq!(configure(&profile("1")), warning);
    let other = ["useraccountprofile", "C", "account_lock_timeout", "31"];
    assert!(!configure(&other).contains("above"), "not changed by that");
    assert_eq!(configure(&["user", "alice", "user_profile_ref", "C"]), warning);
    assert_eq!(configure(&["user", "bob", "user_profile_ref", "C"]), "");
}

#[test]
fn only_administrators_may_check() {
    let Some(world) = World::new() else { return };
    world.configure(PROFILE);
    let mut alice = world.logged_in("alice");
    let said = alice.command("alice", "check useraccountprofile C max_concurrent_sessions 1");
    assert!(said.contains("only root and the members of admin_groups"), "{said}");
}
