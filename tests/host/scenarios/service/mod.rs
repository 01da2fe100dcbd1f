//! The service on a whole host: its units, the API, the console.

pub mod api;
pub mod browser;
pub mod units;
