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

#[path = "../common/mod.rs"]
mod common;

mod config;
mod credentials;
mod hygiene;
mod limit;
mod session;
mod store_faults;

use common::{alone, eventually, host, rewrite_rows, rows};
