//! `shell` as people and scripts use it: on pseudo-terminals, with the real libpam, the module built
//! from this tree, and an /etc and /run of its own.

mod cli;
mod config;
mod login;
mod pages;
mod pty;
mod secrets;
mod seed;
mod snapshots;
mod terminal;
mod world;
