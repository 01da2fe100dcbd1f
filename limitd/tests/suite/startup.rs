//! What it says when it cannot serve, and what the front may do.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::world::{PASSWORD, World, curl, eventually, signal};

#[test]
fn what_keeps_it_from_serving_is_said_in_one_line() {
    let Some(world) = World::new() else { return };
    let taken = std::net::TcpListener::bind(("127.0.0.1", world.port())).unwrap();
    let said = world.refuses_to_serve();
    assert!(
        said.contains(&format!("127.0.0.1:{}: Address already in use", world.port())),
        "{said}"
    );
    drop(taken);
    world.configure(0, "certificate = \"/etc/none.pem\"\nkey = \"/etc/none.key\"\n");
    let said = world.refuses_to_serve();
    assert!(said.contains("/etc/none.pem: cannot be read: No such file"), "{said}");
    let passwd = fs::read_to_string(world.path("etc/passwd")).unwrap();
    let without: String = passwd
        .lines()
        .filter(|l| !l.starts_with("session-limit"))
        .map(|l| format!("{l}\n"))
        .collect();
    world.write("etc/passwd", &without);
    let said = world.refuses_to_serve();
    assert!(said.contains("there is no user session-limit"), "{said}");
}

#[test]
fn it_does_not_serve_as_root_and_names_the_socket_that_is_missing() {
    let Some(world) = World::new() else { return };
    let program = env!("CARGO_BIN_EXE_session-limitd");
    let run = |words: &[&str]| {
        let output = world.command(words).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(run(&[program]).contains("does not serve as root"));
    // A copy that user session-limit can reach.
    let copy = world.path("lib/session-limitd-copy");
    testkit::copy_program(program, &copy);
    let as_user = [
        "setpriv",
        "--reuid=3900",
        "--regid=3900",
        "--clear-groups",
        "/var/lib/session-limitd-copy",
    ];
    let said = run(&as_user);
    assert!(
        said.contains("/run/session-limitd/session.sock: session processes cannot be reached"),
        "{said}"
    );
}

#[test]
fn with_a_broken_configuration_it_answers_503_with_the_line_until_that_is_repaired() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let good = world.configuration();
    world.write("etc/session-limit/config.toml", &format!("{good}\ncolour = 1\n"));
    let admin = service.log_in("admin");
    let reply = admin.get("/api/useraccountprofile");
    assert_eq!(reply.status, 503);
    assert!(reply.error().starts_with("/etc/session-limit/config.toml:"), "{}", reply.error());
    signal(i32::try_from(service.pid()).unwrap(), "HUP");
    eventually("it is noticed", || curl(&[&service.url("/healthz")]).status == 503);
    let login = || service.post_login(&json!({"username": "alice", "password": PASSWORD}));
    let refused = login();
    assert_eq!(refused.status, 503);
    assert!(refused.error().contains("colour"), "{}", refused.error());
    world.write("etc/session-limit/config.toml", &good);
    assert_eq!(login().status, 200);
}

#[test]
fn the_front_has_no_rights() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    alice.ok("/api/useraccount");
    let front = service.children()[0];
    let status = fs::read_to_string(format!("/proc/{front}/status")).unwrap();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    };
    assert_eq!(field("Uid:"), "3900\t3900\t3900\t3900");
    assert_eq!(field("Gid:"), "3900\t3900\t3900\t3900");
    assert_eq!(field("Groups:"), "");
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("CapPrm:"), "0000000000000000");
    // Nothing of the store, of shadow or of the configuration is open in it.
    for entry in fs::read_dir(format!("/proc/{front}/fd")).unwrap() {
        let target = fs::read_link(entry.unwrap().path()).unwrap();
        let target = target.to_string_lossy();
        assert!(!target.contains("/etc/") && !target.contains("live-sessions"), "{target}");
    }
    let as_front = |path: &str| {
        let words = ["setpriv", "--reuid=3900", "--regid=3900", "--clear-groups", "cat", path];
        world.command(&words).output().unwrap().status.success()
    };
    assert!(as_front("/etc/passwd"));
    assert!(!as_front("/etc/shadow") && !as_front("/run/session-limit/live-sessions.db"));
}

#[test]
fn other_users_of_the_host_do_not_reach_session_processes() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    service.log_in("alice");
    let script = "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('/run/session-limitd/session.sock')";
    let connect = |uid: &str| {
        let (reuid, regid) = (format!("--reuid={uid}"), format!("--regid={uid}"));
        let words = ["setpriv", &reuid, &regid, "--clear-groups", "python3", "-c", script];
        world.command(&words).output().unwrap()
    };
    let refused = connect("3001");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("PermissionError"), "{said}");
    let let_in = connect("3900");
    assert!(let_in.status.success(), "{}", String::from_utf8_lossy(&let_in.stderr));
}

#[test]
fn a_new_certificate_is_taken_into_use_and_ends_no_session() {
    let Some(world) = World::new() else { return };
    let write = |expired: bool| {
        let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        world.write("etc/api.pem", &certificate);
        world.write("etc/api.key", &key.serialize_pem());
        let kept = world.path("trusted.pem");
        fs::write(&kept, certificate).unwrap();
        kept.display().to_string()
    };
    let is_trusted = |file: &str, url: &str| {
        let arguments = ["-s", "-o", "/dev/null", "--cacert", file, url];
        Command::new("curl").args(arguments).status().unwrap().success()
    };
    let first = write(false);
    world.configure(0, "certificate = \"/etc/api.pem\"\nkey = \"/etc/api.key\"\n");
    let service = world.serve();
    let alice = service.log_in("alice");
    let url = service.url("/healthz");
    assert!(is_trusted(&first, &url));
    let second = write(false);
    assert!(!is_trusted(&second, &url), "not yet");
    let pid = i32::try_from(service.pid()).unwrap();
    signal(pid, "HUP");
    eventually("the new certificate is in use", || is_trusted(&second, &url));
    alice.ok("/api/useraccount");
    // One that cannot be used leaves the old one in use.
    let good = fs::read(&second).unwrap();
    write(true);
    fs::write(&second, good).unwrap();
    signal(pid, "HUP");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(is_trusted(&second, &url));
    alice.ok("/api/useraccount");
}
