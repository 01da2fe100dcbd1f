//! `pam_session_limit`: a PAM module that limits how many login sessions a user may hold at once.
pub mod account;
pub mod config;
pub mod policy;
pub mod process;
pub mod session;
pub mod store;
pub mod sys;
pub mod terminate;
pub mod text;
