//! The module on whole hosts: Debian 12 and Debian 13 with systemd, logind, sshd, a console, sudo,
//! su and cron, driven by their real clients.
//!
//! A scenario is a function in `scenarios/` whose name is a sentence; it takes a booted [`host::Host`]
//! and returns the figure for docs/host-tests.md. How to run some of them:
//! `cargo test --release --test host -- debian13 storm`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod client;
mod host;
mod machine;
mod runner;
mod scenario;
mod scenarios;
mod ssh;
mod table;
mod terminal;
mod wait;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(scenarios::harness::HOLD) => scenarios::harness::hold(arguments.next()),
        _ => std::process::exit(runner::run(scenarios::ALL)),
    }
}
