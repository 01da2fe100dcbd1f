//! The own password: changed because it has expired, and because the user wants to.

use std::fs::{self, File};

use serde_json::json;

use crate::browser::Manner;
use crate::desk::{Desk, world};
use crate::world::{Client, PASSWORD, Service, World};

const NEW: &str = "quite another horse";

/// Lets the passwords of these users expire, as chage(1) does; they are [`PASSWORD`] again.
fn expire(world: &World, original: &str, users: &[&str]) {
    let lines = original.lines().map(|line| {
        let is_meant = users.iter().any(|user| line.starts_with(&format!("{user}:")));
        if is_meant { line.replace(":19000:", ":0:") } else { line.to_owned() }
    });
    world.write("etc/shadow", &(lines.collect::<Vec<_>>().join("\n") + "\n"));
}

fn shadow(world: &World) -> String {
    fs::read_to_string(world.path("etc/shadow")).unwrap()
}

/// Fills in the form.
fn change(desk: &Desk, old: &str, new: &str, again: &str) {
    desk.browser.find("#old_password").fill(old);
    desk.browser.find("#password").fill(new);
    desk.browser.find("#again").fill(again);
    desk.browser.press("Change the password");
}

fn end_sessions_of_admin(other: &Client) {
    let clear = json!({"username": "admin"});
    assert_eq!(other.call("POST", "/api/usersession/clear", Some(&clear)).status, 200);
}

fn status_of(service: &Service, password: &str) -> u16 {
    service.post_login(&json!({"username": "alice", "password": password})).status
}

#[test]
fn an_expired_password_is_changed_before_all_else() {
    let Some(world) = world() else { return };
    let original = shadow(&world);
    let log = world.path("log");
    let mut command = world.service();
    command.stderr(File::create(&log).unwrap());
    let service = world.serve_by(command);
    for script in [false, true] {
        expire(&world, &original, &["alice"]);
        let desk = Desk::open(&service, Manner { script, ..Manner::default() });
        let browser = &desk.browser;
        desk.go("/console/account");
        desk.log_in("alice");
        browser.says("Your password has expired. Choose another one to go on.");
        assert_eq!(browser.path(), "/console/password?next=%2Fconsole%2Faccount");
        assert_eq!(browser.all("nav").len(), 0, "no other page is offered");
        for page in ["/console/sessions/end", "/console/history?span=week", "/console/account"] {
            desk.go(page);
            browser.says("Your password has expired.");
        }
        for (old, new, again, problem) in [
            ("not-it", NEW, NEW, "Current password: is not the password in use"),
            (PASSWORD, NEW, "another", "The new password was not typed the same way twice."),
            (PASSWORD, "abc", "abc", "You must choose a longer password."),
        ] {
            change(&desk, old, new, again);
            browser.says(problem);
            assert_eq!(browser.path(), "/console/password");
            let source = browser.find("html").property("outerHTML").to_string();
            assert!(source.contains("old_password"), "{source}");
            for secret in [PASSWORD, NEW, "abc"] {
                assert!(!source.contains(secret), "{secret}: {source}");
            }
        }
        change(&desk, PASSWORD, NEW, NEW);
        browser.says("Sessions in use: ");
        assert_eq!(browser.path(), "/console/account");
        browser.press("Log out");
        browser.find("#username");
        assert_eq!((status_of(&service, PASSWORD), status_of(&service, NEW)), (401, 200));
    }
    let said = fs::read_to_string(log).unwrap();
    assert!(!said.contains(NEW) && !said.contains(PASSWORD), "{said}");
}

#[test]
fn a_password_that_expires_meanwhile_is_changed_over_the_page() {
    let Some(world) = world() else { return };
    let original = shadow(&world);
    let service = world.serve();
    let other = service.log_in("root");
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    desk.go("/console/profiles/new");
    browser.find("#name").type_in("Half typed");
    expire(&world, &original, &["admin"]);
    end_sessions_of_admin(&other);
    browser.find("dialog #username");
    desk.log_in("admin");
    browser.find("dialog #old_password");
    browser.says("Your password has expired.");
    browser.find("#old_password").type_in(PASSWORD);
    // Longer than the page looks whether the session is open: what is typed stays.
    std::thread::sleep(std::time::Duration::from_secs(1));
    browser.find("#password").type_in(NEW);
    browser.find("#again").type_in("another");
    browser.press("Change the password");
    browser.says("The new password was not typed the same way twice.");
    change(&desk, PASSWORD, NEW, NEW);
    browser.wait("the page", || browser.find("main").is_seen().then_some(()));
    assert_eq!(browser.path(), "/console/profiles/new");
    assert_eq!(browser.find("#name").property("value"), "Half typed");
    browser.press("Create the profile");
    browser.says("The profile Half typed is saved.");
}

#[test]
fn without_script_a_form_is_kept_over_the_change_and_a_password_is_not() {
    let Some(world) = world() else { return };
    let original = shadow(&world);
    let service = world.serve();
    let other = service.log_in("root");
    let desk = Desk::open(&service, Manner { script: false, ..Manner::default() });
    let browser = &desk.browser;
    desk.go("/console/profiles/new");
    desk.log_in("admin");
    browser.find("#name").type_in("Kept");
    expire(&world, &original, &["admin"]);
    end_sessions_of_admin(&other);
    browser.press("Create the profile");
    browser.says("what you have entered is kept");
    desk.log_in("admin");
    browser.press("Send it now");
    browser.says("Your password has expired.");
    change(&desk, PASSWORD, NEW, "another");
    browser.says("The new password was not typed the same way twice.");
    change(&desk, PASSWORD, NEW, NEW);
    browser.says("What you had entered has not been sent yet:");
    browser.press("Send it now");
    browser.says("The profile Kept is saved.");

    desk.go("/console/password");
    end_sessions_of_admin(&other);
    change(&desk, NEW, "a third horse", "a third horse");
    browser.says("Your session is over. Log in again.");
    assert_eq!(browser.all("input[name=kept]").len(), 0);
    assert!(!browser.text().contains("a third horse"));
}

#[test]
fn a_user_changes_their_password_when_they_want_to() {
    let Some(world) = world() else { return };
    world.write(
        "etc/pam.d/common-auth",
        "auth sufficient pam_unix.so nodelay\nauth required pam_permit.so\n",
    );
    let original = shadow(&world);
    let elsewhere = original.lines().map(|line| match line.strip_prefix("bob:") {
        Some(_) => "bob:*:19000:0:99999:7:::\n".to_owned(),
        None => format!("{line}\n"),
    });
    world.write("etc/shadow", &elsewhere.collect::<String>());
    let service = world.serve();
    let desk = Desk::of(&service, "alice");
    let browser = &desk.browser;
    browser.press("Change password");
    browser.press("Cancel");
    browser.press("Change password");
    assert_eq!(browser.find("#old_password").label(), "Current password");
    change(&desk, PASSWORD, NEW, NEW);
    browser.says("Your password is changed.");
    assert!(!shadow(&world).contains("alice:$6$rounds=1000$salt$"), "{}", shadow(&world));
    browser.press("Log out");
    // The password of bob is not kept on this host.
    desk.go("/console/account");
    desk.log_in("bob");
    browser.says("Logged in as bob");
    browser.says("Your profile");
    assert!(!browser.text().contains("Change password"), "{}", browser.text());
    desk.go("/console/password");
    browser.says("Your password is not one of this host.");
    assert_eq!(browser.all("input[type=password]").len(), 0);
}
