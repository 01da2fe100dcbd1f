//! What could not be done, in words and with what to do.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use session_limit_admin::error::{AdminError, AdminErrorKind};

use super::page::{self, Page};
use super::{HOME, login, password};

/// Why a page cannot be shown.
#[derive(Debug)]
pub enum Problem {
    /// The session is over; where the user was.
    Over(String),
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Over(path) => login::screen(&path),
            Self::Expired(path) => password::detour(&path),
            Self::Admin(error) => of_admin(&error),
            Self::Request(status, text) => shown(
                status,
                "This could not be done",
                &text,
                "Go back, reload the page and try again.",
            ),
        }
    }
}

/// Says that there is no such page.
pub async fn no_such_page() -> Response {
    let text = "There is no page at this address.";
    shown(StatusCode::NOT_FOUND, "No such page", text, "Choose one of the pages of the console.")
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

fn of_admin(error: &AdminError) -> Response {
    let (status, title) = match error.kind {
        AdminErrorKind::NotFound => (StatusCode::NOT_FOUND, "There is no such thing"),
        AdminErrorKind::Forbidden => (StatusCode::FORBIDDEN, "You may not do this"),
        AdminErrorKind::Invalid => (StatusCode::BAD_REQUEST, "This is not valid"),
        AdminErrorKind::Conflict => (StatusCode::PRECONDITION_FAILED, "It has changed meanwhile"),
        AdminErrorKind::InUse => (StatusCode::CONFLICT, "Something stands in the way"),
        AdminErrorKind::Configuration => {
            (StatusCode::SERVICE_UNAVAILABLE, "The configuration is not valid")
        }
        AdminErrorKind::Store => (StatusCode::SERVICE_UNAVAILABLE, "The sessions cannot be read"),
        AdminErrorKind::Fleet => (StatusCode::SERVICE_UNAVAILABLE, "The fleet cannot be asked"),
        AdminErrorKind::Io => (StatusCode::INTERNAL_SERVER_ERROR, "This did not work"),
    };
    shown(status, title, &error.message, advice(error.kind))
}

fn shown(status: StatusCode, title: &str, text: &str, advice: &str) -> Response {
    let body = html! {
        (page::problem(text, advice))
        p { a href=(HOME) { "Go to the sessions" } }
    };
    (status, Page::new(title).render(&body)).into_response()
}
