//! Long lists, and what administrators are asked about.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::desk::{Desk, sqlite, world};
use crate::world::{PASSWORD, World, curl, eventually};

/// Sessions of the long list, and users who hold them.
const SESSIONS: u32 = 10_000;
const USERS: u32 = 2_000;
/// The promise for a page of it, as 95 of 100 pages keep it.
const PROMISE: Duration = Duration::from_millis(300);
/// What a debug build on a busy machine may take more.
const ALLOWANCE: u32 = if cfg!(debug_assertions) { 10 } else { 1 };

/// Writes many sessions of many users beside that of a user, with the leader of that session.
fn many_rows(world: &World) {
    let passwd = fs::read_to_string(world.path("etc/passwd")).unwrap();
    let users = (0..USERS).map(|n| format!("user{n}:x:{0}:{0}::/:/bin/sh\n", 10_000 + n));
    world.write("etc/passwd", &format!("{passwd}{}", users.collect::<String>()));
    let columns = sqlite(world, "SELECT group_concat(name) FROM pragma_table_info('session')");
    let values = columns.split(',').map(|column| match column {
        "id" => "id + 1000 + n".to_owned(),
        "user" => format!("'user' || (n % {USERS})"),
        "uid" => format!("10000 + n % {USERS}"),
        "rhost" => "'192.0.2.' || (n % 250)".to_owned(),
        other => other.to_owned(),
    });
    let values: Vec<String> = values.collect();
    let values = values.join(", ");
    sqlite(
        world,
        &format!(
            "WITH RECURSIVE count(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM count WHERE n < {SESSIONS} - 1) \
         INSERT INTO session ({columns}) \
         SELECT {values} FROM count, (SELECT * FROM session ORDER BY id LIMIT 1)"
        ),
    );
}

#[test]
fn ten_thousand_sessions_are_paged_and_quick() {
    let Some(world) = world() else { return };
    world.configure(7, "");
    let service = world.serve();
    let admin = service.log_in("admin");
    many_rows(&world);
    let cookie = format!("Cookie: sessionid={}; csrftoken={}", admin.session(), admin.csrf());
    let pages = [
        "sessions?page=1",
        "sessions?page=100",
        "sessions?sort=-since&page=7",
        "sessions?q=user17&sort=rhost",
    ];
    let mut times: Vec<Duration> = (0..40)
        .map(|n| {
            let began = Instant::now();
            let url = service.url(&format!("/console/{}", pages[n % pages.len()]));
            assert_eq!(curl(&["-o", "/dev/null", "-H", &cookie, "-D", "-", &url]).status, 200);
            began.elapsed()
        })
        .collect();
    times.sort();
    println!("a page of {SESSIONS} sessions: p50 {:?}, p95 {:?}", times[20], times[37]);
    assert!(times[37] < PROMISE * ALLOWANCE, "{times:?}");
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    browser.says("10002 sessions of 2001 users.");
    browser.says("Page 1 of 201");
    browser.press("Last");
    browser.says("Page 201 of 201");
    browser.find("#q").type_in("user1999");
    browser.press("Search");
    browser.says("5 sessions of 1 user match “user1999”.");
    browser.says("5 of 7");
    browser.press("Since");
    browser.wait("the order", || {
        let sorted = browser.all("th[aria-sort=ascending]");
        sorted.first().filter(|th| th.text().starts_with("Since")).map(|_| ())
    });
}

#[test]
fn users_at_their_limit_refusals_and_history_are_shown() {
    let Some(world) = world() else { return };
    world.configure(2, "");
    let service = world.serve();
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    browser.press("At the limit");
    browser.says("No user is at their limit.");
    browser.says("No login has been refused since this host was started.");
    let held = [service.log_in("alice"), service.log_in("alice")];
    // It is there by itself.
    browser.says("1 user can open no further session.");
    browser.says("2 of 2");
    let body = json!({"username": "alice", "password": PASSWORD});
    assert_eq!(service.post_login(&body).status, 403);
    desk.go("/console/limits");
    browser.says("1 login since this host was started.");
    browser.says("2 session-limitd from 127.0.0.1");
    desk.go("/console/limits?user=bob");
    browser.says("No login of bob has been refused since this host was started.");
    // alice sees her own.
    assert_eq!(held[0].call("POST", "/logout", None).status, 200);
    let alice = Desk::of(&service, "alice");
    alice.browser.says("Refused logins");
    alice.browser.says("2 session-limitd from 127.0.0.1");
    // The first sample was taken when the service was started.
    eventually("a sample", || {
        let history = service.log_in("admin");
        let known = !history.ok("/api/history")["points"].as_array().unwrap().is_empty();
        assert_eq!(history.call("POST", "/logout", None).status, 200);
        known
    });
    browser.press("History");
    let picture = browser.find("svg");
    assert!(picture.role() == "image" || picture.role() == "img", "{}", picture.role());
    assert!(picture.label().starts_with("At most "), "{}", picture.label());
    browser.says("Samples are kept for 30 days.");
    for span in ["Hour", "Week", "30 days"] {
        browser.press(span);
        browser.says("Sessions by service");
    }
}
