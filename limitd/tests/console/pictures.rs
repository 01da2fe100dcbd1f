//! Pictures of each page for the documentation, made when they are asked for.

use std::fs;
use std::path::PathBuf;

use crate::browser::Manner;
use crate::desk::{Desk, world};
use crate::world::PASSWORD;
use serde_json::json;

/// Where the pictures go; without it none is made.
const WISH: &str = "CONSOLE_PICTURES";

#[test]
fn pictures_of_each_page() {
    let Some(directory) = std::env::var_os(WISH).map(PathBuf::from) else {
        eprintln!("SKIPPED: pictures are made for {WISH}=DIRECTORY only");
        return;
    };
    let Some(world) = world() else { return };
    fs::create_dir_all(&directory).unwrap();
    world.configure(3, "");
    let service = world.serve();
    let admin = service.log_in("admin");
    let contractors = json!({"name": "Contractors", "max_concurrent_sessions": 2});
    assert_eq!(admin.call("POST", "/api/useraccountprofile", Some(&contractors)).status, 201);
    let profile = "/api/useraccountprofile?name=Contractors";
    let bob = json!({"username": "bob", "user_profile_ref": profile});
    assert_eq!(admin.call("POST", "/api/user", Some(&bob)).status, 201);
    let group = json!({"name": "ops", "user_profile_ref": profile});
    assert_eq!(admin.call("POST", "/api/usergroup", Some(&group)).status, 201);
    let held = ["alice", "bob", "alice", "bob", "alice"].map(|user| service.log_in(user));
    let refused = service.post_login(&json!({"username": "alice", "password": PASSWORD}));
    assert_eq!(refused.status, 403);
    let manner = Manner { size: (1100, 760), ..Manner::default() };
    let desk = Desk::open(&service, manner);
    let browser = &desk.browser;
    let picture = |name: &str| {
        let bytes = decoded(&browser.picture());
        fs::write(directory.join(format!("{name}.png")), bytes).unwrap();
    };
    desk.go("/");
    browser.find("#username").type_in("alice");
    browser.find("#password").type_in(PASSWORD);
    browser.press("Log in");
    browser.says("WARNING");
    picture("limit");
    desk.go("/");
    browser.find("#username");
    picture("login");
    desk.log_in("admin");
    browser.says("Logged in as admin");
    for page in [
        "sessions",
        "limits",
        "history",
        "profiles",
        "assignments",
        "status",
        "account",
        "password",
    ] {
        desk.go(&format!("/console/{page}"));
        browser.find("h1");
        picture(page);
    }
    desk.go("/console/sessions/end?user=alice");
    picture("end");
    desk.go("/console/profiles");
    browser.press("Contractors");
    browser.find("#max_concurrent_sessions").fill("1");
    picture("profile");
    browser.press("Review the changes");
    browser.says("After saving");
    picture("review");
    browser.prefer("dark");
    desk.go("/console/sessions");
    picture("sessions-dark");
    drop(held);
}

/// Reads base64 (RFC 4648).
fn decoded(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|byte| DIGITS.iter().position(|digit| *digit == byte));
    let digits: Vec<usize> = digits.collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().fold(0, |bits, digit| (bits << 6) | digit) << (6 * (4 - four.len()));
        bytes.extend(
            (0..four.len() - 1).map(|n| u8::try_from((bits >> (16 - 8 * n)) & 0xff).unwrap()),
        );
    }
    bytes
}
