//! One limit for a fleet of hosts: what `session-limit-agent` is made of.
//!
//! ```text
//! server -> { member, clearing } -> { engine (etcd or memory), local (the store of this host) }
//! ```
//!
//! One thread; nothing here decides by a clock.
#![forbid(unsafe_code)]

pub mod clearing;
pub mod engine;
pub mod local;
pub mod member;
pub mod server;
