//! A person at the prompt: the terminal, the login, the loop.

pub mod login;
pub mod prompt;
pub mod terminal;
