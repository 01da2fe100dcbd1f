//! Decides about login sessions.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod admission;
pub mod config;
pub mod last;
pub mod log;
pub mod model;
pub mod process;
pub mod store;
pub mod system;
pub mod termination;
