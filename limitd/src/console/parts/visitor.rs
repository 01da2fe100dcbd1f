//! Who looks at a page: the session behind the cookies, and what it may ask.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use session_limit_admin::api::objects::UserAccount;
use session_limit_admin::api::{ListQuery, Request, Resource};
use session_limit_admin::error::{AdminError, AdminErrorKind};

use super::paths::{LOGOUT, PASSWORD};
use super::problem::Problem;
use crate::calls::App;
use crate::sessions::Session;
use crate::sessions::cookies::{self, Hash};

/// Set by the script where a page asks by itself.
const UNATTENDED: &str = "x-unattended";

/// A user with a session.
pub struct Visitor {
    /// The session.
    pub session: Session,
    /// The word that forms carry against forged requests.
    pub csrf: String,
    /// The user's account.
    pub account: UserAccount,
    /// The path and query that were asked for.
    pub path: String,
    is_unattended: bool,
}

/// A session without a look at its account.
pub struct Known {
    /// The session.
    pub session: Session,
    /// The word that forms carry against forged requests.
    pub csrf: String,
}

/// Returns the session of a request, with the word that its forms carry.
pub fn known(app: &App, headers: &axum::http::HeaderMap) -> Option<Known> {
    let session = app.table.find(&cookies::candidates(headers))?;
    let words = cookies::csrf_words(headers);
    let csrf = words.into_iter().find(|word| Hash::of(word) == session.csrf)?.to_owned();
    Some(Known { session, csrf })
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let is_unattended = parts.headers.contains_key(UNATTENDED);
        if let Some(connection) = parts.extensions.get::<crate::net::Connection>() {
            connection.set_busy();
        }
        let Some(Known { session, csrf }) = known(app, &parts.headers) else {
            return Err(if is_link_from_elsewhere(parts) {
                Problem::FromElsewhere(path)
            } else {
                Problem::Over(path)
            });
        };
        let visitor = Self::of(session, csrf, path, is_unattended).await?;
        match visitor.has_to_change_password() {
            false => Ok(visitor),
            true if is_unattended => {
                let text = "The password has expired and has to be changed first.".to_owned();
                Err(Problem::Request(StatusCode::FORBIDDEN, text))
            }
            true => Err(Problem::Expired(visitor.path)),
        }
    }
}

impl Visitor {
    /// Returns the user of a session.
    ///
    /// # Errors
    /// When the session is over, or nothing can be said about the account.
    pub async fn of(
        session: Session,
        csrf: String,
        path: String,
        is_unattended: bool,
    ) -> Result<Self, Problem> {
        let account = ask(&session, &path, Request::Account, is_unattended).await?;
        Ok(Self { session, csrf, account: read(account)?, path, is_unattended })
    }

    /// Returns whether the password has expired and what was asked for is not the change of it.
    pub fn has_to_change_password(&self) -> bool {
        self.account.password_expired && ![PASSWORD, LOGOUT].contains(&self.place())
    }

    /// Asks the session process.
    ///
    /// # Errors
    /// When the session is over, or the session process says no.
    pub async fn ask<T: DeserializeOwned>(&self, request: Request) -> Result<T, Problem> {
        read(ask(&self.session, &self.path, request, self.is_unattended).await?)
    }

    /// Asks for all objects of a kind, page by page.
    ///
    /// # Errors
    /// See [`Visitor::ask`].
    pub async fn all<T: DeserializeOwned>(&self, resource: Resource) -> Result<Vec<T>, Problem> {
        let mut all = Vec::new();
        for page in 1.. {
            let query = ListQuery {
                page: Some(page),
                page_size: Some(session_limit_admin::api::MAX_PAGE_SIZE),
                ..ListQuery::default()
            };
            let answer: Value = self.ask(Request::List(resource, query)).await?;
            let results = answer.get("results").and_then(Value::as_array).cloned();
            let results = results.unwrap_or_default();
            let is_last = results.len() < session_limit_admin::api::MAX_PAGE_SIZE;
            for result in results {
                all.push(read(result)?);
            }
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Returns the part of the path before the query.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }
}

/// Returns whether a page of another site has led here: the browser keeps the cookies back then, and the user may
/// well be logged in.
fn is_link_from_elsewhere(parts: &Parts) -> bool {
    let is = |name: &str, value: &str| {
        parts.headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
    };
    is("sec-fetch-site", "cross-site") && is("sec-fetch-mode", "navigate")
}

async fn ask(
    session: &Session,
    path: &str,
    request: Request,
    is_unattended: bool,
) -> Result<Value, Problem> {
    let request = if is_unattended && request.only_reads() {
        Request::Unattended(Box::new(request))
    } else {
        request
    };
    match session.ask(request).await {
        None => Err(Problem::Over(path.to_owned())),
        Some(answer) => Ok(answer?),
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        let text =
            format!("the session process and the service are of different versions: {error}");
        Problem::Admin(AdminError::new(AdminErrorKind::Io, text))
    })
}
