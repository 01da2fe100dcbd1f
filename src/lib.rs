//! `pam_session_limit`: a PAM module that limits how many login sessions a user may hold at once.
//!
//! Only what knows PAM is here; [`session_limit_core`] decides.
//!
//! ```text
//! hooks -> { outcome, pam_data, conversation, panic_guard, trail }   PAM -> LoginRequest -> core
//!                                                                core -> Outcome -> PAM
//! hooks -> credentials -> { delegate, conversation }             lockout, history and age of passwords
//! ```
//!
//! Nothing is written to stdout or stderr, every verdict is an explicit line of the table in `outcome.rs`,
//! and a panic becomes `PAM_ABORT` and a line in the log.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod conversation;
mod credentials;
mod delegate;
mod hooks;
mod outcome;
mod pam_data;
mod panic_guard;
mod trail;
