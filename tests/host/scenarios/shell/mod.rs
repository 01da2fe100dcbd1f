//! The command line on a whole host: administrators, other users, and what it says of the host.

pub mod dialogue;
pub mod status;
pub mod users;
