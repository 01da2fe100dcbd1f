//! One's own profile and sessions.

use axum::extract::OriginalUri;
use axum::response::Response;
use maud::{Markup, html};
use session_limit_admin::api::objects::UserAccountProfile;
use session_limit_admin::api::overview::SessionPage;
use session_limit_admin::api::{ListQuery, Request, Resource};
use session_limit_admin::config::field::Field;

use super::limits;
use super::profile_form::value;
use super::sessions;
use crate::console::parts::paths::PASSWORD;
use crate::console::parts::{Form, Page, Problem, Visitor, page};

const PATH: &str = "/console/account";
const PAGE_SIZE: usize = 50;

/// Shows one's own profile and sessions.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let number = form.get("page").parse().unwrap_or(1).max(1);
    let version: String = visitor.ask(Request::Version).await?;
    let query =
        ListQuery { page: Some(number), page_size: Some(PAGE_SIZE), ..ListQuery::default() };
    let list: SessionPage = visitor.ask(Request::OwnSessions(query)).await?;
    let profile = profile(&visitor).await?;
    let refusals = limits::refusals(&visitor, &visitor.account.name, 1).await?;
    let others = list.count.saturating_sub(1);
    let body = html! {
        (sessions::done(form.get("done")))
        @if form.get("done") == "password" { (page::notice("Your password is changed.")) }
        div #live {
            p {
                "Sessions in use: "
                span.in-use {
                    (page::in_use(
                        &visitor.account.name,
                        visitor.account.concurrent_sessions,
                        visitor.account.max_concurrent_sessions,
                    ))
                }
            }
            @if let Some(warning) = &list.warning { (sessions::missing(warning)) }
            (table(&visitor, &list))
            (page::pager(PATH, &[], number, PAGE_SIZE, list.count))
            @if others > 0 {
                p { a.button href="/console/sessions/end" { "End all my other sessions" } }
            }
        }
        @if refusals.count > 0 {
            h2 { "Refused logins" }
            p { "The newest of your logins that found no slot since this host was started." }
            (limits::refused(&refusals))
        }
        @if visitor.account.has_local_password {
            p { a.button href=(PASSWORD) { "Change password" } }
        }
        h2 { "Your profile" }
        @match &profile {
            None => p { "It is not known while the configuration of this host is not valid." },
            Some(profile) => (fields(profile)),
        }
    };
    Ok(Page::of("My sessions", &visitor).live(&version).render(&body))
}

async fn profile(visitor: &Visitor) -> Result<Option<UserAccountProfile>, Problem> {
    let Some(path) = &visitor.account.user_profile_ref else { return Ok(None) };
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    let request = Request::Get(Resource::UserAccountProfile, id, ListQuery::default());
    visitor.ask(request).await.map(Some)
}

fn table(visitor: &Visitor, list: &SessionPage) -> Markup {
    let content = html! {
        thead {
            tr {
                @if list.is_of_fleet { th scope="col" { "Host" } }
                @for title in ["User", "Service", "From", "Since", "State", "Idle", "Action"] {
                    th scope="col" { (title) }
                }
            }
        }
        tbody { @for row in &list.results { (sessions::row(visitor, row, false, list.is_of_fleet)) } }
    };
    page::table("My sessions", &content)
}

fn fields(profile: &UserAccountProfile) -> Markup {
    html! {
        p { "An administrator of this host decides which profile holds for you. It is " strong { (profile.name) } "." }
        dl {
            @for field in Field::ALL {
                dt { (field.name()) }
                dd { (value(profile, field)) " – " (field.help()) }
            }
        }
    }
}
