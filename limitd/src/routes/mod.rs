//! Calls: from an HTTP request to a question for the session process, and back.

mod access;
mod account;
mod history;
mod meta;
mod objects;
mod session;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http_body_util::LengthLimitError;
use serde_json::Value;
use session_limit_admin::api::Resource;
use session_limit_core::model::service_settings::Service;

pub use access::{Client, is_of_host};
pub use session::{is_plain, refuse_while_broken, set_cookies};

use crate::console;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::net::Connection;
use crate::sessions::{Attempt, Attempts, Pending, Table};

pub use session::MAX_CHOSEN;

/// Bytes of the longest body.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// What all calls share.
#[derive(Clone, Default)]
pub struct App {
    /// The open sessions.
    pub table: Table,
    /// Failed logins.
    pub attempts: Attempts,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Logins of the console that wait for an answer.
    pub pending: Pending,
    settings: Arc<Mutex<Settings>>,
}

/// The settings in use, and why the file behind them is refused, if it is.
#[derive(Clone, Default)]
pub struct Settings {
    /// The `[service]` table; the defaults while the file is refused.
    pub service: Service,
    /// The line that says what is wrong with the file.
    pub mistake: Option<String>,
}

impl App {
    /// Returns the settings in use.
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a login attempt of a client; nothing where there were too many.
    pub fn begin_attempt(&self, client: &Client) -> Option<Attempt> {
        let service = self.settings().service;
        let (each, all) = (service.login_attempts_per_address, service.login_attempts);
        self.attempts.begin(client.address, each, all, Instant::now())
    }

    /// Takes settings into use. Those of a file that is refused change nothing but what is said.
    pub fn configure(&self, read: Result<Service, String>) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(service) = &read {
            console::read_banner(service.banner.as_deref());
        }
        match read {
            Ok(service) => *settings = Settings { service, mistake: None },
            Err(mistake) => settings.mistake = Some(mistake),
        }
    }
}

/// Returns all calls.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/login", post(session::log_in))
        .route("/logout", post(session::log_out))
        .route("/healthz", get(meta::health))
        .route("/metrics", get(meta::metrics))
        .route("/api/openapi.json", get(meta::openapi))
        .route("/api/useraccount", get(objects::account).put(account::change_password))
        .route("/api/useractivity/unlock", post(account::unlock))
        .route("/api/history", get(history::read))
        .route("/api/usersession/clear", post(objects::clear))
        .route("/api/useraccountprofile/{id}/check", post(objects::check))
        .merge(resources())
        .fallback(async || Failure::new(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(app.clone(), around))
        .with_state(app.clone())
        .merge(console::router(app))
}

/// Returns the calls about objects: for each kind those that it takes.
fn resources() -> Router<App> {
    let mut router = Router::new();
    for resource in Resource::ALL {
        let (list, object) = (get(objects::list), get(objects::get));
        let (list, object) = match resource {
            _ if resource.is_configured() => (
                list.post(objects::create),
                object.put(objects::replace).patch(objects::patch).delete(objects::delete),
            ),
            Resource::UserSession => (list, object.delete(objects::delete)),
            _ => (list, object),
        };
        let path = format!("/api/{}", resource.word());
        router = router
            .route(&path, list.layer(Extension(resource)))
            .route(&format!("{path}/{{id}}"), object.layer(Extension(resource)));
    }
    router
}

async fn method_not_allowed() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "the path does not take this method")
}

/// What is the same for all calls: headers that keep answers out of caches and frames.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = counted(&app, request, next).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

/// Answers a request of the API or for a page, counts it, and lets its connection rest.
pub async fn counted(app: &App, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let mut response = next.run(request).await;
    if let Some(connection) = connection {
        connection.set_idle();
    }
    app.metrics.call(response.status().as_u16());
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Reads a body of bounded length in bounded time.
pub async fn read_body(connection: &Connection, body: Body) -> Result<Vec<u8>, Failure> {
    let read = tokio::time::timeout(BODY_DEADLINE, axum::body::to_bytes(body, MAX_BODY)).await;
    connection.set_busy();
    match read {
        Err(_) => Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
        Ok(Err(error)) => Err(if error.into_inner().is::<LengthLimitError>() {
            let expected = format!("the body is too long, expected at most {MAX_BODY} bytes");
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, expected)
        } else {
            Failure::new(StatusCode::BAD_REQUEST, "the body is not whole")
        }),
        Ok(Ok(bytes)) => Ok(bytes.into()),
    }
}

/// Reads a body as JSON.
fn json(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the body is not valid, expected JSON"))
}

/// An answer without a body.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
