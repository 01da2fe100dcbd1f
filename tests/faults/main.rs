//! Load, faults and hostile input, by the rows of the matrix in `README.md` here.
//!
//! In an ordinary run the counts are small; `make soak` runs the full ones. Each row prints the
//! figure it measured (`cargo test --test faults -- --nocapture`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failure here is a failed test"
)]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod common;

mod damage;
mod guarantees;
mod hostile;
mod load;
mod process;

use std::fmt::Display;

use common::{alone, host, rows};
use testkit::Host;

/// Returns how often to do something: `full` in a soak, otherwise `short`.
fn amount(short: i32, full: i32) -> i32 {
    if std::env::var_os("SOAK").is_some() { full } else { short }
}

/// Prints a row's figure.
fn figure(row: &str, what: impl Display) {
    println!("{row}: {what}");
}

/// Prints that a row could not be run here.
fn skipped(row: &str, why: impl Display) {
    println!("{row}: SKIPPED, {why}");
}

/// Gives a host `count` more users, called `prefix0`, `prefix1`, and so on.
fn add_users(host: &Host, prefix: &str, count: i32) {
    use std::fmt::Write as _;
    let mut passwd = std::fs::read_to_string(host.path("etc/passwd")).unwrap();
    for i in 0..count {
        let _ = writeln!(passwd, "{prefix}{i}:x:{0}:{0}::/:/bin/sh", 10_000 + i);
    }
    std::fs::write(host.path("etc/passwd"), passwd).unwrap();
}

/// Encodes text for the commands of the application.
fn hex(text: impl AsRef<[u8]>) -> String {
    testkit::hex::to_hex(text.as_ref())
}

/// The databases that were moved aside.
fn damaged_files(host: &Host) -> Vec<String> {
    std::fs::read_dir(host.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("damaged"))
        .collect()
}

/// Runs `work` with the rights of `uid`, on this thread alone.
fn as_user<T>(uid: u32, work: impl FnOnce() -> T) -> T {
    let set = |effective: u32| {
        // SAFETY: takes integers; the system call changes this thread only, and the saved uid stays
        // root's.
        let done = unsafe { libc::syscall(libc::SYS_setresuid, effective, effective, 0) };
        assert_eq!(done, 0, "setresuid: {}", std::io::Error::last_os_error());
    };
    set(uid);
    let value = work();
    set(0);
    value
}
