//! Refused logins and the history.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{PASSWORD, Service, World, eventually};

fn refused(service: &Service, user: &str) {
    let reply = service.post_login(&json!({"username": user, "password": PASSWORD}));
    assert_eq!(reply.status, 403, "{:?}", reply.body);
}

fn results(answer: &Value) -> &Vec<Value> {
    answer["results"].as_array().unwrap()
}

#[test]
fn a_refused_login_is_shown_to_administrators_and_to_its_user() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    let [alice, bob] = ["alice", "bob"].map(|user| service.log_in(user));
    assert_eq!(alice.ok("/api/refusal"), json!({"count": 0, "results": []}));
    refused(&service, "alice");
    refused(&service, "bob");
    refused(&service, "alice");
    let admin = service.log_in("admin");
    let all = admin.ok("/api/refusal");
    let names: Vec<_> = results(&all).iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "bob", "alice"], "the last one first");
    let mut first = results(&all)[2].clone();
    assert!(first["time"].as_str().unwrap().ends_with('Z'));
    first["time"] = Value::Null;
    let expected = json!({
        "id": 1, "url": "/api/refusal/1", "name": "alice", "uid": 3001, "time": null,
        "service": "session-limitd", "tty": "http", "rhost": "127.0.0.1",
        "max_concurrent_sessions": 1, "concurrent_sessions": 1,
        "held_by": "1 session-limitd from 127.0.0.1", "is_admitted": false,
    });
    assert_eq!(first, expected);
    assert_eq!(admin.ok("/api/refusal?name=bob")["count"], 1);
    assert_eq!(admin.ok("/api/refusal?name=nobody-of-this-name")["count"], 0);
    let page = admin.ok("/api/refusal?page_size=2&sort=id&fields=id");
    assert_eq!((&page["count"], results(&page)[0]["id"].as_i64()), (&json!(3), Some(1)));
    assert!(page["next"].as_str().unwrap().contains("page=2"), "{page}");
    assert_eq!(alice.ok("/api/refusal")["count"], 2);
    assert_eq!(bob.ok("/api/refusal/2")["name"], "bob");
    for (path, status) in [
        ("/api/refusal/1", 404),
        ("/api/refusal/x", 404),
        ("/api/refusal?name=alice", 403),
        ("/api/refusal?page=0", 400),
    ] {
        assert_eq!(bob.get(path).status, status, "{path}");
    }
    for method in ["PUT", "PATCH", "DELETE"] {
        let reply = admin.call(method, "/api/refusal/1", Some(&json!({})));
        assert_eq!(reply.status, 405, "{method}: {:?}", reply.body);
    }
}

#[test]
fn the_history_has_sessions_and_refusals_and_is_for_administrators() {
    let Some(world) = World::new() else { return };
    world.configure(1, "history_days = 7\n");
    {
        let service = world.serve();
        let alice = service.log_in("alice");
        refused(&service, "alice");
        assert_eq!(alice.get("/api/history").status, 403);
        // A sample counts the refusals of the seconds before it.
        std::thread::sleep(Duration::from_millis(1_100));
    }
    // The service takes one when it starts.
    let service = world.serve();
    let admin = service.log_in("admin");
    let now = || admin.ok("/api/history?step=600");
    eventually("no sample is taken", || {
        let points = now()["points"].clone();
        points.as_array().unwrap().iter().any(|point| point["refused"] == 1)
    });
    let history = now();
    assert_eq!((&history["step"], &history["history_days"]), (&json!(600), &json!(7)));
    let sampled = history["points"].as_array().unwrap().iter().find(|p| p["sessions"].is_i64());
    let sampled = sampled.unwrap_or_else(|| panic!("{history}"));
    assert!(sampled["users_at_limit"].is_i64() && sampled["services"].is_object(), "{sampled}");
    for (parameters, named) in [
        ("from=x", "from"),
        ("to=yesterday", "to"),
        ("from=2000-01-01T00:00:00Z", "from"),
        ("step=1", "step"),
        ("page=1", "page"),
    ] {
        let reply = admin.get(&format!("/api/history?{parameters}"));
        assert_eq!(reply.status, 400, "{parameters}");
        assert!(reply.body.to_string().contains(named), "{parameters}: {:?}", reply.body);
    }
    let empty = admin.ok("/api/history?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z");
    assert_eq!(empty["points"], json!([]));
}

#[test]
fn without_history_nothing_is_kept_and_nothing_fails() {
    let Some(world) = World::new() else { return };
    let file = world.path("lib/session-limit/history.db");
    {
        let _service = world.serve();
        eventually("no history is kept by default", || file.exists());
    }
    world.configure(0, "history_days = 0\n");
    let service = world.serve();
    let admin = service.log_in("admin");
    let history = admin.ok("/api/history");
    assert_eq!(history["history_days"], 0, "{history}");
    std::fs::remove_file(&file).unwrap();
    let history = admin.ok("/api/history");
    assert_eq!(history["points"], json!([]));
    std::fs::write(&file, "rubbish, and more of it than a header takes".repeat(9)).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let damaged = admin.get("/api/history");
    assert!((500..600).contains(&damaged.status), "{damaged:?}");
    assert!(damaged.error().contains("history.db"), "{damaged:?}");
    assert_eq!(admin.get("/api/usersession").status, 200, "all else works");
}
