//! A host of a fleet, whose agent is played: what the API and the counters show.

use std::os::unix::fs::DirBuilderExt;

use serde_json::json;

use crate::world::{Client, PASSWORD, Reply, World, curl};

const FLEET: &str = "\n[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\nhost = \"web1\"\n";
const HOSTS: &str = concat!(
    r#"{"host":"web1","since":1764100000,"renewed":1,"sessions":1,"version":"0.2.0","is_self":true}"#,
    "\n",
    r#"{"host":"web2","since":1764100000,"renewed":3,"sessions":2,"version":"0.2.0","is_self":false}"#,
    "\n1 end\n"
);
const STATUS: &str = concat!(
    r#"{"host":"web1","answers":true,"down":null,"sessions":1,"is_settled":true,"granted":4,"#,
    r#""refused":3,"unanswered":2,"overtaken":0,"leases_lost":1,"taken_in":0,"over_limit":0}"#,
    "\n1 end\n"
);

/// The line of a session on a host.
fn session(host: &str, id: i64, uid: u32, user: &str) -> String {
    let since = 1_764_100_000;
    let object = json!({
        "host": host, "id": id, "uid": uid, "user": user, "service": "sshd", "tty": "ssh",
        "rhost": "192.0.2.7", "since": since,
    });
    format!("{object}\n")
}

/// Answers as the agent of a fleet of two hosts does: alice and bob are on the other one.
fn play_agent(world: &World) {
    let directory = world.path("run/session-limit");
    std::fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
    testkit::play_agent(&directory.join("fleet.sock"), |words| {
        let own = session("web1", 1, 3000, "admin");
        let (alice, bob) = (session("web2", 7, 3001, "alice"), session("web2", 8, 3002, "bob"));
        match words {
            [_, "hosts"] => HOSTS.to_owned(),
            [_, "status"] => STATUS.to_owned(),
            [_, "sessions"] => format!("{own}{alice}{bob}1 end\n"),
            [_, "sessions", "3001"] => format!("{alice}1 end\n"),
            [_, "sessions", "3002"] => format!("{bob}1 end\n"),
            [_, "sessions", _] => "1 end\n".to_owned(),
            [_, "take" | "check", "3002", ..] => "1 refused web1=0 web2=1\n".to_owned(),
            [_, "take" | "check", ..] => "1 granted 1\n".to_owned(),
            [_, "clear", "3001", "web2:7", ..] => "1 host web2 1 0 0 0 0\n1 end\n".to_owned(),
            [_, "clear", "3002", "web2:8", ..] => "1 silent web2\n1 end\n".to_owned(),
            _ => String::new(),
        }
    });
}

#[test]
fn the_hosts_of_a_fleet_and_their_sessions_are_shown() {
    let Some(world) = World::new() else { return };
    world.configure(0, FLEET);
    play_agent(&world);
    let service = world.serve();
    let [admin, alice] = ["admin", "alice"].map(|user| service.log_in(user));
    let hosts = admin.ok("/api/fleethost?sort=-sessions");
    assert_eq!(hosts["count"], 2);
    let expected = json!({
        "url": "/api/fleethost/web2", "name": "web2", "since": "2025-11-25T19:46:40Z",
        "last_seen_seconds": 3, "sessions": 2, "version": "0.2.0", "is_self": false,
    });
    assert_eq!(hosts["results"][0], expected);
    assert_eq!(admin.ok("/api/fleethost/web1")["is_self"], true);
    assert_eq!(admin.get("/api/fleethost/web3").status, 404);
    assert_eq!(alice.get("/api/fleethost").status, 403);

    // Those of this host are the store's; the one that the fleet has for it is not shown twice.
    let all = admin.ok("/api/fleetsession?sort=host");
    let found: Vec<_> = all["results"].as_array().unwrap().iter().collect();
    let names: Vec<_> = found.iter().map(|one| (&one["host"], &one["name"])).collect();
    let [web1, web2] = ["web1", "web2"].map(|host| json!(host));
    let [a, b, c] = ["admin", "alice", "bob"].map(|name| json!(name));
    assert_eq!(names, [(&web1, &a), (&web1, &b), (&web2, &b), (&web2, &c)]);
    assert!(found[0]["pid"].is_number() && found[0]["is_on_self"] == true, "{all}");
    let expected = json!({
        "id": 7, "url": "/api/fleetsession/web2:7", "host": "web2", "name": "alice", "uid": 3001,
        "service": "sshd", "tty": "ssh", "rhost": "192.0.2.7", "pid": null,
        "since": "2025-11-25T19:46:40Z", "state": "open", "is_current": false, "is_on_self": false,
    });
    assert_eq!(admin.ok("/api/fleetsession/web2:7"), expected);
    assert_eq!(admin.get("/api/fleetsession/web2:9").status, 404);
    assert_eq!(admin.ok("/api/fleetsession?name=bob")["count"], 1);
    assert_eq!(admin.ok("/api/fleetsession?name=no-such-user")["count"], 0);
    let own = alice.ok("/api/fleetsession");
    assert_eq!(own["count"], 2, "{own}");
    assert_eq!(alice.get("/api/fleetsession?name=bob").status, 403);
    assert_eq!(alice.get("/api/fleetsession/web2:8").status, 404);

    // The console shows the same.
    let sessions = page(&admin, "/console/sessions");
    assert!(sessions.contains("4 sessions of 3 users."), "{sessions}");
    assert_eq!(sessions.matches("<td>web2</td>").count(), 2, "{sessions}");
    assert_eq!(sessions.matches("<td>web1 (this host)</td>").count(), 2, "{sessions}");
    assert_eq!(sessions.matches("aria-label=\"End session").count(), 4, "{sessions}");
    assert_eq!(sessions.matches("name=\"host\" value=\"web2\"").count(), 2, "{sessions}");
    let found = page(&admin, "/console/sessions?q=web2&sort=-host");
    assert!(found.contains("2 sessions of 2 users match"), "{found}");
    let own = page(&alice, "/console/account");
    assert_eq!(own.matches("<td>web2</td>").count(), 1, "{own}");
    let status = page(&admin, "/console/status");
    assert!(status.contains("One limit holds over 2 hosts."), "{status}");
    assert!(status.contains("<td>web2</td>") && status.contains("3 s ago"), "{status}");

    let metrics = shown(curl(&[&service.url("/metrics")]));
    for line in [
        "session_limit_fleet_up 1",
        "session_limit_fleet_hosts 2",
        "session_limit_fleet_sessions 3",
        "session_limit_fleet_logins_total{result=\"unanswered\"} 2",
        "session_limit_fleet_leases_lost_total 1",
    ] {
        assert!(metrics.lines().any(|written| written == line), "{line} in {metrics}");
    }
}

#[test]
fn what_a_user_holds_is_counted_on_all_hosts() {
    let Some(world) = World::new() else { return };
    world.configure(2, FLEET);
    play_agent(&world);
    let service = world.serve();
    let [admin, alice] = ["admin", "alice"].map(|user| service.log_in(user));
    // alice is here and on web2, bob on web2 only.
    let all = admin.ok("/api/useractivity?sort=name");
    let held = |one: &serde_json::Value| {
        (one["name"].clone(), one["concurrent_sessions"].clone(), one["logged_in"].clone())
    };
    let held: Vec<_> = all["results"].as_array().unwrap().iter().map(held).collect();
    let expected = [("admin", 1), ("alice", 2), ("bob", 1)];
    assert_eq!(held, expected.map(|(name, count)| (json!(name), json!(count), json!(true))));
    assert_eq!(alice.ok("/api/useraccount")["concurrent_sessions"], 2);
    let full = page(&admin, "/console/limits");
    assert!(full.contains("alice") && !full.contains("bob"), "{full}");
    let metrics = shown(curl(&[&service.url("/metrics")]));
    assert!(metrics.contains("\nsession_limit_users_at_limit 1\n"), "{metrics}");
}

#[test]
fn a_login_that_the_fleet_refuses_is_told_what_is_in_use() {
    let Some(world) = World::new() else { return };
    play_agent(&world);
    // With `ask` only the end of all can be chosen, which `clear_sessions` means.
    for policy in ["tell = \"count\"", "on_limit = \"ask\""] {
        world.configure(1, &format!("{FLEET}[policy]\n{policy}\n"));
        let service = world.serve();
        let refused = service.post_login(&json!({"username": "bob", "password": PASSWORD}));
        assert_eq!(refused.status, 403, "{refused:?}");
        let expected = json!({
            "concurrent_sessions": 1, "max_concurrent_sessions": 1, "sessions_to_end": 1,
            "end_session": false,
        });
        assert_eq!(refused.body["at_limit"], expected, "{policy}: {refused:?}");
    }
}

#[test]
fn a_session_of_any_host_is_ended() {
    let Some(world) = World::new() else { return };
    world.configure(0, FLEET);
    play_agent(&world);
    let service = world.serve();
    let [admin, alice] = ["admin", "alice"].map(|user| service.log_in(user));
    let end =
        |client: &Client, id: &str| client.call("DELETE", &format!("/api/fleetsession/{id}"), None);
    for (client, id, status) in [
        (&admin, "web2:9", 404),
        (&admin, "web3:7", 404),
        (&admin, "web2", 404),
        (&admin, "web1:9", 404),
        // Not to be seen by this user.
        (&alice, "web2:8", 404),
    ] {
        assert_eq!(end(client, id).status, status, "{id}");
    }
    let ended = end(&alice, "web2:7");
    assert_eq!((ended.status, &ended.body["ended"]), (200, &json!(1)), "{ended:?}");
    let silent = end(&admin, "web2:8");
    assert_eq!(silent.status, 503, "{silent:?}");
    assert_eq!(
        silent.error(),
        "fleet: host web2 has not answered: sessions there may not have been ended"
    );
    // The button of the console sends what the page says.
    let cookies = format!("Cookie: sessionid={0}; csrftoken={1}", alice.session(), alice.csrf());
    let form = format!("csrf={}&host=web2&id=7&back=/console/account", alice.csrf());
    let (url, origin) =
        (service.url("/console/sessions/end"), format!("Origin: {}", service.url("")));
    let sent = curl(&["-H", &cookies, "-H", &origin, "-d", &form, &url]);
    assert_eq!(sent.status, 303, "{sent:?}");
    assert!(sent.head.contains("location: /console/account?done=1.0"), "{}", sent.head);
    // One of this host, by its name: that of alice, whose next call fails.
    let all = admin.ok("/api/fleetsession?name=alice");
    let of_host = |one: &&serde_json::Value| one["is_on_self"] == true;
    let here = all["results"].as_array().unwrap().iter().find(of_host).unwrap();
    assert_eq!(end(&admin, &format!("web1:{}", here["id"])).status, 200);
    assert_eq!(alice.get("/api/useraccount").status, 401);
    // The session of this very call.
    let own = admin.ok("/api/fleetsession?name=admin");
    let own = own["results"].as_array().unwrap().iter().find(of_host).unwrap();
    assert_eq!(end(&admin, &format!("web1:{}", own["id"])).status, 200);
    assert_eq!(admin.get("/api/useraccount").status, 401);
}

#[test]
fn a_fleet_that_cannot_be_asked_is_said_to_be_so() {
    let Some(world) = World::new() else { return };
    world.configure(0, FLEET);
    let service = world.serve();
    let admin = service.log_in("admin");
    for path in ["/api/fleethost", "/api/fleetsession"] {
        let reply = admin.get(path);
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(reply.error(), "fleet: session-limit-agent is not running");
    }
    assert_eq!(admin.ok("/api/usersession")["count"], 1);
    for (path, says) in [
        ("/console/sessions", "Sessions of other hosts are not shown"),
        ("/console/limits", "Note: sessions on other hosts are not counted: fleet:"),
        ("/console/status", "The hosts of the fleet are not known"),
    ] {
        let page = page(&admin, path);
        assert!(page.contains(says) && page.contains("is not running"), "{page}");
    }
    let metrics = shown(curl(&[&service.url("/metrics")]));
    assert!(metrics.contains("\nsession_limit_fleet_up 0\n"), "{metrics}");
    assert!(!metrics.contains("fleet_hosts"), "{metrics}");
    // In no fleet at all.
    world.configure(0, "");
    for path in ["/api/fleethost", "/api/fleetsession"] {
        assert_eq!(admin.get(path).status, 404, "{path}");
    }
    assert!(!shown(curl(&[&service.url("/metrics")])).contains("fleet"));
}

/// Returns a page of the console.
fn page(client: &Client, path: &str) -> String {
    shown(client.get(path))
}

/// Returns the text of what must be there.
fn shown(reply: Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.text
}
