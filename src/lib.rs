//! `pam_session_limit`: a PAM module that limits how many login sessions a user may hold at once.
//!
//! # How it is built
//!
//! PAM calls in [`pam`], the adapter, which reads what PAM knows into a [`login::Request`] and turns
//! the [`login::Outcome`] into a PAM code, journal lines and a message. [`login`] tells the story of
//! one login from top to bottom. Arrows only go down:
//!
//! ```text
//! pam -> login -> { compiled, store, process, terminate, account } -> { policy, session, text }
//!  |                  |        |
//!  |                  |        +--> lock, private, vfs -> sqlite_os
//!  |                  +--> config
//!  +--> arguments, journal, panics      sys: system calls behind safe functions
//!                                       last: what one phase leaves to the next
//! ```
//!
//! # What always holds
//!
//! * Counting, deciding and recording are one transaction under one lock; no lock and no descriptor is
//!   held when a hook returns.
//! * A row lives as long as its leader: pid, start time, pid namespace and boot.
//! * The account phase destroys nothing; opening is the authority.
//! * No thread, no child process, no environment variable, nothing on stdout or stderr, and the host
//!   process is left as it was found.
//! * Every verdict is an explicit line of one table in [`pam`]; panics become `PAM_ABORT`.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

pub mod account;
pub mod arguments;
pub mod compiled;
pub mod config;
pub mod journal;
pub mod last;
pub mod lock;
pub mod login;
pub mod pam;
pub mod panics;
pub mod policy;
pub mod private;
pub mod process;
pub mod session;
pub mod sqlite_os;
pub mod store;
pub mod sys;
pub mod terminate;
pub mod text;
pub mod vfs;
