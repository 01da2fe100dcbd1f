//! What an answer gets on its way out: a place among the counters, cookies.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{SET_COOKIE, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::Next;
use axum::response::Response;

use super::app::App;
use crate::net::Connection;

/// Answers a request of the API or for a page, counts it, and lets its connection rest.
pub async fn counted(app: &App, request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Connection>().cloned();
    let mut response = next.run(request).await;
    if let Some(connection) = connection {
        connection.set_idle();
    }
    app.metrics.call(response.status().as_u16());
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// Adds the lines of cookies.
pub fn set_cookies(response: &mut Response, lines: Vec<String>) {
    for line in lines {
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().append(SET_COOKIE, line);
        }
    }
}
