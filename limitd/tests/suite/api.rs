//! Objects: what can be read, changed and not changed.

use serde_json::{Value, json};

use crate::world::{DEFAULT_PROFILE, World, curl};

#[test]
fn a_profile_lives_through_all_calls() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let body = json!({"name": "Staff", "max_concurrent_sessions": 3});
    let created = admin.call("POST", "/api/useraccountprofile", Some(&body));
    assert_eq!((created.status, &created.body["name"]), (201, &json!("Staff")));
    assert_eq!(admin.call("POST", "/api/useraccountprofile", Some(&body)).status, 409);
    let url = created.body["url"].as_str().unwrap().to_owned();

    let mut read = admin.ok(&url);
    assert_eq!(read, created.body);
    read["account_lock_timeout"] = json!(5);
    let replaced = admin.call("PUT", &url, Some(&read));
    assert_eq!((replaced.status, &replaced.body["account_lock_timeout"]), (200, &json!(5)));
    // What was read before is no longer what is there.
    assert_eq!(admin.call("PUT", &url, Some(&read)).status, 412);
    let verbs =
        json!({"replace": {"max_concurrent_sessions": 4}, "delete": {"account_lock_timeout": 0}});
    let patched = admin.call("PATCH", &url, Some(&verbs));
    assert_eq!(
        (&patched.body["max_concurrent_sessions"], &patched.body["account_lock_timeout"]),
        (&json!(4), &json!(30))
    );
    assert!(world.configuration().contains("name = \"Staff\""));

    let user = json!({"username": "alice", "user_profile_ref": url});
    let user = admin.call("POST", "/api/user", Some(&user));
    assert_eq!((user.status, &user.body["is_assigned"]), (201, &json!(true)));
    assert_eq!(service.log_in("alice").ok("/api/useraccount")["max_concurrent_sessions"], 4);
    assert_eq!(admin.call("DELETE", &url, None).status, 409, "still assigned");
    assert_eq!(admin.call("DELETE", user.body["url"].as_str().unwrap(), None).status, 204);
    assert_eq!(admin.call("DELETE", &url, None).status, 204);
    assert_eq!((admin.get(&url).status, admin.call("DELETE", &url, None).status), (404, 404));
    assert!(!world.configuration().contains("Staff"));
}

#[test]
fn a_limit_is_tried_out_without_being_set() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let _alices: Vec<_> = (0..3).map(|_| service.log_in("alice")).collect();
    let bob = service.log_in("bob");
    let before = world.configuration();
    let url = format!("/api/useraccountprofile/{DEFAULT_PROFILE}/check");
    let check = |limit| admin.call("POST", &url, Some(&json!({"max_concurrent_sessions": limit})));
    let checked = check(json!(2));
    assert_eq!(checked.status, 200, "{:?}", checked.body);
    let users = checked.body["users"].as_array().unwrap();
    let rows: Vec<_> =
        users.iter().map(|user| (&user["user"], &user["sessions"], &user["above_by"])).collect();
    assert_eq!(rows, [(&json!("alice"), &json!(3), &json!(1))]);
    assert_eq!(check(json!(0)).body["users"], json!([]));
    for (body, field) in [
        (json!({"max_concurrent_sessions": "2"}), json!("max_concurrent_sessions")),
        (json!({}), json!("max_concurrent_sessions")),
        (json!({"account_lock_timeout": 1}), json!("account_lock_timeout")),
        (json!([]), Value::Null),
    ] {
        let reply = admin.call("POST", &url, Some(&body));
        assert_eq!((reply.status, &reply.body["field"]), (400, &field), "{body}");
    }
    let body = json!({"max_concurrent_sessions": 2});
    assert_eq!(bob.call("POST", &url, Some(&body)).status, 403);
    assert_eq!(admin.call("POST", "/api/useraccountprofile/x/check", Some(&body)).status, 404);
    assert_eq!(world.configuration(), before);
}

#[test]
fn a_profile_is_renamed_and_those_who_have_it_follow() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    // Written by hand: its identifier is not in the file.
    let by_hand = "\n[[useraccountprofile]]\nname = \"Staff\" # all of them\nmax_concurrent_sessions = 3\n\n\
                   [[user]]\nusername = \"alice\"\nuser_profile = \"Staff\"\n\n\
                   [[group]]\nname = \"ops\"\nuser_profile = \"Staff\"\n";
    world.write("etc/session-limit/config.toml", &(world.configuration() + by_hand));
    let mut read = admin.ok("/api/useraccountprofile?name=Staff")["results"][0].clone();
    let url = read["url"].as_str().unwrap().to_owned();
    for (name, status) in [("", 400), ("a\tb", 400), ("Default-User-Account-Profile", 409)] {
        read["name"] = json!(name);
        assert_eq!(admin.call("PUT", &url, Some(&read)).status, status, "{name:?}");
    }
    read["name"] = json!("People");
    let renamed = admin.call("PUT", &url, Some(&read));
    assert_eq!((renamed.status, &renamed.body["name"]), (200, &json!("People")));
    assert_eq!(renamed.body["url"], url);
    let text = world.configuration();
    assert!(
        text.contains("name = \"People\" # all of them\n") && !text.contains("Staff"),
        "{text}"
    );
    assert_eq!(text.matches("user_profile = \"People\"").count(), 2);
    assert_eq!(service.log_in("alice").ok("/api/useraccount")["max_concurrent_sessions"], 3);
    let back = admin.call("PATCH", &url, Some(&json!({"replace": {"name": "Staff"}})));
    assert_eq!((back.status, &back.body["name"]), (200, &json!("Staff")));
    let default = format!("/api/useraccountprofile/{DEFAULT_PROFILE}");
    let refused = admin.call("PATCH", &default, Some(&json!({"replace": {"name": "X"}})));
    assert!(refused.status == 409 && refused.error().contains("cannot be renamed"), "{refused:?}");
}

#[test]
fn a_profile_has_an_on_limit_of_its_own_that_logins_obey() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    let admin = service.log_in("admin");
    let url = format!("/api/useraccountprofile/{DEFAULT_PROFILE}");
    let patch = |verbs| admin.call("PATCH", &url, Some(&verbs));
    let login =
        || service.post_login(&json!({"username": "alice", "password": crate::world::PASSWORD}));
    service.log_in("alice");
    assert_eq!(login().status, 403);
    for bad in [json!("never"), json!(5), json!("")] {
        let refused = patch(json!({"replace": {"on_limit": bad}}));
        assert_eq!((refused.status, &refused.body["field"]), (400, &json!("on_limit")));
        assert!(refused.error().contains("reject, ask, evict-oldest, log"), "{}", refused.error());
    }
    let changed = patch(json!({"replace": {"on_limit": "log"}}));
    assert_eq!((changed.status, &changed.body["on_limit"]), (200, &json!("log")));
    assert!(world.configuration().contains("on_limit = \"log\"\n"));
    assert_eq!(login().status, 200);
    // What was read can be handed back, and what is left out is taken back.
    let mut read = admin.ok(&url);
    assert_eq!(admin.call("PUT", &url, Some(&read)).body["on_limit"], "log");
    read.as_object_mut().unwrap().remove("on_limit");
    let replaced = admin.call("PUT", &url, Some(&read));
    assert_eq!((replaced.status, &replaced.body["on_limit"]), (200, &Value::Null));
    assert_eq!((login().status, world.configuration().contains("on_limit")), (403, false));
    let body = json!({"name": "Trial", "max_concurrent_sessions": 1, "on_limit": "ask"});
    let created = admin.call("POST", "/api/useraccountprofile", Some(&body));
    assert_eq!((created.status, &created.body["on_limit"]), (201, &json!("ask")));
}

#[test]
fn lists_have_pages_names_fields_and_an_order() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    for n in 1..=4 {
        let body = json!({"name": format!("P{n}"), "max_concurrent_sessions": 10 - n});
        assert_eq!(admin.call("POST", "/api/useraccountprofile", Some(&body)).status, 201);
    }
    let mut path = "/api/useraccountprofile?page_size=2&sort=-name".to_owned();
    let mut names = Vec::new();
    loop {
        let page = admin.ok(&path);
        assert_eq!(page["count"], 5);
        let results = page["results"].as_array().unwrap();
        names.extend(results.iter().map(|object| object["name"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => path = next.strip_prefix(&world.base()).unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["P4", "P3", "P2", "P1", "Default-User-Account-Profile"]);
    let one = admin.ok("/api/useraccountprofile?name=P2&fields=max_concurrent_sessions");
    let fields: Vec<&String> = one["results"][0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["max_concurrent_sessions", "name", "url", "uuid"]);
    assert_eq!(one["count"], 1);
    for (query, field) in [
        ("page=0", "page"),
        ("page_size=201", "page_size"),
        ("sort=colour", "sort"),
        ("fields=colour", "fields"),
        ("colour=1", "colour"),
    ] {
        let reply = admin.get(&format!("/api/useraccountprofile?{query}"));
        assert_eq!((reply.status, &reply.body["field"]), (400, &json!(field)), "{query}");
    }
    let user = admin.ok("/api/user?name=bob&include_name")["results"][0].clone();
    let expected =
        format!("/api/useraccountprofile/{DEFAULT_PROFILE}#Default-User-Account-Profile");
    assert_eq!(user["user_profile_ref"], expected);
    assert_eq!(admin.ok("/api/user?name=no-such-user")["count"], 0);
}

#[test]
fn what_is_not_valid_is_400_with_the_field_and_changes_nothing() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let before = world.configuration();
    let url = format!("/api/useraccountprofile/{DEFAULT_PROFILE}");
    for (body, field) in [
        (json!({"replace": {"max_concurrent_sessions": -1}}), json!("max_concurrent_sessions")),
        (json!({"replace": {"max_concurrent_sessions": "5"}}), json!("max_concurrent_sessions")),
        (json!({"replace": {"colour": 1}}), json!("colour")),
        (json!({"insert": {}}), json!("insert")),
        (json!(5), Value::Null),
    ] {
        let reply = admin.call("PATCH", &url, Some(&body));
        assert_eq!((reply.status, &reply.body["field"]), (400, &field), "{body}");
    }
    assert_eq!(admin.call("DELETE", &url, None).status, 409, "the default profile");
    for (method, path, status) in [
        ("GET", "/api/pool", 404),
        ("GET", "/nothing", 404),
        ("POST", "/api/useractivity", 405),
        ("DELETE", "/login", 405),
        ("PUT", "/api/usersession/1", 405),
    ] {
        let reply = admin.call(method, path, Some(&json!({})));
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(!reply.error().is_empty());
    }
    assert_eq!(world.configuration(), before);
}

#[test]
fn only_administrators_change_what_holds_for_others() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    let before = world.configuration();
    let url = format!("/api/useraccountprofile/{DEFAULT_PROFILE}");
    let verbs = json!({"replace": {"max_concurrent_sessions": 99}});
    assert_eq!(alice.call("PATCH", &url, Some(&verbs)).status, 403);
    assert_eq!(
        alice.call("POST", "/api/useraccountprofile", Some(&json!({"name": "X"}))).status,
        403
    );
    assert_eq!(alice.get("/api/usergroup").status, 403);
    assert_eq!(alice.ok("/api/user")["results"][0]["username"], "alice");
    assert_eq!(world.configuration(), before);
}

#[test]
fn the_service_describes_itself() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    service.log_in("alice");
    let document = curl(&[&service.url("/api/openapi.json")]).body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(curl(&[&service.url("/healthz")]).body["status"], "ok");
    let metrics = std::process::Command::new("curl")
        .args(["-ks", &service.url("/metrics")])
        .output()
        .unwrap();
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    for line in [
        "session_limit_open_sessions{service=\"session-limitd\"} 1",
        "session_limit_users_at_limit 1",
        "session_limit_api_sessions 1",
        "session_limit_api_logins_total{result=\"opened\"} 1",
    ] {
        assert!(metrics.lines().any(|written| written == line), "{line} in {metrics}");
    }
    let forwarded = curl(&["-H", "X-Forwarded-For: 192.0.2.1", &service.url("/metrics")]);
    assert_eq!(forwarded.status, 403);
}
