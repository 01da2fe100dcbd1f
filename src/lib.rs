//! `pam_session_limit`: a PAM module that limits how many login sessions a user may hold at once.
pub mod config;
pub mod policy;
pub mod session;
pub mod sys;
pub mod text;
