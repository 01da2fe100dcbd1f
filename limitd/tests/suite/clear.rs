//! Sessions that end, and what the next call gets.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{World, eventually, signal};

#[test]
fn the_next_call_after_a_clear_is_401_at_once() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let (alice, other, bob) =
        (service.log_in("alice"), service.log_in("alice"), service.log_in("bob"));
    let admin = service.log_in("admin");
    let cleared = admin.call("POST", "/api/usersession/clear", Some(&json!({"username": "alice"})));
    let since = Instant::now();
    assert_eq!((cleared.status, &cleared.body["ended"]), (200, &json!(2)));
    let statuses = [&alice, &other].map(|client| client.get("/api/useraccount").status);
    assert_eq!(statuses, [401, 401]);
    // Two starts of curl, on a busy machine.
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(
        (bob.get("/api/useraccount").status, admin.get("/api/useraccount").status),
        (200, 200)
    );
}

#[test]
fn the_own_session_ends_with_the_answer_unless_it_is_spared() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let (alice, other) = (service.log_in("alice"), service.log_in("alice"));
    let spared =
        alice.call("POST", "/api/usersession/clear", Some(&json!({"except_current": true})));
    assert_eq!((spared.status, &spared.body["ended"]), (200, &json!(1)));
    assert_eq!(
        (alice.get("/api/useraccount").status, other.get("/api/useraccount").status),
        (200, 401)
    );
    let all = alice.call("POST", "/api/usersession/clear", Some(&json!({})));
    assert_eq!((all.status, &all.body["ended"]), (200, &json!(1)));
    assert_eq!(alice.get("/api/useraccount").status, 401);

    let alice = service.log_in("alice");
    let own = alice.ok("/api/usersession")["results"][0].clone();
    assert_eq!(own["is_current"], true);
    let ended = alice.call("DELETE", own["url"].as_str().unwrap(), None);
    assert_eq!(ended.status, 200);
    assert_eq!(alice.get("/api/useraccount").status, 401);
    let admin = service.log_in("admin");
    assert_eq!(admin.ok("/api/usersession?name=alice")["count"], 0);
}

#[test]
fn one_clears_ones_own_sessions_and_no_others() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let (alice, bob) = (service.log_in("alice"), service.log_in("bob"));
    let bobs = bob.ok("/api/usersession")["results"][0]["url"].as_str().unwrap().to_owned();
    let reply = alice.call("POST", "/api/usersession/clear", Some(&json!({"username": "bob"})));
    assert_eq!(reply.status, 403);
    assert_eq!(alice.call("DELETE", &bobs, None).status, 404);
    assert_eq!(alice.get(&bobs).status, 404);
    assert_eq!(alice.get("/api/useractivity?name=bob").status, 403);
    assert_eq!(alice.ok("/api/usersession")["count"], 1);
    bob.ok("/api/useraccount");
}

#[test]
fn a_logout_and_each_way_to_die_leave_no_row() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let held =
        || admin.ok("/api/useractivity?name=alice")["results"][0]["concurrent_sessions"].clone();
    let alice = service.log_in("alice");
    assert_eq!(held(), 1);
    assert_eq!(alice.call("POST", "/logout", None).status, 200);
    assert_eq!(alice.get("/api/useraccount").status, 401);
    eventually("the session closes", || held() == 0);

    for name in ["TERM", "HUP", "KILL"] {
        let alice = service.log_in("alice");
        let pid = alice.ok("/api/usersession")["results"][0]["pid"].as_i64().unwrap();
        signal(i32::try_from(pid).unwrap(), name);
        eventually("its client notices", || alice.get("/api/useraccount").status == 401);
        assert_eq!(held(), 0, "after SIG{name}");
    }
}

#[test]
fn with_the_service_all_its_sessions_end() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    service.log_in("alice");
    let front = service.children()[0];
    // The process of the login, and the one that keeps the history.
    let others = || service.children().len() - 1;
    eventually("both run", || others() == 2);
    signal(front, "KILL");
    eventually("the launcher ends", || !std::fs::exists(format!("/proc/{front}")).unwrap());
    drop(service);
    // The slot is free again.
    let service = world.serve();
    service.log_in("alice");
    assert_eq!(service.stop(), 0);
    let service = world.serve();
    service.log_in("alice");
}

#[test]
fn an_idle_session_ends_by_itself() {
    let Some(world) = World::new() else { return };
    world.configure(0, "api_idle_timeout = 1\n");
    let service = world.serve();
    let (idle, busy) = (service.log_in("alice"), service.log_in("bob"));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(63) {
        busy.ok("/api/useraccount");
        std::thread::sleep(Duration::from_secs(3));
    }
    assert_eq!(idle.get("/api/useraccount").status, 401);
    busy.ok("/api/useraccount");
    let admin = service.log_in("admin");
    assert_eq!(admin.ok("/api/usersession?name=alice")["count"], 0);
}
