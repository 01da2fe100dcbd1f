//! F4: the process that holds the lock is stopped, or slow.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use session_limit_core::{store, system};
use testkit::{FAIL_CLOSED, Stack, code};

use super::system_calls::campaign;
use crate::{amount, figure, host, skipped};

fn lock_file(host: &testkit::Host) -> File {
    File::options().read(true).write(true).open(host.path("state/sessions.db.lock")).unwrap()
}

#[test]
fn f4_waiters_answer_at_the_deadline() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    drop(host.logged_in("login", "alice"));
    let lock = lock_file(&host);
    assert!(system::file_lock::try_lock(&lock).unwrap());
    let count = usize::try_from(amount(10, 100)).unwrap();
    let mut waiters: Vec<_> = (0..count).map(|_| host.login("login", "bob")).collect();
    let began = Instant::now();
    for waiter in &mut waiters {
        waiter.begin("acct");
    }
    let mut times = Vec::new();
    for waiter in &mut waiters {
        assert_eq!(waiter.finish(), code::SYSTEM_ERR);
        times.push(began.elapsed().as_millis());
    }
    system::file_lock::unlock(&lock);
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    figure(
        "F4",
        format!("{count} waiters, the lock never free: answered after {first} to {last} ms"),
    );
    // What comes on top is the time to be scheduled.
    let deadline = store::DEADLINE.as_millis();
    assert!(*first + 10 >= deadline && *last < deadline + 2_000, "{times:?}");
    assert_eq!(host.login("login", "bob").log_in(), 0, "and then all is as before");
}

#[test]
fn f4_stopped_inside_the_hook_holds_others_up_no_longer_than_the_deadline() {
    if cfg!(not(target_arch = "x86_64")) {
        return skipped("F4", "system calls are traced on x86_64 only");
    }
    let all = campaign("stop", amount(30, 3), 1);
    figure(
        "F4",
        format!(
            "stopped at {} system calls of account, opening and closing: {} times the next login \
             waited for the deadline, otherwise it was served at once",
            all.cases, all.aborted
        ),
    );
    assert!(all.aborted > 0, "the lock was held in some of them");
}

#[test]
fn f4_a_slow_holder_locks_no_login_out() {
    let host = host();
    host.limit(100);
    drop(host.logged_in("login", "alice"));
    let done = AtomicBool::new(false);
    let count = amount(50, 500);
    let mut longest = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| hog(&host.path("state/sessions.db.lock"), &done));
        let mut login = host.login("login", "alice");
        for _ in 0..count {
            let began = Instant::now();
            assert_eq!((login.log_in(), login.close()), (0, 0), "{}", host.stderr());
            longest = longest.max(began.elapsed());
        }
        done.store(true, Ordering::Relaxed);
    });
    figure(
        "F4",
        format!("{count} cycles beside a process that holds the lock 40 of 50 ms: max {longest:?}"),
    );
}

/// Holds the lock four fifths of the time.
fn hog(lock: &Path, done: &AtomicBool) {
    let lock = File::options().read(true).write(true).open(lock).unwrap();
    while !done.load(Ordering::Relaxed) {
        if system::file_lock::try_lock(&lock).unwrap() {
            std::thread::sleep(Duration::from_millis(40));
            system::file_lock::unlock(&lock);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
