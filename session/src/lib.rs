//! A PAM client, and the process that holds a PAM session for a prompt or a service.
//!
//! The program `session-limit-session` ([`session_process`]) authenticates, opens, answers requests with the
//! rights of its user, and closes; the other side speaks [`ipc`] with it. Only that process calls libpam
//! ([`pam_client`]). It closes the session when its socket closes, so a prompt or a service that is killed
//! leaves nothing behind. `unsafe` is in [`pam_client`] and [`secret`] only.
#![deny(unsafe_code)]

pub mod acceptor;
pub mod client;
pub mod hardening;
pub mod ipc;
pub mod local_session;
pub mod pam_client;
pub mod password_change;
pub mod program;
mod sampler;
pub mod secret;
pub mod session_process;
pub mod wait;
