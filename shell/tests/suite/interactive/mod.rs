//! A person at the prompt: the login, typing, the terminal before and after.

mod login;
mod prompt;
mod secrets;
mod seed;
mod terminal;
