//! The audit trail: refusals and sessions that a login has cleared.
#![forbid(unsafe_code)]

use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::admission::{AdmissionError, LoginRequest, Outcome};
use session_limit_core::audit::{self, Event};
use session_limit_core::log::{Level, Log};

/// Records what a phase came to, if it is worth a record. No login depends on it.
pub fn record(decided: &Result<Outcome, AdmissionError>, request: &LoginRequest, log: &Log) {
    let write = |event, details: &[(&str, &str)]| {
        let written = audit::write(event, request.user.to_bytes(), &request.origin, details);
        if let Err(error) = written {
            log.write(Level::Debug, &format!("the audit trail refuses a record: {error}"));
        }
    };
    let cleared = |cleared: &ClearSummary| {
        if !cleared.is_empty() {
            let ended = (cleared.terminated + cleared.killed + cleared.forgotten).to_string();
            write(Event::SessionsCleared, &[("sessions", &ended)]);
        }
    };
    match decided {
        Ok(Outcome::Opened { cleared: summary, .. } | Outcome::Nested { cleared: summary }) => {
            cleared(summary);
        }
        Ok(Outcome::Refused { cleared: summary, .. }) => {
            cleared(summary);
            write(Event::TooManySessions, &[]);
        }
        Ok(Outcome::Ask(_)) => write(Event::TooManySessions, &[]),
        _ => {}
    }
}
