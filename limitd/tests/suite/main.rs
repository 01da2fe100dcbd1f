//! The service as clients see it, with the real libpam, in a small host of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod account;
mod api;
mod choice;
mod clear;
mod clients;
mod fleet;
mod hostile;
mod limit;
mod past;
mod startup;
mod world;
