//! One command, one answer: what it does, with whose rights, and what is told of it.

mod audit;
mod cli;
mod config;
mod fleet;
mod impact;
mod refusals;
mod rights;
mod status;
mod users;
