//! The fleet on real etcd: three members and four hosts in network namespaces, logins through the real libpam.
//!
//! Needs root, etcd and iproute2. `SOAK=1` runs the long forms.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod clearing;
mod cluster;
mod cost;
mod fleet;
mod lab;
mod limits;
mod outages;
mod storms;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Held by every test: they compete for processors, and time counts.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The long form of a test, or the short one.
fn amount(quick: usize, soak: usize) -> usize {
    if std::env::var_os("SOAK").is_some() { soak } else { quick }
}

/// Waits until `done`; returns how long that took.
fn eventually(what: &str, at_most: Duration, mut done: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < at_most, "not within {at_most:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}
