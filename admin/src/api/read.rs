//! Looking: one object, or all that the acting user may see.

use serde_json::Value;

use super::objects::{UserAccount, UserAccountProfile, profile_ref, profile_uuid, url, uuid_of};
use super::views::shown::{absent, activity, found, group, session, user, value, values};
use super::views::{fleet, refusals};
use super::{ListQuery, OwnPassword, Resource};
use crate::administration::Administration;
use crate::error::AdminError;

/// Returns one page of the objects of a kind.
///
/// # Errors
/// See [`super::answer`].
pub fn list(
    admin: &Administration,
    resource: Resource,
    query: &ListQuery,
) -> Result<Value, AdminError> {
    // Before the work is done.
    query.page()?;
    let named = query.include_name;
    let objects = match (resource, &query.name) {
        (Resource::UserAccountProfile, _) => {
            values(admin.profiles()?.iter().map(UserAccountProfile::new))
        }
        (Resource::User, Some(name)) => found(admin.overview(name).map(|user| user.value.name))?
            .map(|name| user(admin, &name, named))
            .transpose()?
            .map_or(Ok(Vec::new()), |user| values([user])),
        (Resource::User, None) => users(admin, named),
        (Resource::UserGroup, _) => groups(admin, named),
        (Resource::UserActivity, Some(name)) => found(admin.overview(name))?
            .map_or(Ok(Vec::new()), |user| values([activity(&user.value)])),
        (Resource::UserActivity, None) => values(admin.overviews()?.value.iter().map(activity)),
        (Resource::UserSession, name) => match found(admin.sessions_of(name.as_deref()))? {
            Some(seen) => values(seen.value.iter().map(|seen| session(admin, seen))),
            None => Ok(Vec::new()),
        },
        (Resource::Refusal, name) => match found(admin.refusals_of(name.as_deref()))? {
            Some(found) => values(found.value.iter().map(refusals::object)),
            None => Ok(Vec::new()),
        },
        (Resource::FleetHost, _) => fleet::hosts(admin),
        (Resource::FleetSession, _) => fleet::sessions(admin, query),
    }?;
    query.apply(objects)
}

/// Returns one object.
///
/// # Errors
/// See [`super::answer`].
pub fn get(
    admin: &Administration,
    resource: Resource,
    id: &str,
    include_name: bool,
) -> Result<Value, AdminError> {
    match resource {
        Resource::UserAccountProfile => {
            let name = profile_named_by(admin, id)?;
            value(UserAccountProfile::new(&admin.profile(&name)?))
        }
        Resource::User => value(user(admin, &user_named_by(admin, resource, id)?, include_name)?),
        Resource::UserGroup => {
            let config = admin.read()?;
            let entry = admin.group_assignment(&group_named_by(admin, id)?)?;
            value(group(&config, &entry, include_name))
        }
        Resource::UserActivity => {
            let name = user_named_by(admin, resource, id)?;
            value(activity(&admin.overview(&name)?.value))
        }
        Resource::UserSession => {
            let wanted = session_id(id)?;
            let seen = admin.sessions_of(None)?.value;
            let found = seen.iter().find(|seen| seen.session.id == wanted);
            value(session(admin, found.ok_or_else(|| absent(resource, id))?))
        }
        Resource::Refusal => refusals::get(admin, id),
        Resource::FleetHost => fleet::one_host(admin, id),
        Resource::FleetSession => fleet::one_session(admin, id),
    }
}

/// Returns the acting user's own account.
///
/// # Errors
/// When the store or the name services fail.
pub fn account(admin: &Administration, password: OwnPassword) -> Result<Value, AdminError> {
    let own = admin.overview(&admin.own_name())?.value;
    let uuid = uuid_of(Resource::User, &own.name);
    value(UserAccount {
        url: url(Resource::User, &uuid),
        uuid,
        concurrent_sessions: own.concurrent_sessions(),
        max_concurrent_sessions: own.profile.as_ref().map(|p| p.max_concurrent_sessions),
        user_profile_ref: own.profile.as_ref().map(|profile| profile_ref(profile, false)),
        uid: own.uid,
        username: own.name.clone(),
        name: own.name,
        is_administrator: admin.administers(),
        password_expired: password.is_expired,
        has_local_password: password.is_local,
    })
}

/// Returns the name of the profile with this identifier.
///
/// # Errors
/// When the acting user sees none.
pub fn profile_named_by(admin: &Administration, id: &str) -> Result<String, AdminError> {
    let profiles = admin.profiles()?;
    let found = profiles.into_iter().find(|profile| profile_uuid(profile) == id);
    found.map(|p| p.name).ok_or_else(|| absent(Resource::UserAccountProfile, id))
}

/// Returns the name of the user with this identifier: one who is assigned a profile, who holds or held
/// sessions, or the acting user.
///
/// # Errors
/// When the acting user sees none.
pub fn user_named_by(
    admin: &Administration,
    resource: Resource,
    id: &str,
) -> Result<String, AdminError> {
    let is_it = |name: &String| uuid_of(resource, name) == id;
    let own = admin.own_name();
    if is_it(&own) {
        return Ok(own);
    }
    let assigned = match resource {
        Resource::User => admin.user_assignments()?.unwrap_or_default(),
        _ => Vec::new(),
    };
    if let Some(entry) = assigned.into_iter().find(|entry| is_it(&entry.name)) {
        return Ok(entry.name);
    }
    let active = admin.overviews()?.value.into_iter().map(|user| user.name);
    active.into_iter().find(is_it).ok_or_else(|| absent(resource, id))
}

/// Returns the name of the assigned group with this identifier.
///
/// # Errors
/// When the acting user sees none.
pub fn group_named_by(admin: &Administration, id: &str) -> Result<String, AdminError> {
    let mut names = admin.group_assignments()?.into_iter().map(|entry| entry.name);
    names
        .find(|name| uuid_of(Resource::UserGroup, name) == id)
        .ok_or_else(|| absent(Resource::UserGroup, id))
}

/// Reads the number of a session.
///
/// # Errors
/// When it is none.
pub fn session_id(id: &str) -> Result<i64, AdminError> {
    id.parse().map_err(|_| absent(Resource::UserSession, id))
}

fn users(admin: &Administration, include_name: bool) -> Result<Vec<Value>, AdminError> {
    let names: Vec<String> = match admin.user_assignments()? {
        Some(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        None => vec![admin.own_name()],
    };
    let users = names.iter().map(|name| user(admin, name, include_name));
    values(users.collect::<Result<Vec<_>, _>>()?)
}

fn groups(admin: &Administration, include_name: bool) -> Result<Vec<Value>, AdminError> {
    let config = admin.read()?;
    values(admin.group_assignments()?.iter().map(|entry| group(&config, entry, include_name)))
}
