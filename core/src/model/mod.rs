//! What the rest of the crate speaks of: pure values, no clock, no path, no system call.

pub mod policy;
pub mod sanitize;
pub mod session;
