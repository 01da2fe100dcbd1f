//! The console as its users see it: real Chromium, the real service, the real libpam, in a small host of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod access;
mod desk;
mod ending;
mod hostile;
mod long;
mod password;
mod pictures;
mod plain;
mod profiles;
mod visit;
#[allow(dead_code, reason = "the suite of the API has other needs")]
#[path = "../suite/world.rs"]
mod world;

use testkit::browser;
