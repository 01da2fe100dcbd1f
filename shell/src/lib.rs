//! `shell`: the administrator's and the user's command line of `pam_session_limit`.
pub mod edit;
pub mod field;
pub mod grammar;
pub mod table;
pub mod words;
