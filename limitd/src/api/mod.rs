//! The API: from an HTTP request to a question for the session process, and back.

mod account;
mod history;
mod meta;
mod objects;
mod openapi;
mod session;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use session_limit_admin::api::Resource;

use crate::calls::{App, Failure, counted};

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
        .with_state(app)
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
            _ if resource.is_session() => (list, object.delete(objects::delete)),
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
