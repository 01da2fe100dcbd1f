//! Bodies: of bounded length, in bounded time.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::LengthLimitError;
use serde_json::Value;

use super::failure::Failure;
use crate::net::Connection;

/// Bytes of the longest body.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(10);

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
pub fn json(body: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(body)
        .map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "the body is not valid, expected JSON"))
}

/// Returns whether a text may be handed on to what reads it up to a NUL character.
pub fn is_plain(text: &str) -> bool {
    !text.contains('\0')
}
