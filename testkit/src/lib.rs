//! Drives PAM modules through the real libpam, for the tests and the demo.
//!
//! [`Host`] is a scratch directory with users, groups, PAM stacks, a configuration and a store of its
//! own; nothing of the machine is changed. [`Login`] is one ordinary application in a process of its
//! own (see [`actor`]) that goes through the phases it is told. [`browser`] is Chromium.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test kit: a failure here is a failed test"
)]

pub mod actor;
pub mod audit;
pub mod browser;
mod built;
mod fleet_agent;
pub mod hex;
mod host;
mod host_state;
pub mod libpam;
mod login;
mod sqlite;

pub use actor::fault_injection::{IGNORED, MARK};
pub use built::{copy_program, example, module, program};
pub use fleet_agent::play_agent;
pub use host::{FAIL_CLOSED, FAIL_OPEN, Host, Stack, User, default_limit};
pub use libpam::{SILENT, code};
pub use login::{Login, Message};
pub use sqlite::{Reader, sqlite};
