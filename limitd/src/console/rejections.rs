//! What a user gets instead of a page: the login screen, another form first, or what could not be done.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;
use session_limit_admin::error::{AdminError, AdminErrorKind};

use super::login::{password, screen};
use super::parts::paths::HOME;
use super::parts::{FormProblem, Page, Problem, advice, page};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Over(path) => screen::instead_of(&path),
            Self::FromElsewhere(path) => screen::asked_again(&path),
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

impl IntoResponse for FormProblem {
    fn into_response(self) -> Response {
        match self {
            Self::Over(path, form) => screen::keeping(&path, &form),
            Self::Expired(visitor, form) => password::screen_with(&visitor, &form),
            Self::Body(failure) => failure.into_response(),
            Self::Other(problem) => problem.into_response(),
        }
    }
}

/// Says that there is no such page.
pub async fn no_such_page() -> Response {
    let text = "There is no page at this address.";
    shown(StatusCode::NOT_FOUND, "No such page", text, "Choose one of the pages of the console.")
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
