//! `shell` as people and scripts use it: on pseudo-terminals, with the real libpam, the module built
//! from this tree, and an /etc and /run of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod bounded;
mod commands;
mod interactive;
mod pages;
mod snapshots;
mod world;
