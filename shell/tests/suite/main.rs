//! `shell` as people and scripts use it: on pseudo-terminals, with the real libpam, the module built
//! from this tree, and an /etc and /run of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod audit;
mod bounded;
mod cli;
mod config;
mod impact;
mod login;
mod pages;
mod prompt;
mod pty;
mod refusals;
mod rights;
mod secrets;
mod seed;
mod served;
mod snapshots;
mod status;
mod terminal;
mod users;
mod world;
