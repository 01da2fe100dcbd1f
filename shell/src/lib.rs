//! `shell`: the administrator's and the user's command line of `pam_session_limit`.
//!
//! # How it is built
//!
//! A line goes down, an answer comes up:
//!
//! ```text
//! main -> program: arguments, and who started it
//!   |
//!   v
//! interactive (a user at a terminal) or command::batch (a program)
//!   |
//!   v
//! command: executor -> language: lexer -> grammar (what was typed)
//!   |
//!   v
//! command: engine -> session_limit_admin (who may; profiles, assignments, sessions)
//!   |
//!   v
//! output: response -> table or JSON
//! ```
//!
//! The session of a user at the prompt is held by another process, see [`session_limit_session`].
//!
//! # What always holds
//!
//! * The configuration on disk is at every moment the old or the new one, and never one that the
//!   module would reject.
//! * Every byte outside of what is changed stays.
//! * Passwords are in locked pages, or in the process that holds the session, whose memory is locked as a whole.
//! * No command starts another program; to learn what the user behind `sudo shell` may do, sudo is asked, and
//!   for `status`, which only administrators may use, sshd for its configuration.
//! * Rights are checked in one place, again for each command.
#![forbid(unsafe_code)]

pub mod command;
pub mod interactive;
pub mod language;
pub mod output;
pub mod program;
