//! What is answered: tables, JSON, exit codes.

pub mod exit_code;
pub mod failure;
pub mod fleet;
pub mod pipeline;
pub mod response;
pub mod screen;
pub mod status;
pub mod table;
pub mod views;
