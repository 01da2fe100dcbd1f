//! `shell`: the administrator's and the user's command line of `pam_session_limit`.
#![deny(unsafe_code)]
pub mod args;
pub mod draft;
pub mod edit;
pub mod engine;
pub mod exit;
pub mod field;
pub mod grammar;
pub mod harden;
pub mod help;
pub mod holder;
pub mod interpreter;
pub mod limits;
pub mod login;
pub mod page;
pub mod pam;
pub mod reply;
pub mod rights;
pub mod save;
pub mod script;
pub mod sessions;
pub mod show;
pub mod table;
pub mod terminal;
pub mod wire;
pub mod words;
