//! Who cannot see, or uses no mouse: names for screen readers, the keyboard, small windows, axe-core.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::browser::{Browser, Manner};
use crate::desk::{Desk, PAGES, world};
use crate::world::PASSWORD;

/// The package that has axe-core in it, and the file there.
const PACKAGE: &str = "axe-playwright-python==0.1.8";
const FILE: &str = "axe_playwright_python/axe.min.js";
/// Keys as the WebDriver standard names them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Returns the text of axe-core, fetched once for a build directory.
fn axe() -> Option<&'static str> {
    static AXE: OnceLock<Option<String>> = OnceLock::new();
    let fetch = || {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe");
        let file = directory.join(FILE);
        if !file.exists() {
            let python = directory.join("venv/bin/python");
            let _ =
                Command::new("python3").args(["-m", "venv"]).arg(directory.join("venv")).output();
            let _ = Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
                .args([directory.as_os_str(), PACKAGE.as_ref()])
                .output();
        }
        fs::read_to_string(file).ok()
    };
    let axe = AXE.get_or_init(fetch).as_deref();
    if axe.is_none() {
        let demanded = std::env::var_os("HOST_TESTS_REQUIRED").is_some();
        assert!(!demanded, "{PACKAGE} cannot be had from PyPI, or python3 has no venv");
        eprintln!("SKIPPED: {PACKAGE} cannot be had from PyPI, or python3 has no venv");
    }
    axe
}

/// Returns what axe-core finds wrong with the page, a line each.
fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    browser.run(axe);
    let found = browser.run_async(
        "const done = arguments[arguments.length - 1]; \
         axe.run().then((r) => done(r.violations.map((v) => \
         `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' | ')}`)), (e) => done([String(e)]))",
    );
    found.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

#[test]
fn axe_finds_nothing_on_any_page_light_or_dark() {
    let Some(world) = world() else { return };
    let Some(axe) = axe() else { return };
    world.configure(2, "");
    let service = world.serve();
    let held = [service.log_in("alice"), service.log_in("alice")];
    let refused = serde_json::json!({"username": "alice", "password": PASSWORD});
    assert_eq!(service.post_login(&refused).status, 403);
    let admin = service.log_in("admin");
    for (path, key) in [("/api/user", "username"), ("/api/usergroup", "name")] {
        let profile = "/api/useraccountprofile?name=Default-User-Account-Profile";
        let body = serde_json::json!({key: "nobody", "user_profile_ref": profile});
        assert_eq!(admin.call("POST", path, Some(&body)).status, 201);
    }
    let desk = Desk::open(&service, Manner::default());
    let browser = &desk.browser;
    let mut looked_at = 0;
    let mut check = |what: &str| {
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            let found = violations(browser, axe);
            assert!(found.is_empty(), "{what}, {scheme}: {found:#?}");
            looked_at += 1;
        }
    };
    desk.go("/");
    browser.find("#username").type_in("alice");
    check("login");
    browser.find("#password").type_in(PASSWORD);
    browser.press("Log in");
    browser.says("WARNING");
    check("the limit");
    desk.go("/");
    desk.log_in("admin");
    browser.says("Logged in as admin");
    for page in PAGES {
        desk.go(page);
        browser.find("h1");
        check(page);
    }
    desk.go("/console/assignments?explain=alice");
    check("explained");
    desk.go("/console/sessions/end?user=alice");
    check("what will end");
    desk.go("/console/nothing");
    check("no such page");
    desk.go("/console/profiles/new");
    browser.find("#name").type_in("Wrong");
    browser.find("#max_concurrent_sessions").fill("x");
    browser.press("Create the profile");
    browser.says("expected a whole number");
    check("a mistake in a form");
    desk.go("/console/profiles");
    browser.press("Default-User-Account-Profile");
    browser.find("#max_concurrent_sessions").fill("1");
    browser.press("Review the changes");
    browser.says("After saving");
    check("a review");
    assert_eq!(
        admin.call("POST", "/api/usersession/clear", Some(&serde_json::json!({}))).status,
        200
    );
    browser.find("dialog #username");
    check("the login screen over a page");
    println!("{looked_at} looks, no violation");
    drop(held);
}

#[test]
fn a_screen_reader_hears_what_things_are() {
    let Some(world) = world() else { return };
    world.configure(5, "");
    let service = world.serve();
    let alice = service.log_in("alice");
    let desk = Desk::open(&service, Manner::default());
    let browser = &desk.browser;
    let heard = |css: &str| {
        let element = browser.find(css);
        (element.role(), element.label())
    };
    let pair = |role: &str, label: &str| (role.to_owned(), label.to_owned());
    desk.go("/");
    assert_eq!(heard("#username"), pair("textbox", "User name"));
    assert_eq!(browser.find("#password").label(), "Password");
    assert_eq!(heard("#login button"), pair("button", "Log in"));
    desk.log_in("admin");
    browser.says("Logged in as admin");
    assert_eq!(heard("nav"), pair("navigation", "Pages"));
    assert_eq!(heard("main h1"), pair("heading", "Sessions"));
    assert_eq!(heard("#q"), pair("searchbox", "Search"));
    assert_eq!(heard("table"), pair("table", "Sessions"));
    assert_eq!(heard("meter"), pair("meter", "Sessions of admin"));
    let id = alice.ok("/api/usersession")["results"][0]["id"].clone();
    let end = browser.named(&format!("End session {id} of alice"));
    assert_eq!(end.role(), "button");
    desk.go("/console/profiles/new");
    assert_eq!(heard("#max_concurrent_sessions"), pair("textbox", "max_concurrent_sessions"));
    desk.go("/console/assignments");
    assert_eq!(heard("#profile"), pair("combobox", "Profile"));
    assert_eq!(heard("fieldset"), pair("group", "To whom"));
}

#[test]
fn every_action_works_by_keyboard_and_the_focus_is_seen() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    let desk = Desk::open(&service, Manner::default());
    let browser = &desk.browser;
    let focused = || browser.active();
    // Tabs until the element with this name has the focus.
    let tab_to = |name: &str| {
        for _ in 0..80 {
            let element = focused();
            if element.label() == name || element.text() == name {
                return;
            }
            browser.keys(TAB);
            let outline = browser.run(
                "const a = document.activeElement; \
                 return a === document.body ? 'solid' : getComputedStyle(a).outlineStyle",
            );
            assert_eq!(
                outline,
                "solid",
                "{} has the focus and does not show it",
                focused().label()
            );
        }
        panic!("{name} cannot be reached by keyboard: {}", browser.text());
    };
    let press = |name: &str| {
        tab_to(name);
        browser.keys(ENTER);
    };
    desk.go("/");
    browser.find("#username");
    browser.keys("admin");
    browser.keys(TAB);
    browser.keys(PASSWORD);
    browser.keys(ENTER);
    browser.says("Logged in as admin");
    let id = alice.ok("/api/usersession")["results"][0]["id"].clone();
    press(&format!("End session {id} of alice"));
    browser.says("1 session was ended.");
    press("Profiles");
    browser.says("New profile");
    press("New profile");
    tab_to("name");
    browser.keys("Keys");
    press("Create the profile");
    browser.says("The profile Keys is saved.");
    press("Keys");
    tab_to("max_concurrent_sessions");
    // What is in a field is selected when it is tabbed to.
    browser.keys("4");
    press("Review the changes");
    press("Save");
    browser.says("The profile Keys is saved.");
    assert!(world.configuration().contains("max_concurrent_sessions = 4"));
    press("Keys");
    press("Delete this profile");
    press("Delete the profile");
    browser.says("The profile is deleted.");
    press("Users and groups");
    tab_to("Name");
    browser.keys("bob");
    press("Assign");
    browser.says("The assignment is saved.");
    press("Remove the assignment of user bob");
    browser.says("The assignment is removed.");
    // The first stop of a page leads past the navigation.
    desk.go("/console/sessions");
    browser.find("h1");
    browser.keys(TAB);
    assert_eq!(focused().text(), "Skip to the content");
    browser.keys(ENTER);
    assert_eq!(browser.run("return document.activeElement.id"), "main");
    press("Log out");
    browser.find("#username");
}

#[test]
fn a_small_window_shows_all_and_times_are_in_the_browsers_zone() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let desk = Desk::open(&service, Manner { zone: "Asia/Tokyo", ..Manner::default() });
    let browser = &desk.browser;
    let size =
        serde_json::json!({"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": false});
    browser.tool("Emulation.setDeviceMetricsOverride", &size);
    desk.go("/");
    desk.log_in("admin");
    browser.says("Logged in as admin");
    let mut pages = PAGES.to_vec();
    pages.push("/console/profiles/new");
    for page in pages {
        desk.go(page);
        browser.find("h1");
        let width = browser.run("return document.documentElement.scrollWidth");
        assert!(width.as_i64().unwrap() <= 320, "{page} is {width} wide");
    }
    desk.go("/console/sessions");
    let time = browser.find("time");
    let (shown, sent) = (time.text(), time.property("dateTime"));
    assert!(shown.ends_with("GMT+9") || shown.ends_with("JST"), "{shown}");
    let moment = browser.run("return new Date(document.querySelector('time').dateTime).getHours()");
    let hours: u64 = shown[11..13].parse().unwrap();
    assert_eq!(moment, hours, "{shown} {sent}");
    // On paper there is what was looked at, without what can be clicked.
    browser.tool("Emulation.setEmulatedMedia", &serde_json::json!({"media": "print"}));
    assert!(!browser.find("nav").is_seen() && browser.find("table").is_seen());
}
