//! Profiles, assignments and sessions as an administrator sees and changes them: one set of objects and rules
//! for every front end: `api` for the REST API, `command` for the command line. No terminal, no exit codes, no sockets; nothing is printed.
//!
//! ```text
//! limits_conf -> draft -> config_store -> config_edit      sessions      authorization
//!                   |                          |
//!                   +---> object <-------------+---> field                     error
//!
//! explain -> status: does a limit take effect, and for whom
//! impact -> sessions, history: whom a limit refuses, now and in the last days
//! ```
#![forbid(unsafe_code)]

pub mod administration;
pub mod api;
pub mod authorization;
pub mod command;
pub mod config_edit;
pub mod config_store;
pub mod draft;
pub mod error;
pub mod explain;
pub mod field;
pub mod fleet;
pub mod history;
pub mod impact;
pub mod limits_conf;
pub mod lockout;
pub mod object;
mod refusals;
pub mod sessions;
pub mod status;
mod trail;
