//! What makes the prompt pleasant to type at.

use std::time::{Duration, Instant};

use crate::world::pty::{Pty, plain, prompt};
use crate::world::{PASSWORD, SHELL, World};

#[test]
fn help_lists_what_the_user_may_do_and_nothing_else() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut alice = world.logged_in("alice");
    let listed = alice.command("alice", "help");
    let mut admin = world.logged_in("admin");
    assert!(admin.command("admin", "help").contains("configure"));
    let commands: Vec<String> = listed
        .lines()
        .map(|line| line.trim().split("  ").next().unwrap().to_owned())
        .filter(|command| !command.contains(" ID") && !command.starts_with("watch"))
        .map(|command| command.split(" [").next().unwrap().to_owned())
        .map(|command| command.replace("USER", "alice"))
        .filter(|command| !matches!(command.as_str(), "exit" | "quit" | "logout"))
        .collect();
    assert!(commands.len() > 5, "{listed}");
    for command in commands {
        let said = alice.command("alice", &command);
        assert!(!said.contains("only root and the members of"), "{command}: {said}");
    }
    // The other way round: what is not listed is not allowed.
    for command in [
        "configure user bob",
        "show group",
        "show fleet",
        "unlock user bob",
        "export limits",
        "delete user bob",
        "status",
    ] {
        let said = alice.command("alice", command);
        assert!(said.contains("only root and the members of"), "{command}: {said}");
    }
}

#[test]
fn a_question_mark_and_abbreviations_are_understood() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    assert_eq!(pty.command("admin", "help sh"), pty.command("admin", "show ?"));
    assert!(pty.command("admin", "configure ?").contains("configure user USER"));
    assert_eq!(
        pty.command("admin", "sh usera | grep x"),
        "shell: `usera` is ambiguous, expected one of: useraccountprofile, useractivity\n"
    );
    assert_eq!(pty.command("admin", "sh sess | wc -l"), pty.command("admin", "show session|wc -l"));
    pty.line("quit");
    pty.wait_for_code(0);
    let mut pty = world.logged_in("admin");
    pty.line("logout");
    pty.wait_for_code(0);
}

#[test]
fn where_shows_the_object_alone() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    let inside = prompt("admin", "user");
    pty.line("configure user bob");
    pty.expect(&inside);
    pty.line("where");
    pty.expect("\n");
    let shown = plain(&pty.expect(&inside));
    assert!(shown.starts_with("+--") && !shown.contains("Tenant"), "{shown}");
}

#[test]
fn more_shows_page_by_page() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    pty.resize(6, 120);
    pty.line("help | more");
    pty.expect("show useraccountprofile");
    pty.expect("--More--");
    pty.send("\r");
    pty.expect("--More--");
    pty.send(" ");
    pty.expect("--More--");
    pty.send("q");
    pty.expect_prompt("admin");
    assert!(!pty.screen().contains("logout"), "{}", pty.screen());
    // Keys are read one by one no longer, and a short answer has no pages.
    assert_eq!(pty.command("admin", "show group | grep no-such | more"), "");
}

#[test]
fn watch_repeats_until_a_key_or_ctrl_c() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    for key in ["q", "\u{3}"] {
        pty.line("watch show session | grep admin");
        for _ in 0..2 {
            pty.expect("| admin ");
        }
        pty.send(key);
        pty.expect_prompt("admin");
    }
    assert!(pty.is_alive());
}

#[test]
fn ctrl_c_while_sessions_are_cleared_comes_back_to_the_prompt() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    let mut other = world.logged_in("alice");
    // A session that takes its time: it is ended by SIGKILL after a while.
    let holder = world.holders("alice")[0];
    crate::world::pty::kill(holder, "STOP");
    pty.line("clear sessions alice");
    pty.expect("\n");
    std::thread::sleep(Duration::from_millis(300));
    pty.send("\u{3}");
    pty.expect("1 session ended");
    pty.expect_prompt("admin");
    assert_eq!(pty.command("admin", "show user admin | grep uid").lines().count(), 1);
    assert!(other.is_alive());
}

#[test]
fn a_line_of_two_hundred_thousand_bytes_is_refused_at_once() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    let began = Instant::now();
    pty.send(&"x".repeat(200_000));
    pty.line("");
    pty.expect("shell: the line is too long, expected at most 4096 bytes");
    pty.expect_prompt("admin");
    // Redrawn for each character it took 14 seconds on an idle machine.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(pty.command("admin", "show user admin").contains("| uid "));
}

#[test]
fn a_terminal_without_a_type_gets_plain_lines() {
    let Some(world) = World::new() else { return };
    world.configure("");
    for term in [None, Some("dumb")] {
        let mut command = world.command(&["setsid", "-w", "-c", SHELL]);
        match term {
            None => command.env_remove("TERM"),
            Some(term) => command.env("TERM", term),
        };
        let mut pty = Pty::start(command);
        pty.log_in("alice", PASSWORD);
        pty.expect_prompt("alice");
        assert!(pty.command("alice", "show user | grep uid").contains("| uid "));
        pty.send("\u{4}");
        pty.wait_for_code(0);
        assert!(!pty.screen().contains('\u{1b}'), "{:?}", pty.screen());
    }
}

#[test]
fn tab_tab_gives_each_word_a_line() {
    let Some(world) = World::new() else { return };
    world.configure("");
    let mut pty = world.logged_in("admin");
    pty.send("\t\t");
    pty.expect("logout");
    let screen = plain(&pty.screen());
    for (word, help) in [("show", "look at profiles"), ("clear", "end sessions")] {
        let line = screen.lines().find(|line| line.starts_with(word));
        assert!(line.is_some_and(|line| line.contains(help)), "{word}: {screen}");
    }
}
