//! Ending sessions: one at once, all of a user after a page that names them.

use axum::extract::OriginalUri;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use serde_json::json;
use session_limit_admin::api::objects::{Cleared, UserSession};
use session_limit_admin::api::{ListQuery, MAX_PAGE_SIZE, Request, Resource};

use crate::console::parts::page::{self, counted, hidden};
use crate::console::parts::paths::HOME;
use crate::console::parts::{Form, Page, Posted, Problem, Visitor};

/// A page of sessions, as the API lists them.
#[derive(Deserialize)]
struct Listed {
    count: usize,
    results: Vec<UserSession>,
}

/// Names what will end.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let own = visitor.account.name.clone();
    let user = form.find("user").filter(|user| !user.is_empty()).unwrap_or(&own);
    let is_own = user == own;
    let query = ListQuery {
        page_size: Some(MAX_PAGE_SIZE),
        name: Some(user.to_owned()),
        ..ListQuery::default()
    };
    let listed: Listed = visitor.ask(Request::List(Resource::UserSession, query)).await?;
    let ended: Vec<&UserSession> =
        listed.results.iter().filter(|session| !session.is_current).collect();
    let spared = listed.results.len() - ended.len();
    let count = listed.count - spared;
    let back = if visitor.account.is_administrator { HOME } else { "/console/account" };
    let body = html! {
        @if ended.is_empty() {
            p { (user) " has no session that could be ended here." }
            p { a href=(back) { "Back" } }
        } @else {
            p {
                "This ends " strong { (counted(count, "session", "sessions")) " of " (user) }
                ", and every program that runs in them. Unsaved work is lost."
                @if spared > 0 { " The session that you are using now is spared." }
            }
            ul {
                @for session in &ended {
                    li { (page::session(session)) }
                }
                @if count > ended.len() { li { "and " (count - ended.len()) " more" } }
            }
            form method="post" action="/console/sessions/end" {
                (page::word(&visitor))
                (hidden("user", user))
                (hidden("back", back))
                p.buttons {
                    button.danger { "End " (counted(count, "session", "sessions")) }
                    a href=(back) { "Cancel" }
                }
            }
        }
    };
    let title = if is_own {
        "End all my other sessions".to_owned()
    } else {
        format!("End all sessions of {user}")
    };
    Ok(Page::of(&title, &visitor).render(&body))
}

/// Ends one session, or all of a user.
pub async fn end(posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, form } = posted;
    let cleared: Cleared = match (form.find("id"), form.find("user")) {
        (Some(id), _) => {
            let (resource, id) = match form.find("host") {
                Some(host) => (Resource::FleetSession, format!("{host}:{id}")),
                None => (Resource::UserSession, id.to_owned()),
            };
            visitor.ask(Request::Delete(resource, id)).await?
        }
        (None, Some(user)) => {
            visitor.ask(Request::Clear(json!({"username": user, "except_current": true}))).await?
        }
        (None, None) => return Err(Problem::request("The form names no session.")),
    };
    let ended = cleared.ended + cleared.killed + cleared.forgotten;
    let done = format!("{ended}.{}", cleared.spared);
    Ok(Redirect::to(&back(form.get("back"), &done)).into_response())
}

/// Returns the list that the form was on, with what was done.
fn back(path: &str, done: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = if path == "/console/account" { path } else { HOME };
    let mut fields = Form::parse(query.as_bytes()).0;
    fields.retain(|(name, _)| name != "done");
    let query: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    page::address(path, &query, &[("done", done)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_the_list() {
        assert_eq!(
            back("/console/sessions?q=a%26b&done=9.9", "1.0"),
            "/console/sessions?q=a%26b&done=1.0"
        );
        assert_eq!(back("/console/account", "1.0"), "/console/account?done=1.0");
        assert_eq!(back("https://evil.example/", "1.0"), "/console/sessions?done=1.0");
    }
}
