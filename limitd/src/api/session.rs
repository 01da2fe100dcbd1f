//! `POST /login` and `POST /logout`.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::{Map, Value, json};
use session_limit_admin::api::Request;
use session_limit_session::secret::{CAPACITY, Secret};
use zeroize::Zeroizing;

use crate::calls::{
    App, Client, Failure, LoginResult, Writer, is_plain, read_body, refuse_while_broken,
    set_cookies,
};
use crate::net::Connection;
use crate::sessions::cookies::{self, SESSION_COOKIES, Word};
use crate::sessions::login::{self, Others, Refusal};

/// Sessions that one login can choose to end: they fit into an answer to a module.
pub const MAX_CHOSEN: usize = 16;
const END_SESSION: &str = "end_session";

/// What a client sends to log in.
struct Credentials {
    username: String,
    password: Secret,
    others: Others,
}

/// Logs a user in.
pub async fn log_in(
    State(app): State<App>,
    client: Client,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let body = Zeroizing::new(read_body(&connection, body).await?);
    let credentials = credentials(&headers, &body)?;
    drop(body);
    refuse_while_broken(&app).await?;
    let service = app.settings().service;
    let Some(attempt) = app.begin_attempt(client.address) else {
        let mut response =
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "too many failed logins, try again later")
                .into_response();
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        return Ok(response);
    };
    let Credentials { username, password, others } = credentials;
    let clears = others == Others::Clear;
    let began = Instant::now();
    let result = login::log_in(username, password, client.rhost, others).await;
    let count = |result| app.metrics.login(result, began.elapsed());
    let (packets, user) = match result {
        Ok(opened) => opened,
        Err(Refusal::NotAuthenticated) => {
            count(LoginResult::Failed);
            return Err(Failure::new(StatusCode::UNAUTHORIZED, "Invalid credentials"));
        }
        Err(Refusal::Refused(reason, at_limit)) => {
            count(LoginResult::Refused);
            attempt.take_back();
            return Err(Failure::new(StatusCode::FORBIDDEN, reason).at_limit(at_limit));
        }
        Err(Refusal::Broken(reason)) => {
            count(LoginResult::Broken);
            crate::log::line(&reason);
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
    };
    count(LoginResult::Opened);
    attempt.take_back();
    if clears {
        app.metrics.clear();
    }
    let random =
        |error: std::io::Error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let (word, csrf) = (Word::new().map_err(random)?, Word::new().map_err(random)?);
    let session = app.table.add(word.hash(), csrf.hash(), packets);
    // A session that is cleared at once is over before its first answer.
    let account = match session.ask(Request::Account).await {
        Some(Ok(account)) => account,
        Some(Err(_)) => json!({ "username": user, "name": user }),
        None => return Err(Failure::no_session()),
    };
    let mut response = Json(json!({
        "user_initialized": true,
        "user": account,
        "version": {
            "Product": "session-limit",
            "Version": env!("CARGO_PKG_VERSION"),
            "min_version": env!("CARGO_PKG_VERSION"),
        },
        "session_cookie_name": SESSION_COOKIES.first(),
        "controller": { "api_idle_timeout": service.api_idle_timeout },
    }))
    .into_response();
    set_cookies(&mut response, cookies::set(&word, &csrf));
    Ok(response)
}

/// Ends the session of the request.
pub async fn log_out(State(app): State<App>, Writer(session): Writer) -> Response {
    app.table.remove(session.id);
    let mut response = Json(json!({})).into_response();
    set_cookies(&mut response, cookies::unset());
    response
}

/// Reads a form or a JSON object.
fn credentials(headers: &HeaderMap, body: &[u8]) -> Result<Credentials, Failure> {
    let is_form = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let fields: Vec<(String, Value)> = if is_form && body.first() != Some(&b'{') {
        form_urlencoded::parse(body)
            .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
            .collect()
    } else {
        let object: Map<String, Value> = serde_json::from_slice(body).map_err(|_| {
            let error = "the body is not valid, expected a form or a JSON object";
            Failure::new(StatusCode::BAD_REQUEST, error)
        })?;
        object.into_iter().collect()
    };
    let (mut username, mut password, mut clears, mut chosen) = (None, None, false, Vec::new());
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("username", Value::String(text)) => username = Some(text),
            ("password", Value::String(text)) => password = Some(Zeroizing::new(text)),
            ("username" | "password", _) => return Err(Failure::field(&name, "expected text")),
            ("clear_sessions", Value::Bool(value)) => clears = value,
            ("clear_sessions", Value::String(text)) if text == "true" => clears = true,
            ("clear_sessions", Value::String(text)) if text == "false" => clears = false,
            ("clear_sessions", _) => return Err(Failure::field(&name, "expected true or false")),
            ("end_session", Value::Array(ids)) if !ids.is_empty() => {
                for id in &ids {
                    chosen.push(session_number(id)?);
                }
            }
            ("end_session", id) => chosen.push(session_number(&id)?),
            _ => return Err(Failure::field(&name, "a login has no such field")),
        }
    }
    if chosen.len() > MAX_CHOSEN {
        let expected = format!("expected at most {MAX_CHOSEN} sessions");
        return Err(Failure::field(END_SESSION, &expected));
    }
    if clears && !chosen.is_empty() {
        return Err(Failure::field(END_SESSION, "expected this or clear_sessions, not both"));
    }
    let others = if clears { Others::Clear } else { Others::EndAtLimit(chosen) };
    let expected = "expected text without NUL characters";
    let username = username.filter(|name| is_plain(name) && !name.is_empty() && name.len() <= 256);
    let username = username.ok_or_else(|| Failure::field("username", expected))?;
    let text = password.filter(|text| is_plain(text) && text.len() <= CAPACITY);
    let text = text.ok_or_else(|| Failure::field("password", expected))?;
    let memory =
        |error: std::io::Error| Failure::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    let mut password = Secret::new().map_err(memory)?;
    for &byte in text.as_bytes() {
        password.push(byte);
    }
    Ok(Credentials { username, password, others })
}

/// Reads the number of a session, as text where it comes from a form.
fn session_number(value: &Value) -> Result<i64, Failure> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    let expected = "expected the number of a session, or several in an array";
    number.filter(|&id| id > 0).ok_or_else(|| Failure::field(END_SESSION, expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Option<&'static str>, body: &str) -> Result<(String, String, Others), Failure> {
        let kind = kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind)));
        let found = credentials(&kind.into_iter().collect(), body.as_bytes())?;
        let password = String::from_utf8(found.password.bytes().to_vec()).unwrap();
        Ok((found.username, password, found.others))
    }

    #[test]
    fn a_form_and_json_say_the_same() {
        let expected = Ok(("a".to_owned(), "p w".to_owned(), Others::Clear));
        let form = Some("application/x-www-form-urlencoded");
        assert_eq!(read(form, "username=a&password=p+w&clear_sessions=true"), expected);
        let body = r#"{"username": "a", "password": "p w", "clear_sessions": true}"#;
        for kind in [Some("application/json"), None, form] {
            assert_eq!(read(kind, body), expected);
        }
    }

    #[test]
    fn sessions_are_chosen_by_their_numbers() {
        let chosen = |kind, body: &str| read(kind, body).unwrap().2;
        let form = Some("application/x-www-form-urlencoded");
        let several = Others::EndAtLimit(vec![5, 7]);
        assert_eq!(chosen(form, "username=a&password=p&end_session=5&end_session=7"), several);
        let body = r#"{"username": "a", "password": "p", "end_session": [5, 7]}"#;
        assert_eq!(chosen(None, body), several);
        let body = r#"{"username": "a", "password": "p", "end_session": 5}"#;
        assert_eq!(chosen(None, body), Others::EndAtLimit(vec![5]));
        assert!(
            read(form, &format!("username=a&password=p{}", "&end_session=5".repeat(17))).is_err()
        );
    }

    #[test]
    fn what_is_not_valid_is_named() {
        for (body, field) in [
            (r#"{"username": "a"}"#, "password"),
            (r#"{"password": "a"}"#, "username"),
            (r#"{"username": 5, "password": "a"}"#, "username"),
            (r#"{"username": "a\u0000b", "password": "a"}"#, "username"),
            (r#"{"username": "a", "password": "a", "token": "x"}"#, "token"),
            (r#"{"username": "a", "password": "a", "clear_sessions": 1}"#, "clear_sessions"),
            (r#"{"username": "a", "password": "a", "end_session": 0}"#, "end_session"),
            (r#"{"username": "a", "password": "a", "end_session": "x"}"#, "end_session"),
            (r#"{"username": "a", "password": "a", "end_session": []}"#, "end_session"),
            (r#"{"username": "a", "password": "a", "end_session": [1, "2", null]}"#, "end_session"),
            (
                r#"{"username": "a", "password": "a", "end_session": 1, "clear_sessions": true}"#,
                "end_session",
            ),
        ] {
            let expected = Failure::field(field, "").into_response().status();
            let failure = read(None, body).unwrap_err();
            assert!(format!("{failure:?}").contains(field), "{body}: {failure:?}");
            assert_eq!(failure.into_response().status(), expected);
        }
        assert!(read(None, "[]").is_err() && read(None, "").is_err());
    }
}
