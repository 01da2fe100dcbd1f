//! What a host in operation meets: installation, faults, hostile users, other hosts; and what the journal says.

pub mod faults;
pub mod fleet;
pub mod hostile;
pub mod install;
pub mod journal;
pub mod penalties;
