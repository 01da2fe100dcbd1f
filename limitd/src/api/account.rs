//! The calls about accounts: the acting user's own password, and the end of a lock.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use session_limit_admin::api::{PasswordChange, Request};
use zeroize::Zeroizing;

use crate::calls::{Failure, Writer, json, read_body};
use crate::net::Connection;

/// Changes the password of the acting user; the only call that is left to one whose password has expired.
pub async fn change_password(
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = Zeroizing::new(read_body(&connection, body).await?);
    let change = PasswordChange::read(json(&body)?)?;
    let answer = session.ask(Request::ChangePassword(change)).await;
    Ok(Json(answer.ok_or_else(Failure::no_session)??).into_response())
}

/// Forgets the failed logins of a user.
pub async fn unlock(
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = read_body(&connection, body).await?;
    let answer = session.ask(Request::Unlock(json(&body)?)).await;
    Ok(Json(answer.ok_or_else(Failure::no_session)??).into_response())
}
