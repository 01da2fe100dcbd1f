//! The web console: the same session processes, rights and checks as the API, as pages.
//!
//! ```text
//! mod (paths, headers) -> login (logging in and out, the password), pages -> parts (who asks, what is sent, how it looks)
//! rejections (what comes instead of a page) -> login -> parts
//! ```
//!
//! Each page works without the script. What the script adds: pages that refresh themselves, the login screen as
//! soon as a session is over, and times in the browser's zone.

mod login;
mod pages;
mod parts;
mod rejections;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};

use crate::calls::{App, counted};
use login::password;
use pages::{account, assignments, confirm, history, limits, profiles, sessions, status};
use parts::assets;
use parts::paths::{HOME, LOGOUT, PASSWORD};

/// Nothing is loaded but our own style sheet and script, and no page is shown inside another.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Returns the pages.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to(HOME)))
        .route("/console", get(async || Redirect::to(HOME)))
        .route("/console/login", get(login::show).post(login::submit))
        .route(LOGOUT, post(login::log_out))
        .route(PASSWORD, get(password::show).post(password::change))
        .route("/console/pulse", get(sessions::pulse))
        .route("/console/sessions", get(sessions::show))
        .route("/console/sessions/end", get(confirm::show).post(confirm::end))
        .route("/console/limits", get(limits::show))
        .route("/console/history", get(history::show))
        .route("/console/account", get(account::show))
        .route("/console/profiles", get(profiles::list))
        .route("/console/profiles/new", get(profiles::new).post(profiles::create))
        .route("/console/profiles/{uuid}", get(profiles::edit).post(profiles::save))
        .route(
            "/console/profiles/{uuid}/delete",
            get(profiles::confirm_deletion).post(profiles::delete),
        )
        .route("/console/assignments", get(assignments::show).post(assignments::assign))
        .route("/console/assignments/remove", post(assignments::remove))
        .route("/console/status", get(status::show))
        .route("/console/style.css", get(assets::style))
        .route("/console/script.js", get(assets::script))
        .route("/console/icon.svg", get(assets::icon))
        .route("/console/{*rest}", get(rejections::no_such_page))
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// What is the same for all pages.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = counted(&app, request, next).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
