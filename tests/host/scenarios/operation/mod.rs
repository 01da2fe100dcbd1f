//! What an administrator does and sees: installation, faults, the journal, the command line, the console.

pub mod api;
pub mod browser;
pub mod faults;
pub mod fleet;
pub mod hostile;
pub mod install;
pub mod journal;
pub mod penalties;
pub mod service;
pub mod shell;
pub mod status;
pub mod users;
