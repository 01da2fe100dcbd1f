//! What administrators are asked about: users at their limit, and logins that were refused.

use axum::extract::OriginalUri;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use session_limit_admin::api::objects::Refusal;
use session_limit_admin::api::overview::AtLimitPage;
use session_limit_admin::api::{ListQuery, Request, Resource};

use crate::console::parts::page::{self, counted};
use crate::console::parts::{Form, Page, Problem, Visitor};

const PATH: &str = "/console/limits";
const PAGE_SIZE: usize = 50;

/// A page of refusals, as the API lists them.
#[derive(Deserialize)]
pub struct Refusals {
    /// Refusals on all pages.
    pub count: usize,
    results: Vec<Refusal>,
}

/// Shows users at their limit, and refusals.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let number = |name: &str| form.get(name).parse().unwrap_or(1).max(1);
    let (number, refusals_number) = (number("page"), number("refusals"));
    let user = form.get("user").trim();
    let version: String = visitor.ask(Request::Version).await?;
    let query =
        ListQuery { page: Some(number), page_size: Some(PAGE_SIZE), ..ListQuery::default() };
    let users: AtLimitPage = visitor.ask(Request::UsersAtLimit(query)).await?;
    let refusals = refusals(&visitor, user, refusals_number).await?;
    let body = html! {
        div #live {
            h2 { "Users at their limit" }
            @for warning in &users.warnings { p { "Note: " (warning) "." } }
            @if users.count == 0 { p { "No user is at their limit." } } @else {
                p { (counted(users.count, "user", "users")) " can open no further session." }
                (table(&users))
                (page::pager(PATH, &[("user", user)], number, PAGE_SIZE, users.count))
            }
            h2 { "Refused logins" }
            form.search method="get" action=(PATH) role="search" {
                label for="user" { "Of user" }
                input #user name="user" type="search" value=(user) autocapitalize="none";
                button { "Show" }
            }
            @if refusals.count == 0 {
                p {
                    "No login " @if !user.is_empty() { "of " (user) " " }
                    "has been refused since this host was started."
                }
            } @else {
                p { (counted(refusals.count, "login", "logins")) " since this host was started." }
                (refused(&refusals))
                @let last = refusals.count.div_ceil(PAGE_SIZE);
                @let link = |page: usize| {
                    page::address(PATH, &[("user", user)], &[("refusals", &page.to_string())])
                };
                @if last > 1 {
                    nav.pager aria-label="Pages of the refused logins" {
                        @if refusals_number > 1 { a rel="prev" href=(link(refusals_number - 1)) { "Newer" } }
                        span { "Page " (refusals_number) " of " (last) }
                        @if refusals_number < last { a rel="next" href=(link(refusals_number + 1)) { "Older" } }
                    }
                }
            }
        }
    };
    Ok(Page::of("At the limit", &visitor).live(&version).render(&body))
}

/// Returns a page of the refusals of a user, or of all, the newest first.
///
/// # Errors
/// See [`Visitor::ask`].
pub async fn refusals(visitor: &Visitor, user: &str, page: usize) -> Result<Refusals, Problem> {
    let query = ListQuery {
        page: Some(page),
        page_size: Some(PAGE_SIZE),
        name: (!user.is_empty()).then(|| user.to_owned()),
        sort: Some("-id".to_owned()),
        ..ListQuery::default()
    };
    visitor.ask(Request::List(Resource::Refusal, query)).await
}

fn table(users: &AtLimitPage) -> Markup {
    let rows = html! {
        thead {
            tr {
                @for title in ["User", "In use", "Last login", "From", "Action"] { th scope="col" { (title) } }
            }
        }
        tbody {
            @for user in &users.results {
                tr {
                    th scope="row" { (user.name) }
                    td { (page::in_use(&user.name, user.concurrent_sessions, user.max_concurrent_sessions)) }
                    td { @if let Some(time) = &user.last_login_timestamp { (page::time(time)) } @else { "not known" } }
                    td { @if let Some(ip) = &user.last_login_ip { (ip) } @else { "this host" } }
                    td {
                        a href=(page::address("/console/sessions", &[("q", &user.name)], &[])) {
                            "Sessions of " (user.name)
                        }
                    }
                }
            }
        }
    };
    page::table("Users at their limit", &rows)
}

/// The refusals of a page.
pub fn refused(refusals: &Refusals) -> Markup {
    let rows = html! {
        thead {
            tr {
                @for title in ["When", "User", "Service", "From", "In use", "What held the slots"] {
                    th scope="col" { (title) }
                }
            }
        }
        tbody {
            @for one in &refusals.results {
                tr {
                    td { (page::time(&one.time)) }
                    td { (one.name) }
                    td { (one.service) @if let Some(tty) = &one.tty { " (" (tty) ")" } }
                    td { @if let Some(rhost) = &one.rhost { (rhost) } @else { "this host" } }
                    td {
                        (one.concurrent_sessions) " of " (one.max_concurrent_sessions)
                        @if one.is_admitted { ", let in and logged" }
                    }
                    td.text { (one.held_by) }
                }
            }
        }
    };
    page::table("Refused logins", &rows)
}
