//! Profiles, assignments and sessions as an administrator sees and changes them: one set of objects and rules
//! for every front end: `api` for the REST API, `command` for the command line. No terminal, no exit codes, no sockets; nothing is printed.
//!
//! ```text
//! api, command -> administration -> config (drafts, the file), sessions, fleet -> authorization -> error
//!
//! explain -> status: does a limit take effect, and for whom
//! impact -> sessions, history: whom a limit refuses, now and in the last days
//! ```
#![forbid(unsafe_code)]

pub mod administration;
pub mod api;
pub mod authorization;
pub mod command;
pub mod config;
pub mod error;
pub mod explain;
pub mod fleet;
pub mod history;
pub mod impact;
pub mod lockout;
mod refusals;
pub mod sessions;
pub mod status;
mod trail;
pub mod user_overview;
