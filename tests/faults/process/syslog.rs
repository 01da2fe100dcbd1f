//! F7: `/dev/log` in every state, and descriptors 0 to 2 closed: decision and time are the same.

use std::io::Read;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testkit::{Host, Login, code};

use crate::{figure, hex, host};

/// A host whose applications see `dev/` of the scratch directory as `/dev`.
fn with_dev() -> (Host, PathBuf) {
    let host = host();
    host.limit(1);
    std::fs::create_dir_all(host.path("dev/shm")).unwrap();
    let log = host.path("dev/log");
    (host, log)
}

fn login(host: &Host, user: &str) -> Login {
    let mut login = host.login("login", user);
    // Scratch directories are in /dev/shm, which must stay where it is.
    for name in ["dev/shm", "dev"] {
        let here = hex(host.path(name).as_os_str().as_encoded_bytes());
        let there = hex(format!("/{name}"));
        let (from, to) = if name == "dev" { (here, there) } else { (there, here) };
        assert_eq!(login.tell(&format!("bind-all {from} {to}")), 0);
    }
    login
}

/// Lets in, refuses, closes; returns how long the longest phase took.
fn round(host: &Host) -> Duration {
    let mut longest = Duration::ZERO;
    let mut timed = |login: &mut Login, command: &str, expected: i32| {
        let began = Instant::now();
        assert_eq!(login.tell(command), expected, "{command}: {}", host.stderr());
        longest = longest.max(began.elapsed());
    };
    let (mut first, mut second) = (login(host, "alice"), login(host, "alice"));
    timed(&mut first, "acct", 0);
    timed(&mut first, "open", 0);
    for _ in 0..20 {
        timed(&mut second, "acct", code::PERM_DENIED);
    }
    timed(&mut first, "close", 0);
    longest
}

fn is_unmoved(what: &str, host: &Host) {
    let took = round(host);
    figure("F7", format!("/dev/log {what}: same decisions, longest phase {took:?}"));
    assert!(took < Duration::from_secs(2), "{what}: {took:?}");
}

#[test]
fn f7_no_reader() {
    let (host, log) = with_dev();
    is_unmoved("absent", &host);
    drop(UnixDatagram::bind(&log).unwrap());
    is_unmoved("refused", &host);
    std::fs::remove_file(&log).unwrap();
    std::fs::write(&log, "").unwrap();
    is_unmoved("a file", &host);
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("log", &log).unwrap();
    is_unmoved("a loop of links", &host);
}

#[test]
fn f7_a_reader_that_never_reads() {
    let (host, log) = with_dev();
    let _stuck = UnixDatagram::bind(&log).unwrap();
    is_unmoved("stuck and full", &host);
}

#[test]
fn f7_a_stream_that_is_stuck_or_goes_away() {
    let (host, log) = with_dev();
    let listener = UnixListener::bind(&log).unwrap();
    is_unmoved("a stream that no process accepts", &host);
    drop(listener);
    is_unmoved("a stream refused", &host);
    std::fs::remove_file(&log).unwrap();
    let listener = UnixListener::bind(&log).unwrap();
    // Every connection is closed at once: a line sent then would raise SIGPIPE.
    std::thread::spawn(move || {
        while let Ok(accepted) = listener.accept() {
            drop(accepted)
        }
    });
    is_unmoved("a stream closed at once", &host);
}

#[test]
fn f7_a_stream_gets_whole_lines() {
    let (host, log) = with_dev();
    let listener = UnixListener::bind(&log).unwrap();
    let mut first = login(&host, "alice");
    assert_eq!(first.log_in(), 0);
    let mut line = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert!(line.starts_with("<86>pam_actor["), "{line}");
    assert!(
        line.ends_with("\0") && line.contains("session opened for user alice: 1 of 1"),
        "{line}"
    );
}

#[test]
fn f7_descriptors_0_to_2_closed_stay_closed_and_clean() {
    for closed in [&[2][..], &[0, 1, 2]] {
        let host = host();
        host.limit(1);
        // The commands come over other descriptors, then.
        let mut login = host.login("login", "alice");
        let list = closed.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        assert_eq!(login.tell(&format!("with-descriptors-closed {list} acct")), 0);
        assert_eq!(login.tell(&format!("with-descriptors-closed {list} open")), 0);
        assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED, "it was counted");
        assert_eq!(login.tell(&format!("with-descriptors-closed {list} close")), 0);
        assert_eq!(crate::damaged_files(&host), Vec::<String>::new());
        let lock = std::fs::read(host.path("state/sessions.db.lock")).unwrap();
        // No process waited for it, so not even a counter.
        assert_eq!(lock, b"", "nothing was written to it");
    }
    figure("F7", "descriptors 0 to 2 closed: counted as usual, and closed after each hook");
}
