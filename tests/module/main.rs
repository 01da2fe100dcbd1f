//! The module in the stack of an ordinary application, through the real libpam.
//!
//! Every test has a scratch host of its own, and every login is a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

mod anchor;
mod clearing;
mod counting;
mod exactness;
mod hygiene;
mod items;
mod kills;
mod lifecycle;
mod liveness;
mod mistakes;
mod refusal;
mod store_faults;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pam_session_limit::session::Session;
use pam_session_limit::store::Store;
use testkit::Host;

/// Where cargo put what was built for these tests.
fn built(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let folder =
        if name.starts_with("examples/") { folder.parent().unwrap().to_owned() } else { folder };
    folder.join(name)
}

/// The module under test: what was built with the tests, or the one that is going to be shipped.
fn module() -> PathBuf {
    std::env::var_os("PAM_SESSION_LIMIT_MODULE")
        .map_or_else(|| built("libpam_session_limit.so"), PathBuf::from)
}

fn host() -> Host {
    Host::new(built("examples/pam_actor"), module())
}

/// The rows in the store of `host`, stale ones included.
fn rows(host: &Host) -> Vec<Session> {
    Store::at(&host.state()).transaction(|tx| tx.all_sessions()).unwrap()
}

/// Replaces every row in the store of `host`.
fn rewrite_rows(host: &Host, change: impl Fn(&mut Session)) {
    Store::at(&host.state())
        .transaction(|tx| {
            for mut session in tx.all_sessions()? {
                tx.remove(session.uid, session.id)?;
                change(&mut session);
                tx.put(&session)?;
            }
            Ok(())
        })
        .unwrap();
}

/// Held by tests that use every processor, so that they do not starve each other.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static CROWD: std::sync::Mutex<()> = std::sync::Mutex::new(());
    CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Waits until `done`, at most 10 s.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
