//! Logging in and looking around.

use crate::browser::Manner;
use crate::desk::{Desk, world};
use crate::world::PASSWORD;

#[test]
fn a_user_logs_in_and_an_administrator_sees_all_sessions() {
    let Some(world) = world() else { return };
    world.write("etc/issue.net", "Authorised use only.\n<b>All is logged.\n");
    world.configure(0, "banner = \"/etc/issue.net\"\n");
    let service = world.serve();
    let alice = service.log_in("alice");
    let desk = Desk::open(&service, Manner::default());
    desk.go("/console/profiles");
    let browser = &desk.browser;
    browser.says("Authorised use only.\n<b>All is logged.");
    browser.find("#username").type_in("admin");
    browser.find("#password").type_in("wrong");
    browser.press("Log in");
    browser.says("The login failed");
    assert_eq!(browser.find("#username").property("value"), "admin");
    browser.find("#password").type_in(PASSWORD);
    browser.press("Log in");
    // Where the user wanted to go.
    browser.says("Default-User-Account-Profile");
    assert_eq!(browser.path(), "/console/profiles");
    browser.press("Sessions");
    browser.says("2 sessions of 2 users.");
    browser.says("session-limitd (http)");
    browser.find("#q").type_in("ALI");
    browser.press("Search");
    browser.says("1 session of 1 user match “ALI”.");
    // A login appears and goes by itself.
    let second = service.log_in("alice");
    browser.says("2 sessions of 1 user match “ALI”.");
    assert_eq!(second.call("POST", "/logout", None).status, 200);
    browser.says("1 session of 1 user match “ALI”.");
    alice.ok("/api/useraccount");
    browser.press("Log out");
    browser.find("#username");
    desk.go("/console/sessions");
    browser.find("#username");
}

#[test]
fn a_user_sees_and_ends_their_own_sessions_only() {
    let Some(world) = world() else { return };
    world.configure(5, "");
    let service = world.serve();
    let admin = service.log_in("admin");
    let others = [service.log_in("alice"), service.log_in("alice")];
    let desk = Desk::of(&service, "alice");
    let browser = &desk.browser;
    browser.says("Sessions in use: 3 of 5");
    assert_eq!(browser.path(), "/console/account");
    assert!(!browser.find("#live").text().contains("admin"), "{}", browser.text());
    for page in ["/console/assignments", "/console/status", "/console/sessions/end?user=admin"] {
        desk.go(page);
        browser.wait(page, || {
            let text = browser.text();
            let forbidden = text.contains("only root and the members of admin_groups may");
            (forbidden || text.contains("no session that could be ended")).then_some(())
        });
    }
    desk.go("/console/account");
    browser.press("End all my other sessions");
    browser.says("This ends 2 sessions of alice");
    browser.press("End 2 sessions");
    browser.says("2 sessions were ended.");
    browser.says("Sessions in use: 1 of 5");
    assert!(others.iter().all(|other| other.get("/api/useraccount").status == 401));
    admin.ok("/api/useraccount");
}
