//! Decides about login sessions: what the PAM module, the command line and the service share.
//!
//! # How it is built
//!
//! [`admission`] tells the story of one login from top to bottom. Arrows only go down:
//!
//! ```text
//! admission -> { config, store, termination, fleet } -> process -> system -> model      log -> process
//! audit -> system             refusals -> store
//! ```
//!
//! # What always holds
//!
//! * Counting, deciding and recording are one transaction under one lock; no lock and no descriptor is
//!   held when a call returns.
//! * A row lives as long as its leader: pid, start time, pid namespace and boot.
//! * The account phase destroys nothing; opening is the authority.
//! * No thread, no child process, no environment variable, nothing on stdout or stderr, and the calling
//!   process is left as it was found.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod admission;
pub mod audit;
pub mod config;
pub mod fleet;
pub mod log;
pub mod model;
pub mod process;
pub mod refusals;
pub mod store;
pub mod system;
pub mod termination;
