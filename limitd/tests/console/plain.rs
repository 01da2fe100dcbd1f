//! A browser that runs no script: every action works all the same.

use serde_json::json;

use crate::browser::Manner;
use crate::desk::{Desk, world};
use crate::world::{PASSWORD, WARNING};

#[test]
fn every_action_works_without_script() {
    let Some(world) = world() else { return };
    world.configure(2, "");
    let service = world.serve();
    let desk = Desk::open(&service, Manner { script: false, ..Manner::default() });
    let browser = &desk.browser;
    let alice = [service.log_in("alice"), service.log_in("alice")];
    desk.go("/console/profiles/new");
    desk.log_in("admin");
    browser.says("Logged in as admin");
    // No script has touched the times.
    desk.go("/console/sessions");
    assert_eq!(browser.all("time[title]").len(), 0, "a script runs");
    assert!(browser.find("time").text().ends_with(" UTC"));
    // Create, change with review, delete.
    desk.go("/console/profiles/new");
    browser.find("#name").type_in("Plain");
    browser.find("#max_concurrent_sessions").fill("3");
    browser.press("Create the profile");
    browser.says("The profile Plain is saved.");
    browser.press("Plain");
    browser.find("#account_lock_timeout").fill("5");
    browser.press("Review the changes");
    browser.press("Back to the form");
    assert_eq!(browser.find("#account_lock_timeout").property("value"), "5");
    browser.press("Review the changes");
    // The session ends while the form is open: what was typed is kept.
    let clearing = json!({"username": "admin", "password": PASSWORD, "clear_sessions": true});
    let cleared = service.post_login(&clearing);
    assert_eq!(cleared.status, 200, "{:?}", cleared.body);
    assert_eq!(service.client(&cleared).call("POST", "/logout", None).status, 200);
    browser.press("Save");
    browser.says("what you have entered is kept");
    desk.log_in("admin");
    browser.says("What you had entered has not been sent yet:");
    browser.press("Send it now");
    browser.says("The profile Plain is saved.");
    assert!(world.configuration().contains("account_lock_timeout = 5"));
    browser.press("Plain");
    browser.press("Delete this profile");
    browser.press("Delete the profile");
    browser.says("The profile is deleted.");
    // End one, end all, and log out.
    desk.go("/console/sessions?q=alice&sort=-since");
    browser.find("#live form button").click();
    browser.says("1 session was ended.");
    browser.says("1 session of 1 user match “alice”.");
    desk.go("/console/sessions");
    browser.press("End all of alice");
    browser.press("End 1 session");
    browser.says("1 session was ended.");
    assert!(alice.iter().all(|client| client.get("/api/useraccount").status == 401));
    browser.press("Log out");
    browser.find("#username");
    // Refused at the limit, and let in by clearing.
    let held = [service.log_in("alice"), service.log_in("alice")];
    desk.log_in("alice");
    for line in WARNING.lines() {
        browser.says(line);
    }
    browser.find("#password").type_in(PASSWORD);
    browser.press("Clear my other sessions and log in");
    browser.says("Sessions in use: 1 of 2");
    assert!(held.iter().all(|client| client.get("/api/useraccount").status == 401));
}

#[test]
fn pam_asks_one_question_after_another() {
    let Some(world) = world() else { return };
    // A module of Linux-PAM that asks something of its own, and takes any answer.
    let stack = "auth required pam_unix.so nodelay\nauth required pam_ftp.so ignore users=alice\n";
    world.write("etc/pam.d/common-auth", stack);
    let service = world.serve();
    for script in [false, true] {
        let desk = Desk::open(&service, Manner { script, ..Manner::default() });
        let browser = &desk.browser;
        desk.go("/console/account");
        desk.log_in("alice");
        let answer = browser.find("#answer");
        assert!(answer.label().starts_with("Guest login ok"), "{}", answer.label());
        assert_eq!(answer.property("type"), "password");
        assert!(!browser.text().contains("Logged in as alice"));
        answer.type_in("alice@example.org");
        browser.press("Continue");
        browser.says("Logged in as alice");
        assert_eq!(browser.path(), "/console/account");
    }
    // The API has no way to ask: name and password alone do not open a session.
    let alone = service.post_login(&json!({"username": "alice", "password": PASSWORD}));
    assert_eq!(alone.status, 401);
}

#[test]
fn at_the_limit_a_user_chooses_which_session_ends() {
    let Some(world) = world() else { return };
    world.configure(1, "");
    let asks = format!("{}\n[policy]\non_limit = \"ask\"\n", world.configuration());
    world.write("etc/session-limit/config.toml", &asks);
    let service = world.serve();
    let held = service.log_in("alice");
    let desk = Desk::open(&service, Manner::default());
    let browser = &desk.browser;
    desk.go("/");
    desk.log_in("alice");
    browser.says("WARNING: Maximum concurrent session count has been reached.");
    browser.says("session-limitd from 127.0.0.1");
    browser.find("#answer").type_in("1");
    browser.press("Continue");
    browser.says("Sessions in use: 1 of 1");
    assert_eq!(held.get("/api/useraccount").status, 401);
}
