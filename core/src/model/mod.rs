//! What the rest of the crate speaks of: pure values, no clock, no path, no system call.
#![forbid(unsafe_code)]

pub mod fleet_settings;
pub mod password_age;
pub mod policy;
pub mod profile;
pub mod refusal;
pub mod sanitize;
pub mod service;
pub mod service_settings;
pub mod session;
pub mod utc;
