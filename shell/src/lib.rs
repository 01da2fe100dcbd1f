//! `shell`: the administrator's and the user's command line of `pam_session_limit`.
//!
//! # How it is built
//!
//! A line goes down, an answer comes up:
//!
//! ```text
//! main -> repl (a person) or script (a program)
//!           |
//!           v
//!      interpreter -> words -> grammar (what was typed)
//!           |
//!           v
//!        engine -> rights (who may)
//!           |
//!           +--> show, sessions (the store), limits (pam_limits)
//!           +--> draft -> save -> edit (the configuration's text)
//!           |
//!           v
//!         reply -> table or JSON
//! ```
//!
//! A person's session is held by another process: [`repl`] asks through [`login`], which starts a
//! [`holder`]; the two speak [`wire`]. Only the holder calls libpam ([`pam`]). It closes the session
//! when its socket closes, so a prompt that is killed leaves nothing behind.
//!
//! # What always holds
//!
//! * The configuration on disk is at every moment the old or the new one, and never one that the
//!   module would refuse.
//! * Every byte outside of what is changed stays.
//! * Passwords are in locked pages ([`page`]) or in the holder, whose memory is locked as a whole.
//! * No command starts another program.
//! * Rights are asked in one place, afresh for each command.
//! * `unsafe` is in [`page`] and [`pam`] only.
#![deny(unsafe_code)]

pub mod args;
pub mod check;
pub mod complete;
pub mod completions;
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
pub mod repl;
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
