//! B5: what a user without rights can do to others: by hand, and by a setuid program that they start.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session_limit_core::system;
use testkit::{FAIL_CLOSED, Host, Stack, code};

use crate::{amount, as_user, figure, hex, host};

fn fail_closed() -> Host {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    host
}

#[test]
fn b5_a_user_can_neither_read_nor_lock_nor_replace_nor_fill_the_store() {
    let host = fail_closed();
    drop(host.logged_in("login", "bob"));
    let state = host.path("state");
    let attempts = [
        "cat sessions.db",
        "cat sessions.db.lock",
        "ls",
        "touch x",
        "rm -f sessions.db.lock",
        "mv sessions.db x",
        "ln sessions.db /tmp/x",
        "flock -n sessions.db.lock true",
        "flock -s -n sessions.db true",
        "flock -n . true",
        "head -c 1 sessions.db",
        "sh -c 'echo x > sessions.db'",
        "sh -c ': > sessions.db-journal'",
        "chmod 777 .",
        "cd .",
    ];
    for attempt in attempts {
        let words = format!("cd {0} 2>/dev/null; cd {0} && {attempt}", state.display());
        let succeeded = Command::new("sh")
            .args(["-c", &words])
            .uid(4001)
            .gid(4001)
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap()
            .success();
        assert!(!succeeded, "{attempt}");
    }
    let outside = Command::new("sh")
        .args(["-c", &format!("mv {0} {0}x || rmdir {0} || ln -s x {0}/y", state.display())])
        .uid(4001)
        .gid(4001)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!outside.success());
    figure("B5", format!("{} attempts by hand: all refused", attempts.len() + 1));
}

/// What a setuid program inherits from its caller; each as commands of the application.
fn hostile(host: &Host) -> Vec<(&'static str, Vec<String>)> {
    let environment = |name: &str, value: &str| format!("environment {} {}", hex(name), hex(value));
    let gone = host.path("gone");
    fs::create_dir_all(&gone).unwrap();
    let gone = hex(gone.to_str().unwrap());
    let limit = |resource: u32, value: &str| format!("rlimit {resource} {value} {value}");
    vec![
        (
            "environment",
            [
                "SQLITE_TMPDIR",
                "TMPDIR",
                "HOME",
                "LD_PRELOAD",
                "LD_LIBRARY_PATH",
                "RUST_BACKTRACE",
                "TZ",
                "LC_ALL",
                "SQLITE_HISTORY",
                "RUST_MIN_STACK",
            ]
            .iter()
            .map(|name| environment(name, "/nonexistent/../../tmp"))
            .collect(),
        ),
        ("umask 0", vec!["umask 0".into()]),
        ("umask 777", vec!["umask 511".into()]),
        ("a directory that is gone", vec![format!("chdir {gone}")]),
        ("signals blocked", vec!["block-signals".into()]),
        ("no file size", vec![limit(libc::RLIMIT_FSIZE, "0")]),
        ("few descriptors", vec![limit(libc::RLIMIT_NOFILE, "7")]),
        ("a small stack", vec![limit(libc::RLIMIT_STACK, "131072")]),
        ("no processes", vec![limit(libc::RLIMIT_NPROC, "0")]),
        ("a second of time", vec![limit(libc::RLIMIT_CPU, "1")]),
        (
            "no core, no locks",
            vec![limit(libc::RLIMIT_CORE, "0"), limit(libc::RLIMIT_MEMLOCK, "0")],
        ),
        ("no signals queued", vec![limit(libc::RLIMIT_SIGPENDING, "0")]),
    ]
}

#[test]
fn b5_a_hostile_caller_of_a_setuid_program_changes_no_decision_about_another_user() {
    let mut slowest = Duration::ZERO;
    let mut cases = 0;
    for first in [true, false] {
        for (what, commands) in hostile(&fail_closed()) {
            let host = fail_closed();
            fs::create_dir_all(host.path("gone")).unwrap();
            if !first {
                drop(host.logged_in("login", "bob"));
            }
            let mut caller = host.login("login", "alice");
            for command in &commands {
                assert_eq!(caller.tell(command), 0, "{what}: {command}");
            }
            if what == "a directory that is gone" {
                fs::remove_dir(host.path("gone")).unwrap();
            }
            assert_eq!(caller.tell("real-uid 4001"), 0);
            // The caller's own code may be an error.
            let own = caller.log_in();
            assert!(matches!(own, 0 | code::SYSTEM_ERR | code::SERVICE_ERR), "{what}: {own}");
            let began = Instant::now();
            let mut other = host.login("login", "bob");
            assert_eq!(other.log_in(), 0, "{what}");
            assert_eq!(host.login("login", "bob").log_in(), code::PERM_DENIED, "{what}");
            assert_eq!(other.close(), 0, "{what}");
            slowest = slowest.max(began.elapsed());
            for name in ["sessions.db", "sessions.db.lock"] {
                use std::os::unix::fs::{MetadataExt, PermissionsExt};
                let meta = fs::metadata(host.path("state").join(name)).unwrap();
                assert_eq!((meta.permissions().mode() & 0o7777, meta.uid()), (0o600, 0), "{what}");
            }
            assert_eq!(host.stderr(), "", "{what}");
            cases += 1;
        }
    }
    figure(
        "B5",
        format!("{cases} hostile callers: same decisions about other users, slowest {slowest:?}"),
    );
    assert!(slowest < Duration::from_secs(3));
}

/// SIGSTOP cannot be blocked. Whenever the caller's gets through, the lock must be free.
#[test]
fn b5_a_caller_cannot_stop_a_setuid_program_that_has_the_lock() {
    let host = fail_closed();
    drop(host.logged_in("login", "bob"));
    let cycles = amount(60, 1_500);
    let done = AtomicBool::new(false);
    let mut caller = host.login("login", "alice");
    assert_eq!(caller.tell("real-uid 4001"), 0);
    let victim = caller.pid();
    let lock_path = host.path("state/sessions.db.lock");
    let (mut stops, mut forbidden, mut held) = (0, 0, 0);
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            let (mut stops, mut forbidden, mut held) = (0, 0, 0);
            let lock = fs::File::options().read(true).write(true).open(&lock_path).unwrap();
            let mut pause = 1_u64;
            while !done.load(Ordering::Relaxed) {
                pause = pause.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                std::thread::sleep(Duration::from_micros((pause >> 33) % 300));
                let sent = as_user(4001, || system::pidfd::kill(victim, libc::SIGSTOP));
                if let Err(e) = sent {
                    if e.raw_os_error() == Some(libc::ESRCH) {
                        break;
                    }
                    forbidden += 1;
                    continue;
                }
                if is_stopped(victim) {
                    stops += 1;
                    held += i32::from(is_held(&lock));
                }
                let _ = as_user(4001, || system::pidfd::kill(victim, libc::SIGCONT));
            }
            // It may still be stopped by the last one.
            let _ = system::pidfd::kill(victim, libc::SIGCONT);
            (stops, forbidden, held)
        });
        for _ in 0..cycles {
            assert_eq!((caller.log_in(), caller.close()), (0, 0));
        }
        done.store(true, Ordering::Relaxed);
        (stops, forbidden, held) = attacker.join().unwrap();
    });
    figure(
        "B5",
        format!(
            "{cycles} cycles of a setuid program: stopped {stops} times, {held} of them with the lock; {forbidden} times it was not permitted"
        ),
    );
    assert!(stops > 0, "the caller can stop it, but not then");
    assert_eq!(held, 0, "stopped with the lock");
}

/// Waits a moment for the signal to arrive.
fn is_stopped(pid: i32) -> bool {
    (0..50).any(|_| {
        std::thread::sleep(Duration::from_micros(200));
        session_limit_core::process::Stat::of(pid).is_ok_and(|stat| stat.state == b'T')
    })
}

/// Whether another process holds the lock, and keeps it.
fn is_held(lock: &fs::File) -> bool {
    !(0..20).any(|_| {
        let free = system::file_lock::try_lock(lock).unwrap();
        if free {
            system::file_lock::unlock(lock);
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
        free
    })
}

#[test]
fn b5_the_real_uid_is_back_when_the_hook_returns() {
    // The application compares all of its state before and after every hook.
    let host = fail_closed();
    let mut caller = host.login("login", "alice");
    assert_eq!(caller.tell("real-uid 4001"), 0);
    assert_eq!((caller.log_in(), caller.close()), (0, 0));
    let status = fs::read_to_string(format!("/proc/{}/status", caller.pid())).unwrap();
    assert!(status.contains("Uid:\t4001\t0\t0\t0"), "{status}");
}
