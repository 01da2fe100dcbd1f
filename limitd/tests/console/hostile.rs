//! Text and pages of others that want to act in a user's name.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use serde_json::json;

use crate::desk::{Desk, PAGES, sqlite, world};
use crate::world::{PASSWORD, World, curl};

/// What every text that a user can influence is set to.
const SCRIPT: &str = "<script>window.hacked=1</script>'\"><img src=x onerror=window.hacked=1>&amp;";

/// Serves one page on another origin until the test ends; returns its address.
fn elsewhere(page: String) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut room = [0; 8192];
            let _ = stream.read(&mut room);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n";
            let _ = stream.write_all(format!("{head}{page}").as_bytes());
        }
    });
    address
}

/// Writes rows with hostile texts beside those of a session, with the leader of that session.
fn hostile_rows(world: &World) {
    let text = SCRIPT.replace('\'', "''");
    let columns = "(SELECT group_concat(name) FROM pragma_table_info('session'))";
    let columns = sqlite(world, &format!("SELECT {columns}"));
    let values: Vec<String> = columns
        .split(',')
        .map(|column| match column {
            "id" => "id + 1000".to_owned(),
            "user" | "service" | "tty" | "rhost" => format!("'{text}'"),
            other => other.to_owned(),
        })
        .collect();
    let values = values.join(", ");
    sqlite(world, &format!("INSERT INTO session ({columns}) SELECT {values} FROM session LIMIT 1"));
}

#[test]
fn text_from_outside_is_shown_as_text() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    let admin = service.log_in("admin");
    hostile_rows(&world);
    let profile = json!({"name": SCRIPT});
    assert_eq!(admin.call("POST", "/api/useraccountprofile", Some(&profile)).status, 201);
    let reference = "/api/useraccountprofile?name=Default-User-Account-Profile";
    for (path, key) in [("/api/user", "username"), ("/api/usergroup", "name")] {
        let body = json!({key: SCRIPT, "user_profile_ref": reference});
        assert_eq!(admin.call("POST", path, Some(&body)).status, 201);
    }
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    let unharmed = |what: &str| {
        assert!(browser.run("return window.hacked === undefined").as_bool().unwrap(), "{what}");
        assert_eq!(browser.all("img").len(), 0, "{what}");
    };
    for page in PAGES {
        desk.go(page);
        browser.find("h1");
        unharmed(page);
    }
    for page in ["/console/sessions", "/console/profiles", "/console/assignments"] {
        desk.go(page);
        // Letter for letter.
        browser.says(SCRIPT);
    }
    let encoded: String = SCRIPT.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for page in [
        "sessions?q=",
        "assignments?explain=",
        "limits?user=",
        "sessions/end?user=",
        "history?span=",
        "sessions?sort=",
        "sessions?done=",
        "profiles/",
        "login?next=",
    ] {
        desk.go(&format!("/console/{page}{encoded}"));
        browser.find("body");
        unharmed(page);
    }
    // What would be run in spite of all that is not.
    desk.go("/console/sessions");
    browser.find("h1");
    browser.run(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; \
         document.body.append(s); document.body.setAttribute('onclick', 'window.hacked = 1'); \
         document.body.click();",
    );
    assert!(browser.run("return window.hacked === undefined").as_bool().unwrap(), "inline script");
    drop(alice);
}

#[test]
fn a_page_of_another_origin_can_do_nothing() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    let target = service.url("/console/sessions/end");
    let forged = elsewhere(format!(
        "<form method=post action='{target}'><input name=user value=alice>\
         <input name=csrf value=0000><button>Win</button></form>"
    ));
    browser.go(&forged);
    browser.find("button").click();
    browser.says("The form was not sent by a page of this host.");
    alice.ok("/api/useraccount");
    // Nor log in as another user, or show the console in a frame.
    let target = service.url("/console/login");
    let login = elsewhere(format!(
        "<form method=post action='{target}'><input name=username value=bob>\
         <input name=password value='{PASSWORD}'><button>Win</button></form>"
    ));
    browser.go(&login);
    browser.find("button").click();
    browser.says("The form was not sent by a page of this host.");
    let frame = elsewhere(format!("<iframe src='{}'></iframe>", service.url("/console/login")));
    browser.go(&frame);
    let inside = browser.run_async(
        "const done = arguments[arguments.length - 1]; const f = document.querySelector('iframe'); \
         setTimeout(() => { try { done(String(f.contentDocument && f.contentDocument.body.innerHTML)); } \
         catch (e) { done('blocked'); } }, 500)",
    );
    assert!(!inside.as_str().unwrap().contains("username"), "{inside}");
    // A link from there finds the session all the same.
    browser.go(&elsewhere(format!("<a href='{}'>Go</a>", service.url("/console/profiles"))));
    browser.press("Go");
    browser.says("Logged in as admin");
    assert_eq!(browser.path(), "/console/profiles");
}

#[test]
fn cookies_headers_and_words_are_as_they_should_be() {
    let Some(world) = world() else { return };
    let service = world.serve();
    // A word that was there before the login means nothing after it.
    let desk = Desk::open(&service, crate::browser::Manner::default());
    let browser = &desk.browser;
    desk.go("/console/login");
    let planted = "f".repeat(64);
    browser.run(&format!(
        "document.cookie = 'sessionid={planted}; path=/; secure'; \
         document.cookie = 'csrftoken={planted}; path=/; secure'"
    ));
    desk.log_in("admin");
    browser.says("Logged in as admin");
    let cookies = browser.cookies();
    let mut words = Vec::new();
    for name in ["sessionid", "avi-sessionid", "csrftoken"] {
        let cookie = cookies.iter().find(|cookie| cookie["name"] == name).unwrap();
        assert_eq!(cookie["secure"], true, "{cookie}");
        assert_eq!(cookie["sameSite"], "Strict", "{cookie}");
        assert_eq!(cookie["httpOnly"], name != "csrftoken", "{cookie}");
        assert_ne!(cookie["value"], planted.as_str());
        words.push(cookie["value"].as_str().unwrap().to_owned());
    }
    let visible = browser.run("return document.cookie");
    assert!(!visible.as_str().unwrap().contains(&words[0]), "{visible}");
    // No word in an address, and none in a page but that against forged requests.
    desk.go("/console/account");
    let source = browser.run("return document.documentElement.outerHTML");
    assert!(!source.as_str().unwrap().contains(&words[0]));
    let addresses = browser.run(
        "return [...document.querySelectorAll('a, form')].map((e) => e.href || e.action).join(' ')",
    );
    assert!(words.iter().all(|word| !addresses.as_str().unwrap().contains(word)), "{addresses}");
    // Writes need the word, the session and a page of this host, all of them.
    let cookie = format!("Cookie: sessionid={}; csrftoken={}", words[0], words[2]);
    let alice = service.log_in("alice");
    let post = |headers: &[&str], csrf: &str| {
        let body = format!("user=alice&csrf={csrf}");
        let url = service.url("/console/sessions/end");
        let mut arguments = vec!["-d", &body];
        for header in headers {
            arguments.extend(["-H", header]);
        }
        arguments.push(&url);
        curl(&arguments).status
    };
    let origin = format!("Origin: {}", world.base());
    let same = "Sec-Fetch-Site: same-origin";
    assert_eq!(post(&[&cookie, &origin, same], "0"), 403);
    assert_eq!(post(&[&cookie, &origin, same], ""), 403);
    assert_eq!(post(&[&cookie], &words[2]), 403);
    assert_eq!(post(&[&cookie, &origin, "Sec-Fetch-Site: same-site"], &words[2]), 403);
    assert_eq!(post(&[&cookie, "Origin: null", same], &words[2]), 403);
    assert_eq!(post(&[&cookie, "Origin: https://127.0.0.1:1", same], &words[2]), 403);
    assert_eq!(post(&[&origin, same], &words[2]), 401);
    alice.ok("/api/useraccount");
    assert_eq!(post(&[&cookie, &origin, same], &words[2]), 303);
    assert_eq!(alice.get("/api/useraccount").status, 401);
    // Heads of pages.
    for page in ["/console/login", "/console/sessions", "/console/nothing", "/"] {
        let head = curl(&["-H", &cookie, &service.url(page)]).head.to_ascii_lowercase();
        for line in [
            "cache-control: no-store",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(head.contains(line), "{page}: {line} is not in {head}");
        }
        assert!(!head.contains("unsafe"), "{head}");
    }
    let head = curl(&[&service.url("/console/script.js")]).head;
    assert!(head.contains("text/javascript") && head.contains("immutable"), "{head}");
}
