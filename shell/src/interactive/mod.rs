//! A person at the prompt: the terminal, the login, the loop.

pub mod dialogue;
pub mod line_reader;
pub mod login;
pub mod one_login;
pub mod prompt;
pub mod screen;
pub mod session;
pub mod terminal;
