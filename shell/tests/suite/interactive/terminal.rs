//! The terminal is as it was, whichever way the program ends.

use crate::world::pty::{Pty, eventually};
use crate::world::{PASSWORD, World};

/// Waits for the end, which must be this code, and looks at the terminal.
fn ends(mut pty: Pty, code: i32, how: &str) {
    pty.wait_for_code(code);
    assert!(pty.is_restored(), "{how}");
}

fn at_login(world: &World) -> Pty {
    let mut pty = world.pty(&[]);
    pty.expect("Login: ");
    pty
}

fn at_password(world: &World) -> Pty {
    let mut pty = at_login(world);
    pty.line("alice");
    pty.expect("Password: ");
    assert!(!pty.echoes());
    pty
}

#[test]
fn ctrl_c_and_ctrl_d_at_the_questions_leave_it_restored() {
    let Some(world) = World::new() else { return };
    for (key, code) in [("\u{3}", 130), ("\u{4}", 4), ("\u{1c}", 131)] {
        let mut pty = at_login(&world);
        pty.send(key);
        ends(pty, code, "at Login:");
        let mut pty = at_password(&world);
        pty.send(key);
        ends(pty, code, "at Password:");
    }
}

#[test]
fn signals_leave_it_restored() {
    let Some(world) = World::new() else { return };
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130), ("QUIT", 131)] {
        let pty = at_password(&world);
        pty.signal(signal);
        ends(pty, code, &format!("SIG{signal} at Password:"));
        let pty = world.logged_in("alice");
        // The prompt reads key by key: that is what has to be undone.
        eventually("raw mode", || !pty.echoes());
        pty.signal(signal);
        ends(pty, code, &format!("SIG{signal} at the prompt"));
        eventually("the session is closed", || world.results(&["show", "session"]).is_empty());
    }
}

#[test]
fn leaving_the_prompt_leaves_it_restored() {
    let Some(world) = World::new() else { return };
    let mut pty = world.logged_in("alice");
    pty.send("\u{3}");
    pty.expect_prompt("alice");
    pty.send("half a line\u{3}");
    pty.expect_prompt("alice");
    pty.send("\u{4}");
    ends(pty, 0, "Ctrl-C, Ctrl-C, Ctrl-D");

    let mut pty = world.logged_in("alice");
    world.end_session("alice", "KILL");
    pty.line("exit");
    ends(pty, 0, "exit without a holder");

    let mut pty = world.logged_in("alice");
    world.end_session("alice", "KILL");
    world.change_password();
    pty.line("show user");
    pty.expect("Login incorrect\r\n");
    pty.expect("Login: ");
    pty.send("\u{4}");
    ends(pty, 4, "Ctrl-D when login is offered again");
}

#[test]
fn ctrl_z_opens_no_way_out() {
    let Some(world) = World::new() else { return };
    let mut pty = at_password(&world);
    pty.send("\u{1a}");
    pty.signal("TSTP");
    pty.line(PASSWORD);
    pty.expect_prompt("alice");
    pty.send("\u{1a}");
    assert!(pty.command("alice", "help exit").contains("also Ctrl-D"));
}

#[test]
fn ctrl_d_inside_configure_changes_nothing() {
    let Some(world) = World::new() else { return };
    world.configure("# empty\n");
    let mut pty = world.logged_in("admin");
    pty.line("configure useraccountprofile P");
    pty.expect(&crate::world::pty::prompt("admin", "useraccountprofile"));
    pty.send("\u{4}");
    pty.expect_prompt("admin");
    assert_eq!(world.configuration(), "# empty\n");
}

#[test]
fn tab_completes_and_twice_lists_with_help() {
    let Some(world) = World::new() else { return };
    world.configure("[[useraccountprofile]]\nname = \"Contractors\"\n");
    let mut pty = world.logged_in("admin");
    pty.send("conf\tuseracc\tC\t");
    pty.expect("Contractors");
    pty.line("");
    pty.expect(&crate::world::pty::prompt("admin", "useraccountprofile"));
    pty.send("\t\t");
    pty.expect("account_lock_timeout           minutes a lock lasts, 0 = until unlocked");
    pty.line("cancel");
    pty.expect_prompt("admin");
    // Who may not see other profiles is not told their names by Tab either.
    let mut pty = world.logged_in("alice");
    pty.send("show useraccountprofile \t\t");
    pty.expect("Default-User-Account-Profile");
    pty.line("");
    pty.expect_prompt("alice");
    assert!(!pty.screen().contains("Contractors"));
}
