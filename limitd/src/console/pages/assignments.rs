//! Which users and groups are assigned which profile, and which profile holds for a user and why.

use axum::extract::OriginalUri;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use session_limit_admin::api::objects::{User, UserAccountProfile, UserGroup};
use session_limit_admin::api::{Request, Resource};
use session_limit_admin::error::AdminError;

use super::profile_form::VERSION;
use crate::console::parts::page::{self, hidden};
use crate::console::parts::{Form, Page, Posted, Problem, Visitor, advice};

const PATH: &str = "/console/assignments";
/// The service of the login that is explained where none is named.
const SERVICE: &str = "sshd";

/// Why a profile holds, as `shell explain` says it.
#[derive(Deserialize)]
struct Explanation {
    user: String,
    service: String,
    user_profile_ref: String,
    assigned_by: String,
    max_concurrent_sessions: u32,
    next_login: String,
    reason: String,
    notes: Vec<String>,
}

/// What the page shows.
#[derive(Default)]
struct Shown<'a> {
    /// Whether something was saved before.
    done: &'a str,
    /// What was typed for a new assignment, and why it was not saved.
    typed: Option<(&'a Form, AdminError)>,
    /// The user to explain, and the service.
    explain: Option<(&'a str, &'a str)>,
}

/// Shows users and groups.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let user = form.get("explain").trim();
    let service = form.find("service").map(str::trim).filter(|service| !service.is_empty());
    let explain = (!user.is_empty()).then_some((user, service.unwrap_or(SERVICE)));
    page(&visitor, Shown { done: form.get("done"), explain, ..Shown::default() }).await
}

/// Assigns a profile: to a user or group that has none, or another one.
pub async fn assign(posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, form } = posted;
    let resource = resource(&form)?;
    let body = json!({ "user_profile_ref": form.get("profile") });
    let result: Result<Value, Problem> = match form.find("id") {
        Some(id) => {
            let body =
                json!({ "user_profile_ref": form.get("profile"), VERSION: form.get(VERSION) });
            visitor.ask(Request::Patch(resource, id.to_owned(), json!({ "replace": body }))).await
        }
        None => {
            let key = if resource == Resource::User { "username" } else { "name" };
            let mut body = body;
            if let Value::Object(body) = &mut body {
                body.insert(key.to_owned(), json!(form.get("name").trim()));
            }
            visitor.ask(Request::Create(resource, None, body)).await
        }
    };
    match result {
        Ok(_) => Ok(Redirect::to(&page::address(PATH, &[], &[("done", "saved")])).into_response()),
        Err(Problem::Admin(error)) => {
            let shown = Shown { typed: Some((&form, error)), ..Shown::default() };
            Ok((StatusCode::BAD_REQUEST, page(&visitor, shown).await?).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// Removes an assignment.
pub async fn remove(posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, form } = posted;
    let request = Request::Delete(resource(&form)?, form.get("id").to_owned());
    let _: Value = visitor.ask(request).await?;
    Ok(Redirect::to(&page::address(PATH, &[], &[("done", "removed")])).into_response())
}

fn resource(form: &Form) -> Result<Resource, Problem> {
    match form.get("kind") {
        "user" => Ok(Resource::User),
        "group" => Ok(Resource::UserGroup),
        _ => Err(Problem::request("The form names neither a user nor a group.")),
    }
}

async fn page(visitor: &Visitor, shown: Shown<'_>) -> Result<Response, Problem> {
    let profiles: Vec<UserAccountProfile> = visitor.all(Resource::UserAccountProfile).await?;
    let users: Vec<User> = visitor.all(Resource::User).await?;
    let groups: Vec<UserGroup> = visitor.all(Resource::UserGroup).await?;
    let users: Vec<Entry> =
        users.into_iter().filter(|user| user.is_assigned).map(Entry::from).collect();
    let groups: Vec<Entry> = groups.into_iter().map(Entry::from).collect();
    let explained = match shown.explain {
        Some((user, service)) => Some(explain(visitor, user, service).await?),
        None => None,
    };
    let (name, service) = shown.explain.unwrap_or(("", SERVICE));
    let body = html! {
        @match shown.done {
            "saved" => (page::notice("The assignment is saved. It holds from the next login on.")),
            "removed" => (page::notice("The assignment is removed. It holds from the next login on.")),
            _ => {}
        }
        @if let Some((_, error)) = &shown.typed { (page::problem(&error.message, advice(error.kind))) }
        p {
            "A user's own entry takes precedence, then the first group of the list that the user is in, then "
            "Default-User-Account-Profile."
        }
        h2 { "Which profile holds for …" }
        form.search method="get" action=(PATH) {
            label for="explain" { "User" }
            input #explain name="explain" value=(name) required autocomplete="off" autocapitalize="none";
            label for="service" { "Service" }
            input #service name="service" value=(service) autocomplete="off" autocapitalize="none";
            button { "Explain" }
        }
        @if let Some(explained) = explained { (explained) }
        h2 { "Users" }
        (entries(visitor, "user", &users, &profiles))
        h2 { "Groups" }
        (entries(visitor, "group", &groups, &profiles))
        h2 { "Assign a profile" }
        (creation(visitor, &profiles, shown.typed.as_ref().map(|(form, _)| *form)))
    };
    Ok(Page::of("Users and groups", visitor).render(&body))
}

/// An assignment.
struct Entry {
    id: String,
    name: String,
    profile: String,
    version: String,
    is_known: bool,
}

impl From<User> for Entry {
    fn from(user: User) -> Self {
        Self {
            id: user.uuid,
            name: user.name,
            profile: user.user_profile_ref.unwrap_or_default(),
            version: user.last_modified,
            is_known: user.is_known,
        }
    }
}

impl From<UserGroup> for Entry {
    fn from(group: UserGroup) -> Self {
        Self {
            id: group.uuid,
            name: group.name,
            profile: group.user_profile_ref,
            version: group.last_modified,
            is_known: group.is_known,
        }
    }
}

fn entries(
    visitor: &Visitor,
    kind: &str,
    entries: &[Entry],
    profiles: &[UserAccountProfile],
) -> Markup {
    let rows = html! {
        thead { tr { th scope="col" { "Name" } th scope="col" { "Profile" } th scope="col" { "Action" } } }
        tbody {
            @for entry in entries {
                tr {
                    th scope="row" {
                        (entry.name)
                        @if !entry.is_known { " " small.mistake { "not known to this host" } }
                    }
                    td {
                        form.inline method="post" action=(PATH) {
                            (page::word(visitor))
                            (hidden("kind", kind))
                            (hidden("id", &entry.id))
                            (hidden(VERSION, &entry.version))
                            select name="profile" aria-label={ "Profile of " (kind) " " (entry.name) } {
                                (options(profiles, &entry.profile))
                            }
                            button.small aria-label={ "Save the profile of " (kind) " " (entry.name) } { "Save" }
                        }
                    }
                    td {
                        form method="post" action={ (PATH) "/remove" } {
                            (page::word(visitor))
                            (hidden("kind", kind))
                            (hidden("id", &entry.id))
                            button.small aria-label={ "Remove the assignment of " (kind) " " (entry.name) } {
                                "Remove"
                            }
                        }
                    }
                }
            }
        }
    };
    html! {
        @if entries.is_empty() { p { "No " (kind) " is assigned a profile." } }
        @else { (page::table(if kind == "user" { "Users" } else { "Groups" }, &rows)) }
    }
}

fn options(profiles: &[UserAccountProfile], chosen: &str) -> Markup {
    html! {
        @for profile in profiles {
            option value=(profile.url) selected[profile.url == chosen] { (profile.name) }
        }
    }
}

fn creation(visitor: &Visitor, profiles: &[UserAccountProfile], typed: Option<&Form>) -> Markup {
    let typed = typed.filter(|form| form.find("id").is_none());
    let get = |name: &str| typed.map_or("", |form| form.get(name));
    html! {
        form.fields method="post" action=(PATH) {
            (page::word(visitor))
            fieldset {
                legend { "To whom" }
                @for (kind, title) in [("user", "a user"), ("group", "the members of a group")] {
                    @let is_chosen = get("kind") == kind || (get("kind").is_empty() && kind == "user");
                    label {
                        input type="radio" name="kind" value=(kind) checked[is_chosen];
                        " " (title)
                    }
                }
            }
            p.field {
                label for="name" { "Name" }
                input #name name="name" value=(get("name")) required maxlength="256"
                    autocomplete="off" autocapitalize="none" spellcheck="false";
            }
            p.field {
                label for="profile" { "Profile" }
                select #profile name="profile" { (options(profiles, get("profile"))) }
            }
            p.buttons { button { "Assign" } }
        }
    }
}

async fn explain(visitor: &Visitor, user: &str, service: &str) -> Result<Markup, Problem> {
    let request = Request::Explain(user.to_owned(), service.to_owned());
    let found: Explanation = match visitor.ask(request).await {
        Ok(found) => found,
        Err(Problem::Admin(error)) => {
            return Ok(page::problem(&error.message, advice(error.kind)));
        }
        Err(problem) => return Err(problem),
    };
    Ok(html! {
        dl #explanation {
            dt { "User" } dd { (found.user) }
            dt { "Profile" } dd { (found.user_profile_ref) ", " (found.assigned_by) }
            dt { "Limit" }
            dd { @if found.max_concurrent_sessions == 0 { "none" } @else { (found.max_concurrent_sessions) } }
            dt { "Next login through " (found.service) } dd { (found.next_login) ": " (found.reason) }
            @for note in &found.notes { dt { "Note" } dd { (note) } }
        }
    })
}
