//! Clients that forge, flood and dawdle.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{PASSWORD, World, curl, signal};

#[test]
fn writes_need_the_word_and_a_page_of_this_host() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let cookie = format!("Cookie: sessionid={}", admin.session());
    let csrf = format!("X-CSRFToken: {}", admin.csrf());
    let referer = format!("Referer: {}/x", world.base());
    let body = r#"{"name": "Forged"}"#;
    let url = service.url("/api/useraccountprofile");
    let post = |headers: &[&str]| {
        let mut arguments = vec!["-X", "POST", "-d", body, "-H", "Content-Type: application/json"];
        for header in headers {
            arguments.extend(["-H", header]);
        }
        arguments.push(&url);
        curl(&arguments).status
    };
    assert_eq!(post(&[&csrf, &referer]), 401);
    assert_eq!(post(&[&cookie, &referer]), 403);
    assert_eq!(post(&[&cookie, &csrf]), 403);
    assert_eq!(post(&[&cookie, &csrf, "Referer: https://evil.example/"]), 403);
    assert_eq!(post(&[&cookie, &csrf, &referer, "Origin: https://evil.example"]), 403);
    assert_eq!(post(&[&cookie, "X-CSRFToken: 0", &referer]), 403);
    assert!(!world.configuration().contains("Forged"));
    assert_eq!(post(&[&cookie, &csrf, &referer]), 201);
    // What the cookies hold is nowhere in the process as such, and no other word opens a session.
    for forged in ["", "0", &"0".repeat(64), "../../etc/passwd"] {
        let cookie = format!("Cookie: sessionid={forged}");
        assert_eq!(curl(&["-H", &cookie, &service.url("/api/useraccount")]).status, 401);
    }
}

#[test]
fn bodies_and_heads_are_bounded() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    let long = json!({"name": "x".repeat(70_000)});
    let file = world.path("body");
    std::fs::write(&file, long.to_string()).unwrap();
    let data = format!("@{}", file.display());
    assert_eq!(curl(&["-H", "Expect:", "-d", &data, &service.url("/login")]).status, 413);
    let header = format!("X-Long: {}", "x".repeat(100_000));
    let refused = curl(&["-H", &header, &service.url("/healthz")]).status;
    assert!(refused == 431 || refused == 0, "{refused}");
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    std::fs::write(&file, deep).unwrap();
    assert_eq!(curl(&["-d", &data, &service.url("/login")]).status, 400);
    admin.ok("/api/useraccount");
}

#[test]
fn slow_and_many_connections_keep_no_client_out() {
    let Some(world) = World::new() else { return };
    world.configure(0, "tls = false\n");
    let service = world.serve();
    let address = ("127.0.0.1", world.port());
    let began = Instant::now();
    // More than the service takes, each with half a head.
    let crowd: Vec<TcpStream> = (0..1200)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n");
            stream
        })
        .collect();
    let url = format!("http://127.0.0.1:{}/healthz", world.port());
    assert_eq!(curl(&[&url]).status, 200);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // And none of them stays open.
    let mut last = crowd.last().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    last.read_to_end(&mut rest).unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    drop(service);
}

#[test]
fn one_request_is_never_taken_for_two() {
    let Some(world) = World::new() else { return };
    world.configure(0, "tls = false\n");
    let service = world.serve();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for head in [
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding : chunked",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", world.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let request = format!("POST /login HTTP/1.1\r\nHost: h\r\n{head}\r\n\r\n{smuggled}");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 404 "), "{head}: {answer}");
        assert!(answer.is_empty() || answer.contains(" 400 "), "{head}: {answer}");
    }
    drop(service);
}

#[test]
fn a_session_acts_for_its_own_user_whatever_else_a_request_says() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let (admin, alice, bob) =
        (service.log_in("admin"), service.log_in("alice"), service.log_in("bob"));
    let name = |headers: &[&str]| {
        let url = service.url("/api/useraccount");
        let mut arguments: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
        arguments.push(&url);
        curl(&arguments).body["username"].as_str().unwrap_or("nobody").to_owned()
    };
    let cookie = |client: &crate::world::Client| format!("Cookie: sessionid={}", client.session());
    // Names that a request gives itself mean nothing.
    for claimed in
        ["X-Remote-User: admin", "X-Forwarded-User: root", "Authorization: Basic YWRtaW46"]
    {
        assert_eq!(name(&[&cookie(&alice), claimed]), "alice", "{claimed}");
        assert_eq!(name(&[claimed]), "nobody", "{claimed}");
    }
    // Cookies that were cut, joined or changed open nothing.
    let word = alice.session();
    for forged in [&word[1..], &word.to_uppercase(), &format!("{word}0"), &format!("{word}{word}")]
    {
        let forged = format!("Cookie: sessionid={forged}");
        assert_eq!(name(&[&forged]), "nobody", "{forged}");
    }
    // The word of one session does not authorise a write of another.
    let referer = format!("Referer: {}/", world.base());
    let write = |client: &crate::world::Client, csrf: &str| {
        let csrf = format!("X-CSRFToken: {csrf}");
        let body = r#"{"name": "Forged"}"#;
        let url = service.url("/api/useraccountprofile");
        curl(&["-d", body, "-H", &cookie(client), "-H", &csrf, "-H", &referer, &url]).status
    };
    assert_eq!(write(&alice, admin.csrf()), 403);
    assert_eq!(write(&admin, alice.csrf()), 403);
    // With the cookies of two sessions a request has the word of one, and so only that one's rights.
    let both = format!("Cookie: sessionid={}; avi-sessionid={}", alice.session(), admin.session());
    let csrf = format!("X-CSRFToken: {}", alice.csrf());
    let url = service.url("/api/useraccountprofile");
    let reply =
        curl(&["-d", r#"{"name": "Forged"}"#, "-H", &both, "-H", &csrf, "-H", &referer, &url]);
    assert_eq!(reply.status, 403, "{:?}", reply.body);
    assert!(!world.configuration().contains("Forged"));
    assert_eq!(name(&[&cookie(&bob)]), "bob");
}

#[test]
fn what_a_client_says_of_itself_reaches_no_header_and_no_record() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    for user in
        ["alice\r\nSet-Cookie: sessionid=x", "alice\nadmin", "alice\0", "../alice", "alice "]
    {
        let reply = service.post_login(&json!({"username": user, "password": PASSWORD}));
        assert!(matches!(reply.status, 400 | 401), "{user:?}: {}", reply.status);
        assert!(!reply.head.to_ascii_lowercase().contains("set-cookie"), "{user:?}");
    }
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    let login = ["-d", &body, "-H", "Content-Type: application/json", "-H"];
    let forwarded = "X-Forwarded-For: 192.0.2.99";
    let alice = service.client(&curl(&[&login[..], &[forwarded, &service.url("/login")]].concat()));
    assert_eq!(alice.ok("/api/usersession")["results"][0]["rhost"], "127.0.0.1");
    // The link to the next page names the host that was asked for, as text.
    let admin = service.log_in("admin");
    let cookie = format!("Cookie: sessionid={}", admin.session());
    let url = service.url("/api/usersession?page_size=1&name=%0d%0aX:%20y");
    assert!(!curl(&["-H", &cookie, &url]).head.contains("X: y"));
    let slug = "Slug: useraccountprofile-../../x";
    let csrf = format!("X-CSRFToken: {}", admin.csrf());
    let referer = format!("Referer: {}/", world.base());
    let url = service.url("/api/useraccountprofile");
    let reply = curl(&[
        "-d",
        r#"{"name": "N"}"#,
        "-H",
        &cookie,
        "-H",
        &csrf,
        "-H",
        &referer,
        "-H",
        slug,
        &url,
    ]);
    assert_eq!((reply.status, &reply.body["field"]), (400, &json!("uuid")));
}

#[test]
fn a_new_certificate_under_load_loses_no_call_and_no_session() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let (alice, bob) = (service.log_in("alice"), service.log_in("bob"));
    let pid = i32::try_from(service.pid()).unwrap();
    std::thread::scope(|scope| {
        let calls = [&alice, &bob].map(|client| {
            scope.spawn(move || (0..40).map(|_| client.get("/api/useraccount").status).collect())
        });
        for _ in 0..20 {
            // Without them it makes a new pair.
            for name in ["self-signed.pem", "self-signed.key"] {
                let _ = std::fs::remove_file(world.path("lib/session-limitd").join(name));
            }
            signal(pid, "HUP");
            std::thread::sleep(Duration::from_millis(50));
        }
        for call in calls {
            let statuses: Vec<u16> = call.join().unwrap();
            assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
        }
    });
    assert_eq!(alice.ok("/api/usersession")["count"], 1);
}
