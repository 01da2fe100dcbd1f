//! Answers that say what went wrong: `{"error": …}`, and the field where one is not valid.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use session_limit_admin::api::AtLimit;
use session_limit_admin::error::{AdminError, AdminErrorKind};

/// An answer that says what went wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    body: ErrorBody,
}

/// The body of such an answer.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// What is wrong, what was expected.
    error: String,
    /// The field or parameter that is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Of a login that was refused at the limit: what takes the slots, as far as the policy says that.
    #[serde(skip_serializing_if = "Option::is_none")]
    at_limit: Option<Box<AtLimit>>,
}

impl Failure {
    /// Makes a failure.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { error: error.into(), field: None, at_limit: None } }
    }

    /// Makes the failure of a field or parameter that is not valid.
    pub fn field(field: &str, problem: &str) -> Self {
        AdminError::field(field, problem).into()
    }

    /// Adds what takes the slots of a user whose login was refused at the limit.
    pub fn at_limit(mut self, told: Option<AtLimit>) -> Self {
        self.body.at_limit = told.map(Box::new);
        self
    }

    /// There is no such session, or it is over.
    pub fn no_session() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "there is no session, expected a login first")
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let status = match error.kind {
            AdminErrorKind::NotFound => StatusCode::NOT_FOUND,
            AdminErrorKind::Forbidden => StatusCode::FORBIDDEN,
            AdminErrorKind::Invalid => StatusCode::BAD_REQUEST,
            AdminErrorKind::Conflict => StatusCode::PRECONDITION_FAILED,
            AdminErrorKind::InUse => StatusCode::CONFLICT,
            AdminErrorKind::Configuration | AdminErrorKind::Store | AdminErrorKind::Fleet => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            AdminErrorKind::Io => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            body: ErrorBody { error: error.message, field: error.field, at_limit: None },
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
