//! `pam_session_limit`: a PAM module that limits how many login sessions a user may hold at once.

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod hooks;
mod options;
mod panic_guard;
