//! The limit, the warning, and logins that count.

use std::thread;

use serde_json::json;

use crate::world::{PASSWORD, WARNING, World, curl};

#[test]
fn name_and_password_open_a_session_with_all_that_clients_expect() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let body = json!({"username": "alice", "password": PASSWORD});
    let form = format!("username=alice&password={}", PASSWORD.replace(' ', "+"));
    for reply in [service.post_login(&body), curl(&["-d", &form, &service.url("/login")])] {
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        assert_eq!(reply.body["session_cookie_name"], "avi-sessionid");
        assert_eq!(reply.body["user"]["username"], "alice");
        assert_eq!(reply.body["controller"]["api_idle_timeout"], 15);
        assert!(reply.body["version"]["Version"].is_string());
        for cookie in ["sessionid", "avi-sessionid"] {
            let line = format!(
                "{cookie}={}; Path=/; Secure; HttpOnly; SameSite=Strict",
                reply.cookie(cookie)
            );
            assert!(reply.head.contains(&line), "{}", reply.head);
        }
        let client = service.client(&reply);
        assert_eq!(client.ok("/api/useraccount")["username"], "alice");
    }
    let admin = service.log_in("admin");
    let sessions = admin.ok("/api/usersession?name=alice");
    assert_eq!(sessions["count"], 2);
    let first = &sessions["results"][0];
    assert_eq!(
        (&first["service"], &first["rhost"], &first["tty"]),
        (&json!("session-limitd"), &json!("127.0.0.1"), &json!("http"))
    );
}

#[test]
fn a_wrong_password_is_401_and_guessing_is_429() {
    let Some(world) = World::new() else { return };
    world.configure(0, "login_attempts_per_address = 3\n");
    let service = world.serve();
    let wrong = |user: &str| service.post_login(&json!({"username": user, "password": "wrong"}));
    assert_eq!((wrong("alice").status, wrong("no-such-user").status), (401, 401));
    // Those who know the password do not use attempts up.
    for _ in 0..3 {
        service.log_in("alice");
    }
    let last = wrong("alice");
    assert_eq!((last.status, last.error()), (401, "Invalid credentials"));
    let reply = service.post_login(&json!({"username": "alice", "password": PASSWORD}));
    assert_eq!(reply.status, 429);
    assert!(reply.head.to_ascii_lowercase().contains("retry-after: 60"));
}

#[test]
fn at_the_limit_the_warning_is_403_and_clearing_lets_in() {
    let Some(world) = World::new() else { return };
    world.configure(2, "");
    let service = world.serve();
    let (first, second) = (service.log_in("alice"), service.log_in("alice"));
    let body = json!({"username": "alice", "password": PASSWORD});
    let refused = service.post_login(&body);
    assert_eq!((refused.status, refused.error()), (403, WARNING));
    assert!(!refused.head.to_ascii_lowercase().contains("set-cookie"));
    // Another user has a limit of their own.
    service.log_in("bob");

    let body = json!({"username": "alice", "password": PASSWORD, "clear_sessions": true});
    let third = service.client(&service.post_login(&body));
    assert_eq!(
        (first.get("/api/useraccount").status, second.get("/api/useraccount").status),
        (401, 401)
    );
    assert_eq!(third.ok("/api/usersession")["count"], 1);
}

#[test]
fn of_a_hundred_logins_at_once_five_get_in() {
    let Some(world) = World::new() else { return };
    world.configure(5, "login_attempts_per_address = 0\n");
    let service = world.serve();
    let body = json!({"username": "alice", "password": PASSWORD});
    let statuses: Vec<u16> = thread::scope(|scope| {
        let logins: Vec<_> =
            (0..100).map(|_| scope.spawn(|| service.post_login(&body).status)).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|&&s| s == status).count();
    assert_eq!((count(200), count(403)), (5, 95), "{statuses:?}");
    let admin = service.log_in("admin");
    assert_eq!(admin.ok("/api/usersession?name=alice")["count"], 5);
    let activity = admin.ok("/api/useractivity?name=alice");
    assert_eq!(activity["results"][0]["concurrent_sessions"], 5);
}
