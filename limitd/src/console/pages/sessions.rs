//! The sessions of the host: who is logged in, from where, since when.

use axum::Extension;
use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use session_limit_admin::api::overview::{SessionPage, SessionRow};
use session_limit_admin::api::{ListQuery, Request};

use crate::calls::App;
use crate::console::parts::page::{self, counted, hidden};
use crate::console::parts::{Form, Page, Problem, Visitor, known};
use crate::net::Connection;

const PATH: &str = "/console/sessions";
const PAGE_SIZE: usize = 50;
/// The columns that can be sorted by: key, and title.
const SORTED: [(&str, &str); 4] =
    [("name", "User"), ("service", "Service"), ("rhost", "From"), ("since", "Since")];
/// The one more that a fleet has.
const HOST: (&str, &str) = ("host", "Host");

/// Shows all sessions; a user who is no administrator their own.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    if !visitor.account.is_administrator {
        return Ok(Redirect::to("/console/account").into_response());
    }
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let (part, sort) = (form.get("q").trim(), form.get("sort"));
    let number = form.get("page").parse().unwrap_or(1).max(1);
    let query = ListQuery {
        page: Some(number),
        page_size: Some(PAGE_SIZE),
        name: Some(part.to_owned()),
        sort: Some(if sort.is_empty() { "name" } else { sort }.to_owned()),
        ..ListQuery::default()
    };
    let version: String = visitor.ask(Request::Version).await?;
    let list: SessionPage = visitor.ask(Request::Sessions(query)).await?;
    let body = html! {
        (done(form.get("done")))
        form.search method="get" action=(PATH) role="search" {
            label for="q" { "Search" }
            input #q name="q" type="search" value=(part) aria-describedby="q-help";
            @if !sort.is_empty() { (hidden("sort", sort)) }
            button { "Search" }
            span #q-help { "any part of a user, host, service, terminal or address" }
        }
        div #live {
            @if let Some(warning) = &list.warning { (missing(warning)) }
            p { (summary(&list, part)) }
            @if !list.results.is_empty() {
                (rows(&visitor, &list, part, sort))
                (page::pager(PATH, &[("q", part), ("sort", sort)], number, PAGE_SIZE, list.count))
            }
        }
    };
    Ok(Page::of("Sessions", &visitor).live(&version).render(&body))
}

/// Says whether the session is open, and a text that changes with what pages show. Does not keep the session
/// from being idle.
pub async fn pulse(
    State(app): State<App>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Response {
    connection.set_busy();
    let over = || StatusCode::UNAUTHORIZED.into_response();
    let Some(known) = known(&app, &headers) else { return over() };
    match known.session.ask(Request::Unattended(Box::new(Request::Version))).await {
        Some(Ok(version)) => version.as_str().unwrap_or_default().to_owned().into_response(),
        Some(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        None => over(),
    }
}

fn summary(list: &SessionPage, part: &str) -> String {
    let sessions = counted(list.count, "session", "sessions");
    let users = counted(list.users, "user", "users");
    match (list.count, part.is_empty()) {
        (0, true) => "Nobody is logged in.".to_owned(),
        (0, false) => format!("No session matches “{part}”."),
        (_, true) => format!("{sessions} of {users}."),
        (_, false) => format!("{sessions} of {users} match “{part}”."),
    }
}

/// Says that the sessions of other hosts are not shown.
pub fn missing(why: &str) -> Markup {
    page::notice(&format!("Sessions of other hosts are not shown: {why}."))
}

fn rows(visitor: &Visitor, list: &SessionPage, part: &str, sort: &str) -> Markup {
    let is_by_user = matches!(sort, "" | "name" | "-name");
    let columns = list.is_of_fleet.then_some(HOST).into_iter().chain(SORTED);
    let width = if list.is_of_fleet { "8" } else { "7" };
    let groups = list.results.chunk_by(|a, b| is_by_user && a.session.uid == b.session.uid);
    let content = html! {
        thead {
            tr {
                @for (key, title) in columns { (heading(key, title, part, sort)) }
                th scope="col" { "State" }
                th scope="col" { "Idle" }
                th scope="col" { "Action" }
            }
        }
        @for group in groups {
            tbody {
                @if let (true, Some(first)) = (is_by_user, group.first()) {
                    tr.group {
                        th scope="rowgroup" colspan=(width) {
                            span.name { (first.session.name) }
                            " "
                            span.in-use {
                                (page::in_use(&first.session.name, first.user_sessions, first.user_limit))
                            }
                            " "
                            a href=(page::address("/console/sessions/end", &[("user", &first.session.name)], &[])) {
                                "End all of " (first.session.name)
                            }
                        }
                    }
                }
                @for row in group { (self::row(visitor, row, !is_by_user, list.is_of_fleet)) }
            }
        }
    };
    page::table("Sessions", &content)
}

fn heading(key: &str, title: &str, part: &str, sort: &str) -> Markup {
    let sort = if sort.is_empty() { "name" } else { sort };
    let (is_up, is_down) = (sort == key, sort.strip_prefix('-') == Some(key));
    let next = if is_up { format!("-{key}") } else { key.to_owned() };
    let order = is_up.then_some("ascending").or(is_down.then_some("descending"));
    html! {
        th scope="col" aria-sort=[order] {
            a href=(page::address(PATH, &[("q", part)], &[("sort", &next)])) { (title) }
            @if is_up { span aria-hidden="true" { " ▲" } }
            @if is_down { span aria-hidden="true" { " ▼" } }
        }
    }
}

/// One session; with what its user holds where the table is not by user, and with its host where it has a column.
pub fn row(visitor: &Visitor, row: &SessionRow, with_use: bool, with_host: bool) -> Markup {
    let session = &row.session;
    html! {
        tr {
            @if with_host {
                td { (page::host(&session.host, session.is_on_self)) }
            }
            td {
                (session.name)
                @if with_use {
                    " " span.in-use { (page::in_use(&session.name, row.user_sessions, row.user_limit)) }
                }
            }
            td { (session.service) @if let Some(tty) = &session.tty { " (" (tty) ")" } }
            td { @if let Some(rhost) = &session.rhost { (rhost) } @else { @if session.is_on_self { "this host" } @else { (session.host) } } }
            td { (page::time(&session.since)) }
            td {
                (state(&session.state))
                @if row.over_limit { ", above the limit" }
                @if session.is_current { " " strong { "this session" } }
            }
            td { @if let Some(idle) = row.idle { (duration(idle)) } @else { "not known" } }
            td {
                form method="post" action="/console/sessions/end" {
                    (page::word(visitor))
                    @if !session.is_on_self { (hidden("host", &session.host)) }
                    (hidden("id", &session.id.to_string()))
                    (hidden("back", &visitor.path))
                    button.small aria-label=(format!("End session {} of {}", session.id, session.name)) {
                        "End"
                    }
                }
            }
        }
    }
}

/// Returns what a state means.
fn state(word: &str) -> &str {
    match word {
        "reserved" => "logging in",
        "stale" => "over, holds no slot",
        "elsewhere" => "in another container",
        other => other,
    }
}

/// Returns a time span in its largest unit.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..=59 => "less than a minute".to_owned(),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Says what the form before this page has done: `ENDED.SPARED`, two numbers.
pub fn done(counts: &str) -> Markup {
    let mut numbers = counts.split('.').map(str::parse::<usize>);
    let (Some(Ok(ended)), Some(Ok(spared))) = (numbers.next(), numbers.next()) else {
        return html! {};
    };
    let mut text = match ended {
        0 => "No session was ended.".to_owned(),
        1 => "1 session was ended.".to_owned(),
        n => format!("{n} sessions were ended."),
    };
    if spared > 0 {
        let sessions = counted(spared, "session", "sessions");
        text.push_str(&format!(
            " {sessions} could not be ended without ending others, or your own."
        ));
    }
    page::notice(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_said_in_numbers_only() {
        assert_eq!(done("").into_string(), "");
        assert_eq!(done("<b>.1").into_string(), "");
        assert!(done("1.0").into_string().contains("1 session was ended."));
        assert!(done("0.2").into_string().contains("2 sessions could not be ended"));
    }

    #[test]
    fn a_time_span_is_in_its_largest_unit() {
        let shown = [59, 60, 3_600, 172_800].map(duration);
        assert_eq!(shown, ["less than a minute", "1 min", "1 h", "2 days"]);
    }
}
