//! Why a page is not shown, and what to do about it.

use axum::http::StatusCode;
use session_limit_admin::error::{AdminError, AdminErrorKind};

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum Problem {
    /// The session is over; where the user was.
    Over(String),
    /// A page of another site has led here, and the browser has kept the cookies back; where to.
    FromElsewhere(String),
    /// The password has expired and has to be changed first; where the user was.
    Expired(String),
    /// The session process says no.
    Admin(AdminError),
    /// The request is not as a page of ours sends it.
    Request(StatusCode, String),
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl Problem {
    /// Makes the problem of a request that is not valid.
    pub fn request(text: &str) -> Self {
        Self::Request(StatusCode::BAD_REQUEST, text.to_owned())
    }
}

/// Returns what to do about an error.
pub fn advice(kind: AdminErrorKind) -> &'static str {
    match kind {
        AdminErrorKind::NotFound => "It may have been removed in the meantime.",
        AdminErrorKind::Forbidden => "Ask an administrator of this host.",
        AdminErrorKind::Invalid => "Correct it and try again.",
        AdminErrorKind::Conflict => "Look at the current values, then decide again.",
        AdminErrorKind::InUse => "Change that first, then try again.",
        AdminErrorKind::Configuration => {
            "An administrator has to correct the configuration file; `shell --check-config` checks it."
        }
        AdminErrorKind::Store => "`shell status` on the host says what is wrong with the store.",
        AdminErrorKind::Fleet => {
            "Try again; if it stays, look how session-limit-agent stands on the host."
        }
        AdminErrorKind::Io => "Try again; if it stays, look into the journal of the host.",
    }
}
