//! The refused logins, as `show refusal` and `check` tell them.

use crate::world::{PASSWORD, World};

const LIMIT: &str = "[[useraccountprofile]]\nname = \"C\"\nmax_concurrent_sessions = 1\n\
                     [[user]]\nusername = \"alice\"\nuser_profile = \"C\"\n";

fn refused(world: &World, user: &str) {
    let mut login = world.pty(&[]);
    login.log_in(user, PASSWORD);
    login.wait_for_code(3);
}

#[test]
fn administrators_see_all_refusals_and_users_their_own() {
    let Some(world) = World::new() else { return };
    world.configure(&LIMIT.replace("alice", "bob").replace('C', "B"));
    assert_eq!(world.results(&["show", "refusal"]).len(), 0, "there is no file yet");
    let _bob = world.logged_in("bob");
    refused(&world, "bob");
    world.configure(LIMIT);
    let mut alice = world.logged_in("alice");
    refused(&world, "alice");

    let rows = world.results(&["show", "refusal"]);
    let users: Vec<_> = rows.iter().map(|row| row["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["alice", "bob"], "the last one first");
    let tty = rows[0]["tty"].as_str().unwrap().to_owned();
    assert!(tty.starts_with("/dev/pts/") || tty.starts_with("pts/"), "{tty}");
    assert_eq!((&rows[0]["limit"], &rows[0]["held"]), (&1.into(), &1.into()));
    let held_by = rows[0]["held_by"].as_str().unwrap();
    assert!(held_by.starts_with("1 shell on pts/"), "{held_by}");
    assert!(rows[0].get("admitted").is_none(), "{rows:?}");
    let table = world.ok(&["show", "refusal", "alice"]);
    assert!(table.contains("| alice | shell ") && table.contains(" refused "), "{table}");
    assert!(!table.contains("bob"), "{table}");

    let own = alice.command("alice", "show refusal");
    assert!(own.contains("| alice | shell ") && !own.contains("bob"), "{own}");
    let others = alice.command("alice", "show refusal bob");
    assert!(others.contains("only root and the members of admin_groups"), "{others}");
}

#[test]
fn check_counts_the_recorded_refusals_that_a_limit_would_refuse_too() {
    let Some(world) = World::new() else { return };
    world.configure(LIMIT);
    let _alice = world.logged_in("alice");
    refused(&world, "alice");
    refused(&world, "alice");
    let check =
        |n: &str| world.ok(&["check", "useraccountprofile", "C", "max_concurrent_sessions", n]);
    assert_eq!(
        check("1"),
        "\
+-------+----------+----------+-----------------+
| user  | sessions | above_by | recent_refusals |
+-------+----------+----------+-----------------+
| alice | 1        | 0        | 2               |
+-------+----------+----------+-----------------+
recent_refusals: logins of the last 7 days that the limit would have refused, at least; known are recorded \
refusals, for there is no history.
"
    );
    assert!(check("2").starts_with("No user of C holds more than 2 sessions now.\nNo login of "));
}

#[test]
fn a_damaged_file_of_refusals_is_named_and_all_else_works() {
    let Some(world) = World::new() else { return };
    world.configure(LIMIT);
    let _alice = world.logged_in("alice");
    refused(&world, "alice");
    let file = world.path("run/session-limit/refusals.db");
    std::fs::write(&file, "rubbish, and more of it than a header takes".repeat(9)).unwrap();
    let output = world.run(&["show", "refusal"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("/run/session-limit/refusals.db: file is not a database"), "{error}");
    assert_eq!(world.results(&["show", "session"]).len(), 1);
    refused(&world, "alice");
    assert_eq!(world.results(&["show", "refusal"]).len(), 1, "begun again");
}
