//! Whose rights a command has, and what works while the configuration does not.

use std::process::{Output, Stdio};

use crate::world::{SHELL, World};

const LIMIT: &str = "[[useraccountprofile]]\nname = \"C\"\nmax_concurrent_sessions = 2\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs `shell` as a program such as sudo starts it.
fn started_for(world: &World, variable: &str, value: &str, arguments: &[&str]) -> Output {
    let program = [&[SHELL], arguments].concat();
    world.command(&program).env(variable, value).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_command_by_sudo_has_the_rights_of_the_invoking_user() {
    let Some(world) = World::new() else { return };
    world.configure(LIMIT);
    let mut alice = world.logged_in("alice");
    let _bob = world.logged_in("bob");
    // alice is 3001, admin (of group sudo) 3000.
    for (variable, value) in [("SUDO_UID", "3001"), ("PKEXEC_UID", "3001"), ("DOAS_USER", "alice")]
    {
        let run = |arguments: &[&str]| started_for(&world, variable, value, arguments);
        let output = run(&["configure", "user", "alice", "user_profile_ref", "C"]);
        assert_eq!(output.status.code(), Some(6), "{variable}");
        assert_eq!(
            text(&output.stderr),
            "shell: only root and the members of admin_groups may change the configuration\n"
        );
        let own = text(&run(&["show", "session"]).stdout);
        assert!(own.contains("| alice ") && !own.contains("| bob "), "{variable}: {own}");
        assert_eq!(run(&["clear", "sessions", "bob"]).status.code(), Some(6), "{variable}");
        // Files that alice may have written, or may not read, are not opened with root's rights.
        for option in ["--config", "--state", "--check-config"] {
            let output = run(&[option, "/etc/shadow"]);
            assert_eq!(output.status.code(), Some(6), "{option}");
            let said = "shell: only root may name --config, --state or a file to check\n";
            assert_eq!(text(&output.stderr), said, "{option}");
        }
        assert_eq!(run(&["--check-config"]).status.code(), Some(0));
    }
    let admin = |arguments: &[&str]| started_for(&world, "SUDO_UID", "3000", arguments);
    let configured = admin(&["configure", "user", "alice", "user_profile_ref", "C"]);
    assert_eq!(configured.status.code(), Some(0), "{}", text(&configured.stderr));
    let own = started_for(&world, "SUDO_UID", "3001", &["clear", "sessions"]);
    assert_eq!(text(&own.stdout), "1 session ended.\n");
    assert!(alice.command("alice", "show user | grep uid").contains("3001"));
}

#[test]
fn a_caller_that_cannot_be_found_out_is_not_root() {
    let Some(world) = World::new() else { return };
    world.configure(LIMIT);
    for value in ["", "x", "-1", "4000000000"] {
        let output = started_for(&world, "SUDO_UID", value, &["show", "session"]);
        assert_eq!(output.status.code(), Some(6), "{value:?}");
        assert!(text(&output.stderr).starts_with("shell: SUDO_UID is `"), "{value:?}");
    }
    let root = started_for(&world, "SUDO_UID", "0", &["show", "session"]);
    assert_eq!(root.status.code(), Some(0));
}

#[test]
fn sessions_are_seen_and_cleared_while_the_configuration_is_refused() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut alice = world.logged_in("alice");
    world.configure("[policy]\non_limit = \"never\"\n");
    let warning = "shell: warning: /etc/session-limit/config.toml:2:12: on_limit \"never\", \
                   expected \"reject\" or \"ask\" or \"evict-oldest\" or \"log\"\n";
    for arguments in
        [&["show", "session"][..], &["show", "user", "alice"], &["show", "useractivity"]]
    {
        let output = world.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("alice"), "{arguments:?}");
        assert_eq!(text(&output.stderr), warning, "{arguments:?}");
    }
    let output = world.run(&["--json", "show", "session"]);
    assert_eq!(text(&output.stderr), "");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["results"][0]["user"], "alice");
    assert!(answer["warnings"][0].as_str().unwrap().contains("on_limit"));
    // Who is an administrator is not known: only root is.
    let admin = started_for(&world, "SUDO_UID", "3000", &["clear", "sessions", "alice"]);
    assert_eq!(admin.status.code(), Some(6));
    let output = world.run(&["clear", "sessions", "alice"]);
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), warning));
    assert_eq!(text(&output.stdout), "1 session ended.\n");
    // What changes the configuration says what is wrong, and changes nothing.
    assert_eq!(world.run(&["delete", "user", "alice"]).status.code(), Some(7));
    assert!(alice.is_alive());
}

#[test]
fn a_name_that_the_host_does_not_know_is_marked() {
    let Some(world) = World::new() else { return };
    world.configure(LIMIT);
    let output = world.run(&["configure", "group", "opps", "user_profile_ref", "C"]);
    assert_eq!(output.status.code(), Some(0));
    let warning = "group `opps` is not known to this host; the entry applies once it is";
    assert_eq!(text(&output.stderr), format!("shell: warning: {warning}\n"));
    world.ok(&["configure", "group", "ops", "user_profile_ref", "C"]);
    let groups = world.results(&["show", "group"]);
    let known: Vec<_> = groups.iter().map(|row| (&row["name"], &row["known"])).collect();
    assert_eq!(
        format!("{known:?}"),
        "[(String(\"opps\"), Bool(false)), (String(\"ops\"), Bool(true))]"
    );
    let output = world.run(&["configure", "user", "alcie", "user_profile_ref", "C"]);
    assert!(text(&output.stderr).contains("user `alcie` is not known to this host"));
}
