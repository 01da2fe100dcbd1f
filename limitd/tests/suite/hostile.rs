//! Clients that forge, flood and dawdle.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::world::{World, curl};

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
    // And none of them stays for ever.
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
