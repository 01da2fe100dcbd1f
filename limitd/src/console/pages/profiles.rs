//! Profiles: create, change, delete.

use axum::extract::{OriginalUri, Path};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Value, json};
use session_limit_admin::api::objects::{User, UserAccountProfile, UserGroup};
use session_limit_admin::api::{ListQuery, Request, Resource};
use session_limit_admin::config::field::Field;
use session_limit_admin::error::{AdminError, AdminErrorKind};
use session_limit_admin::impact::{CheckedUser, LimitCheck};
use session_limit_core::model::utc::utc;

use super::profile_form::{Typed, VERSION, shown, value};
use crate::console::parts::page::{self, counted, hidden};
use crate::console::parts::{Form, Page, Posted, Problem, Visitor, advice};

const PATH: &str = "/console/profiles";
const KIND: Resource = Resource::UserAccountProfile;

/// Shows all profiles.
pub async fn list(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let version: String = visitor.ask(Request::Version).await?;
    let profiles: Vec<UserAccountProfile> = visitor.all(KIND).await?;
    let saved = profiles.iter().find(|profile| profile.uuid == form.get("saved"));
    let rows = html! {
        thead {
            tr {
                th scope="col" { "Profile" }
                @for field in Field::ALL { th scope="col" { (field.name()) } }
                th scope="col" { "on_limit" }
            }
        }
        tbody {
            @for profile in &profiles {
                tr {
                    th scope="row" { a href={ (PATH) "/" (profile.uuid) } { (profile.name) } }
                    @for field in Field::ALL {
                        td.number { (value(profile, field)) }
                    }
                    td { (shown(profile.on_limit.as_deref().unwrap_or_default())) }
                }
            }
        }
    };
    let body = html! {
        @if let Some(saved) = saved { (page::notice(&format!("The profile {} is saved.", saved.name))) }
        @if form.get("deleted") == "1" { (page::notice("The profile is deleted.")) }
        div #live { (page::table("Profiles", &rows)) }
        p { a.button href={ (PATH) "/new" } { "New profile" } }
    };
    Ok(Page::of("Profiles", &visitor).live(&version).render(&body))
}

/// Shows the form of a new profile.
pub async fn new(visitor: Visitor) -> Response {
    creation(&visitor, &Typed::defaults(), None)
}

/// Creates a profile.
pub async fn create(posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, form } = posted;
    let mut typed = Typed::read(&form);
    if !typed.mistakes.is_empty() {
        return Ok((StatusCode::BAD_REQUEST, creation(&visitor, &typed, None)).into_response());
    }
    match visitor.ask::<UserAccountProfile>(Request::Create(KIND, None, typed.body())).await {
        Ok(created) => Ok(Redirect::to(&saved(&created.uuid)).into_response()),
        Err(Problem::Admin(error)) => {
            let rest = note(&mut typed, error);
            let page = creation(&visitor, &typed, rest.as_ref());
            Ok((StatusCode::BAD_REQUEST, page).into_response())
        }
        Err(problem) => Err(problem),
    }
}

/// Shows the form of a profile.
pub async fn edit(visitor: Visitor, Path(uuid): Path<String>) -> Result<Response, Problem> {
    let profile = get(&visitor, &uuid).await?;
    let typed = Typed::of(&profile);
    Ok(change(&visitor, &profile, &typed, None, false))
}

/// Shows what a change means, and saves it after that.
pub async fn save(Path(uuid): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, form } = posted;
    let profile = get(&visitor, &uuid).await?;
    let mut typed = Typed::read(&form);
    if !typed.mistakes.is_empty() {
        let page = change(&visitor, &profile, &typed, None, false);
        return Ok((StatusCode::BAD_REQUEST, page).into_response());
    }
    if typed.version != profile.last_modified {
        return Ok(conflict(&visitor, &profile, &mut typed));
    }
    match form.get("step") {
        "edit" => Ok(change(&visitor, &profile, &typed, None, false)),
        "save" => {
            let request = Request::Patch(KIND, uuid, typed.patch(&profile));
            match visitor.ask::<UserAccountProfile>(request).await {
                Ok(profile) => Ok(Redirect::to(&saved(&profile.uuid)).into_response()),
                Err(Problem::Admin(error)) if error.kind == AdminErrorKind::Conflict => {
                    let profile = get(&visitor, &profile.uuid).await?;
                    Ok(conflict(&visitor, &profile, &mut typed))
                }
                Err(Problem::Admin(error)) => {
                    let rest = note(&mut typed, error);
                    let page = change(&visitor, &profile, &typed, rest.as_ref(), false);
                    Ok((StatusCode::BAD_REQUEST, page).into_response())
                }
                Err(problem) => Err(problem),
            }
        }
        _ => review(&visitor, &profile, &typed).await,
    }
}

/// Asks whether a profile is to be deleted.
pub async fn confirm_deletion(
    visitor: Visitor,
    Path(uuid): Path<String>,
) -> Result<Response, Problem> {
    let profile = get(&visitor, &uuid).await?;
    let holders = holders(&visitor, &profile).await?;
    let body = html! {
        @if holders.is_empty() {
            p { "The profile " strong { (profile.name) } " is assigned to no user and to no group." }
        } @else {
            p {
                "The profile " strong { (profile.name) } " is still assigned to " (holders.join(", "))
                ". Assign another profile to them first."
            }
        }
        form method="post" action={ (PATH) "/" (profile.uuid) "/delete" } {
            (page::word(&visitor))
            (hidden(VERSION, &profile.last_modified))
            p.buttons {
                @if holders.is_empty() { button.danger { "Delete the profile" } }
                a href={ (PATH) "/" (profile.uuid) } { "Cancel" }
            }
        }
    };
    Ok(Page::of(&format!("Delete {}", profile.name), &visitor).render(&body))
}

/// Deletes a profile.
pub async fn delete(Path(uuid): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let visitor = posted.visitor;
    let profile = get(&visitor, &uuid).await?;
    if posted.form.get(VERSION) != profile.last_modified {
        let text = format!(
            "The profile {} changed since you looked at it; it was not deleted.",
            profile.name
        );
        return Err(AdminError::new(AdminErrorKind::Conflict, text).into());
    }
    let _: Value = visitor.ask(Request::Delete(KIND, uuid)).await?;
    Ok(Redirect::to(&page::address(PATH, &[], &[("deleted", "1")])).into_response())
}

async fn get(visitor: &Visitor, uuid: &str) -> Result<UserAccountProfile, Problem> {
    visitor.ask(Request::Get(KIND, uuid.to_owned(), ListQuery::default())).await
}

fn saved(uuid: &str) -> String {
    page::address(PATH, &[], &[("saved", uuid)])
}

/// Puts an error beside the field that it is about; returns it where there is none.
fn note(typed: &mut Typed, error: AdminError) -> Option<AdminError> {
    match &error.field {
        Some(field) => {
            typed.mistakes.push((field.clone(), error.message));
            None
        }
        None => Some(error),
    }
}

fn failed(error: Option<&AdminError>) -> Markup {
    html! { @if let Some(error) = error { (page::problem(&error.message, advice(error.kind))) } }
}

fn creation(visitor: &Visitor, typed: &Typed, error: Option<&AdminError>) -> Response {
    let body = html! {
        (failed(error))
        form.fields method="post" action={ (PATH) "/new" } {
            (page::word(visitor))
            (typed.inputs(None))
            p.buttons {
                button { "Create the profile" }
                a href=(PATH) { "Cancel" }
            }
        }
    };
    Page::of("New profile", visitor).render(&body)
}

fn change(
    visitor: &Visitor,
    profile: &UserAccountProfile,
    typed: &Typed,
    error: Option<&AdminError>,
    has_changed: bool,
) -> Response {
    let action = format!("{PATH}/{}", profile.uuid);
    let body = html! {
        (failed(error))
        @if has_changed {
            (page::problem(
                "Somebody else has changed this profile since you opened it. Nothing was saved.",
                "What you typed is still in the form; beside it is what the profile says now. \
                 Review the changes to save your values.",
            ))
        }
        form.fields method="post" action=(action) {
            (page::word(visitor))
            (typed.inputs(has_changed.then_some(profile)))
            p.buttons {
                button name="step" value="review" { "Review the changes" }
                a href=(PATH) { "Cancel" }
            }
        }
        p { a href={ (action) "/delete" } { "Delete this profile" } }
    };
    Page::of(&format!("Profile {}", profile.name), visitor).render(&body)
}

/// Shows both what was typed and what another user has saved meanwhile.
fn conflict(visitor: &Visitor, profile: &UserAccountProfile, typed: &mut Typed) -> Response {
    typed.version = profile.last_modified.clone();
    let page = change(visitor, profile, typed, None, true);
    (StatusCode::PRECONDITION_FAILED, page).into_response()
}

/// Shows what is going to change, and for whom.
async fn review(
    visitor: &Visitor,
    profile: &UserAccountProfile,
    typed: &Typed,
) -> Result<Response, Problem> {
    let changes = typed.changes(profile);
    let action = format!("{PATH}/{}", profile.uuid);
    let limit = typed.number(Field::MaxConcurrentSessions);
    let effect = match limit.filter(|limit| *limit != profile.max_concurrent_sessions) {
        Some(limit) => Some(effect(visitor, profile, limit).await?),
        None => None,
    };
    let holders = holders(visitor, profile).await?;
    let rows = html! {
        thead { tr { th scope="col" { "Field" } th scope="col" { "Now" } th scope="col" { "After saving" } } }
        tbody {
            @for (field, now, wanted) in &changes {
                tr { th scope="row" { (field) } td.number { (now) } td.number { strong { (wanted) } } }
            }
        }
    };
    let body = html! {
        @if changes.is_empty() {
            p { "The form says what the profile says already: there is nothing to save." }
            p { a href=(PATH) { "Back to the profiles" } }
        } @else {
            (page::table("Changes", &rows))
            p {
                @if holders.is_empty() { "No user and no group is assigned this profile by name." }
                @else { "The profile is assigned to " (holders.join(", ")) "." }
            }
            @if let Some(effect) = &effect { (effect) }
            form method="post" action=(action) {
                (page::word(visitor))
                (typed.hidden())
                p.buttons {
                    button name="step" value="save" { "Save" }
                    button name="step" value="edit" { "Back to the form" }
                    a href=(PATH) { "Cancel" }
                }
            }
        }
    };
    Ok(Page::of(&format!("Change {}", profile.name), visitor).render(&body))
}

/// Says whom a limit would refuse now.
async fn effect(
    visitor: &Visitor,
    profile: &UserAccountProfile,
    limit: u32,
) -> Result<Markup, Problem> {
    if limit == 0 {
        return Ok(html! { p { "There is no limit then: no login is refused." } });
    }
    let body = json!({ Field::MaxConcurrentSessions.name(): limit });
    let check: LimitCheck = visitor.ask(Request::CheckProfile(profile.uuid.clone(), body)).await?;
    let above: Vec<_> = check.users.iter().filter(|user| user.above_by > 0).collect();
    let recent: Vec<_> = check.users.iter().filter(|user| user.recent_refusals > 0).collect();
    let limit = counted(usize::try_from(limit).unwrap_or(usize::MAX), "session", "sessions");
    Ok(html! {
        @if above.is_empty() {
            p { "No user of this profile holds more than " (limit) " now." }
        } @else {
            p {
                strong { (counted(above.len(), "user", "users")) }
                " of this profile " @if above.len() == 1 { "holds" } @else { "hold" }
                " more than " (limit) " now. Their sessions go on; their next login is refused until they \
                 have ended some:"
            }
            (some(&above, |user| format!("{}: {}", user.user, counted(user.sessions, "session", "sessions"))))
        }
        @if !recent.is_empty() {
            p { "Logins of the last days that would have been refused, at least:" }
            (some(&recent, |user| format!("{}: {}", user.user, user.recent_refusals)))
        }
        @match check.sampled_since {
            Some(since) => p { "The history that this is taken from begins on " (utc(since)) "." },
            None => p { "No history is kept, so that only refusals that have happened are known." },
        }
        @if let Some(warning) = &check.warning { p { "Note: " (warning) "." } }
    })
}

/// The users that an effect is about, 50 at most.
fn some(users: &[&CheckedUser], line: impl Fn(&CheckedUser) -> String) -> Markup {
    html! {
        ul {
            @for user in users.iter().take(50) { li { (line(user)) } }
            @if users.len() > 50 { li { "and " (users.len() - 50) " more" } }
        }
    }
}

/// Returns whom a profile is assigned to.
async fn holders(visitor: &Visitor, profile: &UserAccountProfile) -> Result<Vec<String>, Problem> {
    let users: Vec<User> = visitor.all(Resource::User).await?;
    let groups: Vec<UserGroup> = visitor.all(Resource::UserGroup).await?;
    let is_it = |path: &str| path == profile.url;
    let users = users
        .into_iter()
        .filter(|user| user.is_assigned && user.user_profile_ref.as_deref().is_some_and(is_it));
    let groups = groups.into_iter().filter(|group| is_it(&group.user_profile_ref));
    let users = users.map(|user| format!("user {}", user.name));
    Ok(users.chain(groups.map(|group| format!("group {}", group.name))).collect())
}
