//! What every test on the real libpam needs: a scratch host, the module under test, its rows.

use std::time::{Duration, Instant};

use session_limit_core::model::session::Session;
use session_limit_core::store::Store;
use testkit::{Host, example, module};

/// A scratch host with the module under test.
pub fn host() -> Host {
    Host::new(example("pam_actor"), module())
}

/// The rows in the store of `host`, stale ones included.
pub fn rows(host: &Host) -> Vec<Session> {
    Store::at(&host.state()).transaction(|tx| tx.all_sessions()).unwrap()
}

/// Replaces every row in the store of `host`.
pub fn rewrite_rows(host: &Host, change: impl Fn(&mut Session)) {
    Store::at(&host.state())
        .transaction(|tx| {
            for mut session in tx.all_sessions()? {
                tx.remove(&session)?;
                change(&mut session);
                tx.upsert(&session)?;
            }
            Ok(())
        })
        .unwrap();
}

/// Waits until `done`, at most 10 s.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Held by tests that use every processor, so that they do not starve each other.
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static CROWD: std::sync::Mutex<()> = std::sync::Mutex::new(());
    CROWD.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
