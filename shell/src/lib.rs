//! `shell`: the administrator's and the user's command line of `pam_session_limit`.
#![deny(unsafe_code)]
pub mod draft;
pub mod edit;
pub mod field;
pub mod grammar;
pub mod page;
pub mod pam;
pub mod save;
pub mod table;
pub mod words;
