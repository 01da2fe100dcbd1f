//! A person at the prompt: the terminal, the login, the loop.

pub mod line_reader;
pub mod login;
pub mod prompt;
pub mod screen;
pub mod terminal;
