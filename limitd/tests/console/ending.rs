//! Sessions that are ended, from outside and at the limit.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::desk::{Desk, sqlite, world};

/// The promise: the login screen is there within this time after the call that ends the session.
const PROMISE: Duration = Duration::from_secs(1);

#[test]
fn one_who_is_ended_sees_the_login_screen_and_goes_on_afterwards() {
    let Some(world) = world() else { return };
    world.configure(1, "");
    let service = world.serve();
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    desk.go("/console/profiles/new");
    browser.find("#name").type_in("Half typed <b>");
    browser.find("#max_concurrent_sessions").fill("7");
    let other =
        json!({"username": "admin", "password": crate::world::PASSWORD, "clear_sessions": true});
    let cleared = service.post_login(&other);
    assert_eq!(cleared.status, 200, "{:?}", cleared.body);
    browser.find("dialog #username");
    browser.says("Your session is over.");
    assert!(!browser.find("main").is_seen());
    // At the limit now: refused, and let in by ending the other session.
    desk.log_in("admin");
    browser.says("WARNING: Maximum concurrent session count has been reached.");
    browser.find("#password").type_in(crate::world::PASSWORD);
    browser.press("Clear my other sessions and log in");
    browser.wait("the page", || browser.find("main").is_seen().then_some(()));
    assert_eq!(browser.path(), "/console/profiles/new");
    assert_eq!(browser.find("#name").property("value"), "Half typed <b>");
    assert_eq!(browser.find("#max_concurrent_sessions").property("value"), "7");
    // The form is good for the new session.
    browser.press("Create the profile");
    browser.says("The profile Half typed <b> is saved.");
    let client = service.client(&cleared);
    assert_eq!(client.get("/api/useraccount").status, 401);
}

#[test]
fn the_login_screen_is_there_within_a_second_without_a_click() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let desk = Desk::of(&service, "alice");
    let admin = service.log_in("admin");
    let mut times = Vec::new();
    // The machine may be busy with other tests: one of three is enough.
    for _ in 0..3 {
        desk.browser.says("Sessions in use: ");
        let ended = Instant::now();
        let clear = json!({"username": "alice"});
        assert_eq!(admin.call("POST", "/api/usersession/clear", Some(&clear)).status, 200);
        desk.browser.find("dialog #username");
        times.push(ended.elapsed());
        desk.log_in("alice");
        desk.browser.wait("the page", || desk.browser.find("main").is_seen().then_some(()));
    }
    println!("the login screen is there after {times:?}");
    assert!(times.iter().any(|took| *took < PROMISE), "{times:?}");
}

/// A page that refreshes itself is no user who does something.
#[test]
fn an_idle_session_ends_under_an_open_page_and_nothing_typed_is_lost() {
    let Some(world) = world() else { return };
    world.configure(5, "api_idle_timeout = 1\n");
    let service = world.serve();
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    let began = Instant::now();
    browser.find("#q").type_in("half a wo");
    browser.says("1 session of 1 user.");
    let leader = sqlite(&world, "SELECT leader_pid FROM session WHERE user = 'admin'");
    std::thread::sleep(Duration::from_secs(20));
    // The page shows what happens, by itself.
    let alice = service.log_in("alice");
    browser.says("2 sessions of 2 users.");
    assert_eq!(alice.call("POST", "/logout", None).status, 200);
    browser.says("1 session of 1 user.");
    while Path::new("/proc").join(&leader).exists() {
        assert!(began.elapsed() < Duration::from_secs(90), "the session is not over");
        std::thread::sleep(Duration::from_millis(10));
    }
    let (idle, ended) = (began.elapsed(), Instant::now());
    browser.find("dialog #username");
    println!("ended after {idle:?}, the login screen is there {:?} later", ended.elapsed());
    assert!(idle > Duration::from_secs(55) && idle < Duration::from_secs(66), "{idle:?}");
    // The machine may be busy with other tests.
    assert!(ended.elapsed() < PROMISE * 3, "{:?}", ended.elapsed());
    desk.log_in("admin");
    browser.wait("the page", || browser.find("#q").is_seen().then_some(()));
    assert_eq!(browser.find("#q").property("value"), "half a wo");
}

#[test]
fn an_administrator_ends_sessions_of_others() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let (one, two) = (service.log_in("alice"), service.log_in("alice"));
    let bob = service.log_in("bob");
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    browser.says("4 sessions of 3 users.");
    let id = one.ok("/api/usersession")["results"][0]["id"].clone();
    browser.press(&format!("End session {id} of alice"));
    browser.says("1 session was ended.");
    let statuses = [&one, &two].map(|client| client.get("/api/useraccount").status);
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 1, "{statuses:?}");
    let third = service.log_in("alice");
    browser.press("End all of alice");
    browser.says("This ends 2 sessions of alice, and every program that runs in them.");
    browser.press("End 2 sessions");
    browser.says("2 sessions were ended.");
    browser.says("2 sessions of 2 users.");
    for client in [one, two, third] {
        assert_eq!(client.get("/api/useraccount").status, 401);
    }
    bob.ok("/api/useraccount");
}
