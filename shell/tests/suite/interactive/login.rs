//! Logging in, staying in, and being let in again.

use crate::world::pty::{eventually, plain, prompt};
use crate::world::{OTHER_PASSWORD, PASSWORD, WARNING, World};

fn limit(n: u32) -> String {
    format!(
        "[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\nmax_concurrent_sessions = {n}\n"
    )
}

#[test]
fn name_and_password_open_a_session_that_ends_with_the_prompt() {
    let Some(world) = World::new() else { return };
    let mut pty = world.pty(&[]);
    assert_eq!(pty.expect("Login: "), "");
    assert!(pty.echoes());
    pty.line("alice");
    assert_eq!(pty.expect("Password: "), "alice\r\n");
    assert!(!pty.echoes());
    pty.line(PASSWORD);
    pty.expect_prompt("alice");
    let sessions = world.results(&["show", "session", "alice"]);
    assert_eq!(sessions.len(), 1);
    assert_eq!((&sessions[0]["service"], &sessions[0]["state"]), (&"shell".into(), &"open".into()));
    assert!(sessions[0]["tty"].as_str().unwrap().starts_with("/dev/pts/"));
    pty.line("exit");
    pty.wait_for_code(0);
    assert!(!pty.screen().contains(PASSWORD));
    assert!(world.results(&["show", "session", "alice"]).is_empty());
}

#[test]
fn a_name_can_be_given_on_the_command_line() {
    let Some(world) = World::new() else { return };
    let mut pty = world.pty(&["--user", "alice"]);
    assert_eq!(pty.expect("Password: "), "");
    pty.line(PASSWORD);
    pty.expect_prompt("alice");
}

#[test]
fn a_wrong_password_is_asked_for_three_times() {
    let Some(world) = World::new() else { return };
    let mut pty = world.pty(&[]);
    for _ in 0..3 {
        pty.log_in("alice", "wrong");
        pty.expect("Login incorrect\r\n");
    }
    pty.wait_for_code(4);
    let mut pty = world.pty(&[]);
    pty.log_in("nobody-of-that-name", PASSWORD);
    pty.expect("Login incorrect\r\n");
    pty.log_in("alice", PASSWORD);
    pty.expect_prompt("alice");
}

#[test]
fn at_the_limit_the_warning_is_shown_and_clear_sessions_lets_in() {
    let Some(world) = World::new() else { return };
    world.configure(&limit(2));
    let (mut first, _second) = (world.logged_in("alice"), world.logged_in("alice"));
    let before = world.holders("alice");

    let mut third = world.pty(&[]);
    third.log_in("alice", PASSWORD);
    third.wait_for_code(3);
    third.expect(WARNING);
    assert!(third.screen().ends_with(WARNING), "{}", third.screen());

    let mut third = world.pty(&["--clear-sessions"]);
    third.log_in("alice", PASSWORD);
    assert_eq!(plain(&third.expect_prompt("alice")), "\n", "no question, no count");
    let now = world.holders("alice");
    assert_eq!(now.len(), 1);
    assert!(!before.contains(&now[0]));

    // The user who was cleared sees nothing, and the next command runs as if nothing had happened.
    assert_eq!(first.command("alice", "show session | grep open | wc -l"), "2\n");
    assert_eq!(world.holders("alice").len(), 2);
}

#[test]
fn the_last_login_is_known_after_the_logout() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut alice = world.logged_in("alice");
    let during = world.results(&["show", "useractivity", "alice"]);
    alice.line("exit");
    alice.wait_for_code(0);
    let after = world.results(&["show", "useractivity", "alice"]);
    assert_eq!((&during[0]["logged_in"], &after[0]["logged_in"]), (&true.into(), &false.into()));
    assert!(after[0]["last_login_timestamp"].is_string(), "{after:?}");
    assert_eq!(during[0]["last_login_timestamp"], after[0]["last_login_timestamp"]);
    assert_eq!(
        world.results(&["show", "useractivity"]),
        after,
        "users without a session are listed"
    );
    // Nothing of it is needed: a login that cannot be kept is let in.
    std::fs::remove_dir_all(world.path("lib/session-limit")).unwrap();
    world.write("lib/session-limit", "a file in the way");
    let mut alice = world.logged_in("alice");
    assert!(alice.command("alice", "show user | grep uid").contains("3001"));
}

#[test]
fn a_plain_line_in_the_common_stack_does_not_stop_who_clears() {
    let Some(world) = World::new() else { return };
    world.configure(&limit(1));
    // What pam-auth-update writes where the profile of the module is enabled.
    let line = format!(
        "account [success=ok perm_denied=die default=ignore] {}\n",
        testkit::module().display()
    );
    world.write("etc/pam.d/common-account", &format!("account required pam_unix.so\n{line}"));
    let _first = world.logged_in("alice");
    let mut second = world.pty(&[]);
    second.log_in("alice", PASSWORD);
    second.expect(WARNING);
    second.wait_for_code(3);
    assert_eq!(second.screen().matches("WARNING").count(), 1);
    let mut second = world.pty(&["--clear-sessions"]);
    second.log_in("alice", PASSWORD);
    second.expect_prompt("alice");
    assert_eq!(world.holders("alice").len(), 1);
}

#[test]
fn a_session_ended_from_outside_is_opened_again_by_the_next_command() {
    let Some(world) = World::new() else { return };
    world.configure(&limit(2));
    let mut pty = world.logged_in("alice");
    for signal in ["TERM", "HUP", "KILL"] {
        let holder = world.holders("alice")[0];
        world.end_session("alice", signal);
        let answer = pty.command("alice", "show useractivity | grep concurrent_sessions");
        assert!(
            answer.starts_with("| concurrent_sessions     | 1 "),
            "after SIG{signal}: {answer}"
        );
        assert_ne!(world.holders("alice")[0], holder);
    }
    assert_eq!(pty.screen().matches("Password: ").count(), 1);
}

#[test]
fn a_session_whose_holder_was_killed_is_shown_as_stale_and_does_not_count() {
    let Some(world) = World::new() else { return };
    let _pty = world.logged_in("alice");
    world.end_session("alice", "KILL");
    let rows = world.results(&["show", "session", "alice"]);
    assert_eq!((rows.len(), &rows[0]["state"]), (1, &"stale".into()));
    let activity = world.results(&["show", "useractivity", "alice"]);
    assert_eq!(
        (&activity[0]["concurrent_sessions"], &activity[0]["logged_in"]),
        (&0.into(), &false.into())
    );
    // Clearing wipes the row of what is over already.
    assert_eq!(world.ok(&["clear", "session", &rows[0]["id"].to_string()]), "0 sessions ended.\n");
    assert!(world.results(&["show", "session", "alice"]).is_empty());
}

#[test]
fn where_the_policy_is_to_forget_clearing_ends_nothing() {
    let Some(world) = World::new() else { return };
    world.configure(&format!("{}[policy]\non_clear = \"forget\"\n", limit(1)));
    let mut pty = world.logged_in("alice");
    let holder = world.holders("alice");
    assert_eq!(
        world.ok(&["clear", "sessions", "alice"]),
        "0 sessions ended, 1 forgotten, not ended.\n"
    );
    assert!(world.holders("alice").is_empty());
    assert!(std::fs::exists(format!("/proc/{}/stat", holder[0])).unwrap());
    assert!(pty.command("alice", "show useractivity").contains("| concurrent_sessions     | 0 "));
    let _another = world.logged_in("alice");
}

#[test]
fn a_command_inside_configure_survives_the_end_of_the_session() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    pty.line("configure useraccountprofile P");
    pty.expect(&prompt("admin", "useraccountprofile"));
    pty.line("max_concurrent_sessions 7");
    pty.expect(&prompt("admin", "useraccountprofile"));
    world.end_session("admin", "KILL");
    pty.command("admin", "save");
    assert!(world.configuration().contains("max_concurrent_sessions = 7\n"));
}

#[test]
fn a_changed_password_is_told_and_login_is_offered_again() {
    let Some(world) = World::new() else { return };
    let mut pty = world.logged_in("alice");
    world.change_password();
    world.end_session("alice", "TERM");
    pty.line("show user");
    pty.expect("\n");
    assert_eq!(pty.expect("Login: "), "Login incorrect\r\n");
    pty.line("bob");
    pty.expect("Password: ");
    pty.line(OTHER_PASSWORD);
    pty.expect_prompt("bob");
    // What alice typed is not run for bob; commands typed by bob are.
    let answer = pty.command("bob", "show user");
    assert!(answer.contains("| name                    | bob "), "{answer}");
}

#[test]
fn at_the_limit_a_cleared_prompt_is_warned_and_login_is_offered_again() {
    let Some(world) = World::new() else { return };
    world.configure(&limit(1));
    let mut first = world.logged_in("alice");
    let mut second = world.pty(&["--clear-sessions"]);
    second.log_in("alice", PASSWORD);
    second.expect_prompt("alice");
    first.line("show user");
    first.expect("\n");
    assert_eq!(first.expect("Login: "), WARNING);
    second.line("exit");
    second.wait_for_code(0);
    first.line("alice");
    first.expect("Password: ");
    first.line(PASSWORD);
    first.expect_prompt("alice");
}

#[test]
fn clearing_is_never_repeated_by_itself() {
    let Some(world) = World::new() else { return };
    world.configure(&format!("{}[policy]\non_limit = \"ask\"\n", limit(1)));
    let enter = || {
        let mut pty = world.pty(&[]);
        pty.log_in("alice", PASSWORD);
        pty
    };
    let mut first = enter();
    first.expect_prompt("alice");
    let mut second = enter();
    second.expect("Session to end (1, Enter = none): ");
    second.line("1");
    second.expect_prompt("alice");
    // `second` has chosen once. Cleared by `third`, it asks again instead of clearing in turn.
    let mut third = enter();
    third.expect("Session to end (1, Enter = none): ");
    third.line("a");
    third.expect_prompt("alice");
    let holder = world.holders("alice");
    second.line("show user");
    second.expect("\n");
    assert_eq!(second.expect("Login: "), "Please log in again.\r\n");
    assert_eq!(world.holders("alice"), holder);
}

#[test]
fn a_killed_prompt_leaves_no_session() {
    let Some(world) = World::new() else { return };
    let mut pty = world.logged_in("alice");
    assert_eq!(world.holders("alice").len(), 1);
    pty.signal("KILL");
    pty.wait();
    eventually("the session is closed", || world.results(&["show", "session"]).is_empty());
}

#[test]
fn rights_are_those_of_who_logged_in_at_every_moment() {
    let Some(world) = World::new() else { return };
    world.configure(&limit(0));
    let mut bob = world.logged_in("bob");
    let mut alice = world.logged_in("alice");
    let denied = "shell: only root and the members of admin_groups may ";
    for (line, what) in [
        ("configure useraccountprofile P", "change the configuration\n"),
        ("delete user bob", "change the configuration\n"),
        ("show user bob", "see other users\n"),
        ("show user no-such-user", "see other users\n"),
        ("show session bob", "see other users\n"),
        ("show useraccountprofile P", "see other profiles than your own\n"),
        ("show group", "see the assignments\n"),
        ("clear sessions bob", "see other users\n"),
        ("import limits", "change the configuration\n"),
        ("export limits", "see the assignments\n"),
    ] {
        assert_eq!(alice.command("alice", line), format!("{denied}{what}"), "{line}");
    }
    let of_bob = world.results(&["show", "session", "bob"])[0]["id"].clone();
    let answer = alice.command("alice", &format!("clear session {of_bob}"));
    assert!(answer.contains("there is none"), "{answer}");
    assert!(!alice.command("alice", "show session").contains("bob"));

    // A group given later counts at once.
    let group = std::fs::read_to_string(world.path("etc/group")).unwrap();
    world.write("etc/group", &group.replace("sudo:x:27:admin", "sudo:x:27:admin,alice"));
    let answer = alice.command("alice", "clear sessions bob");
    assert_eq!(answer, "1 session ended.\n");
    assert!(world.holders("bob").is_empty());
    assert_eq!(
        alice.command("alice", "clear sessions"),
        "0 sessions ended.\n",
        "the own one is spared"
    );
    assert!(bob.command("bob", "show user").contains("bob"));
}

#[test]
fn a_login_without_a_terminal_is_refused() {
    let Some(world) = World::new() else { return };
    let output = world.run(&["--clear-sessions"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "shell: a login needs a terminal, expected one on standard input and output (ssh -t)\n"
    );
}
