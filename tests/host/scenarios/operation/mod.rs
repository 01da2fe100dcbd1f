//! What an administrator does and sees: installation, faults, the journal, the command line.

pub mod api;
pub mod faults;
pub mod fleet;
pub mod hostile;
pub mod install;
pub mod journal;
pub mod passwords;
pub mod penalties;
pub mod service;
pub mod shell;
pub mod status;
pub mod users;
