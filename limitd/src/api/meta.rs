//! What is about the service itself: `/healthz`, `/metrics`, `/api/openapi.json`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::openapi;
use crate::calls::{App, Client, Failure};
use crate::sessions::settings;

/// Says whether users can log in, as far as the configuration goes.
pub async fn health(State(app): State<App>) -> Result<Response, Failure> {
    match app.settings().mistake {
        None => Ok(Json(json!({ "status": "ok" })).into_response()),
        Some(mistake) => Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, mistake)),
    }
}

/// Shows the counters, to clients of this host only.
pub async fn metrics(State(app): State<App>, client: Client) -> Result<Response, Failure> {
    if client.is_forwarded || !client.address.is_loopback() {
        let error = "metrics are for this host only";
        return Err(Failure::new(StatusCode::FORBIDDEN, error));
    }
    // Without the store there are the counters of the service at least.
    let store = settings::statistics().await.ok();
    let text = app.metrics.text(app.table.len(), store.as_ref());
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

/// Describes the API.
pub async fn openapi() -> Response {
    Json(openapi::document()).into_response()
}
