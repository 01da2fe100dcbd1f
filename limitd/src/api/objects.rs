//! The calls about objects: read, changed and ended by the session process of the request.

use axum::body::Body;
use axum::extract::{OriginalUri, Path, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::Value;
use session_limit_admin::api::{ListQuery, Request, Resource};

use crate::calls::{self, App, Failure, Reader, Writer, read_body};
use crate::net::Connection;
use crate::sessions::Session;

/// Lists objects.
pub async fn list(
    State(app): State<App>,
    Extension(resource): Extension<Resource>,
    OriginalUri(uri): OriginalUri,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Reader(session): Reader,
) -> Result<Response, Failure> {
    connection.set_busy();
    let query = query(&uri)?;
    let (page, size) = query.page()?;
    let mut answer = ask(&session, Request::List(resource, query)).await?;
    let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
    if page.saturating_mul(size) < usize::try_from(count).unwrap_or(usize::MAX) {
        let scheme = if app.settings().service.tls { "https" } else { "http" };
        let next = next(scheme, &headers, &uri, page + 1);
        if let Value::Object(answer) = &mut answer {
            answer.insert("next".to_owned(), Value::String(next));
        }
    }
    Ok(Json(answer).into_response())
}

/// Shows one object.
pub async fn get(
    Extension(resource): Extension<Resource>,
    Path(id): Path<String>,
    OriginalUri(uri): OriginalUri,
    Extension(connection): Extension<Connection>,
    Reader(session): Reader,
) -> Result<Response, Failure> {
    connection.set_busy();
    let query = query(&uri)?;
    Ok(Json(ask(&session, Request::Get(resource, id, query)).await?).into_response())
}

/// Shows the acting user's own account.
pub async fn account(Reader(session): Reader) -> Result<Response, Failure> {
    Ok(Json(ask(&session, Request::Account).await?).into_response())
}

/// Creates an object.
pub async fn create(
    Extension(resource): Extension<Resource>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = json(&connection, body).await?;
    let wished = headers.get("slug").and_then(|slug| slug.to_str().ok()).map(str::to_owned);
    let created = ask(&session, Request::Create(resource, wished, body)).await?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// Gives an object another content.
pub async fn replace(
    Extension(resource): Extension<Resource>,
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = json(&connection, body).await?;
    Ok(Json(ask(&session, Request::Replace(resource, id, body)).await?).into_response())
}

/// Changes some fields of an object.
pub async fn patch(
    Extension(resource): Extension<Resource>,
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = json(&connection, body).await?;
    Ok(Json(ask(&session, Request::Patch(resource, id, body)).await?).into_response())
}

/// Deletes an object; ends a session.
pub async fn delete(
    State(app): State<App>,
    Extension(resource): Extension<Resource>,
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
) -> Result<Response, Failure> {
    connection.set_busy();
    let counts = ask(&session, Request::Delete(resource, id)).await?;
    if !resource.is_session() {
        return Ok(no_content());
    }
    app.metrics.clear();
    Ok(Json(counts).into_response())
}

/// Says what a limit would mean for the users of a profile; changes nothing.
pub async fn check(
    Path(id): Path<String>,
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = json(&connection, body).await?;
    Ok(Json(ask(&session, Request::CheckProfile(id, body)).await?).into_response())
}

/// Ends all sessions of a user.
pub async fn clear(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    Writer(session): Writer,
    body: Body,
) -> Result<Response, Failure> {
    let body = json(&connection, body).await?;
    let counts = ask(&session, Request::Clear(body)).await?;
    app.metrics.clear();
    Ok(Json(counts).into_response())
}

/// Asks the session process. Nothing is repeated: a session that is over is over.
pub(super) async fn ask(session: &Session, request: Request) -> Result<Value, Failure> {
    Ok(session.ask(request).await.ok_or_else(Failure::no_session)??)
}

/// An answer without a body.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

async fn json(connection: &Connection, body: Body) -> Result<Value, Failure> {
    calls::json(&read_body(connection, body).await?)
}

/// Reads the parameters behind the path.
fn query(uri: &Uri) -> Result<ListQuery, Failure> {
    let mut query = ListQuery::default();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let number = || {
            let wrong = |_| Failure::field(&name, "expected a whole number from 1");
            value.parse::<usize>().map_err(wrong)
        };
        match &*name {
            "page" => query.page = Some(number()?),
            "page_size" => query.page_size = Some(number()?),
            "name" => query.name = Some(value.into_owned()),
            "sort" => query.sort = Some(value.into_owned()),
            "fields" => {
                query.fields = Some(value.split(',').map(|name| name.trim().to_owned()).collect());
            }
            "include_name" => {
                query.include_name = match &*value {
                    "" | "true" => true,
                    "false" => false,
                    _ => return Err(Failure::field(&name, "expected true or false")),
                };
            }
            _ => return Err(Failure::field(&name, "there is no such parameter")),
        }
    }
    Ok(query)
}

/// Returns the address of another page of the same list.
fn next(scheme: &str, headers: &HeaderMap, uri: &Uri, page: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name != "page" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("page", &page.to_string());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let start = host.map_or(String::new(), |host| format!("{scheme}://{host}"));
    format!("{start}{}?{}", uri.path(), query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn parameters_are_read_and_others_refused() {
        let read =
            query(&uri("/api/user?page=2&page_size=3&name=a+b&fields=x,%20y&sort=-x&include_name"));
        let read = read.unwrap();
        assert_eq!((read.page, read.page_size, read.include_name), (Some(2), Some(3), true));
        assert_eq!((read.name.as_deref(), read.sort.as_deref()), (Some("a b"), Some("-x")));
        assert_eq!(read.fields, Some(vec!["x".to_owned(), "y".to_owned()]));
        for bad in ["page=x", "page=-1", "include_name=1", "colour=1"] {
            let failure = query(&uri(&format!("/api/user?{bad}"))).unwrap_err();
            assert!(format!("{failure:?}").contains(bad.split('=').next().unwrap()));
        }
    }

    #[test]
    fn the_next_page_is_the_same_list() {
        let headers: HeaderMap = [(HOST, "h:1".parse().unwrap())].into_iter().collect();
        let next = next("https", &headers, &uri("/api/user?page=1&name=a%26b"), 2);
        assert_eq!(next, "https://h:1/api/user?name=a%26b&page=2");
    }
}
