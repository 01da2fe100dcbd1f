//! Clients and their connections: accepted, over TLS, and for as long as each behaves.
//!
//! ```text
//! server -> connections        tls -> certificate_dates
//! ```

mod certificate_dates;
mod connections;
pub mod server;
pub mod tls;

pub use connections::{Connection, Connections, MAX_CONNECTIONS, Peer};
