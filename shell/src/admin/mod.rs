//! What is done: profiles, assignments, sessions, and who may do it.

pub mod authorization;
pub mod check;
pub mod config_edit;
pub mod config_store;
pub mod draft;
pub mod engine;
pub mod failure;
pub mod field;
pub mod limits_conf;
pub mod sessions;
