//! Changing: create, replace, patch, delete; ending sessions.

use serde::Deserialize;
use serde_json::Value;
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::config::Config;
use session_limit_core::fleet::HostSession;

use super::changes::Body;
use super::objects::{Cleared, Unlocked, UserAccountProfile, assignment_version, profile_uuid};
use super::views::shown;
use super::{Answer, Resource, read};
use crate::administration::Administration;
use crate::config::draft::{ConfigDraft, Object};
use crate::config::field::Field;
use crate::config::object::{Change, ObjectKind};
use crate::error::{AdminError, AdminErrorKind};

/// Creates an object, with the identifier that is wished for beside the body.
///
/// # Errors
/// See [`super::answer`].
pub fn create(
    admin: &Administration,
    resource: Resource,
    wished: Option<String>,
    body: Value,
) -> Result<Value, AdminError> {
    let body = Body::new(resource, body)?;
    let name = body.name(resource)?;
    let mut draft = admin.begin(kind(resource), name)?;
    let config = admin.read()?;
    if !draft.is_new() {
        let message = format!("{} `{name}`: there is one already", resource.word());
        return Err(AdminError::new(AdminErrorKind::InUse, message));
    }
    if resource == Resource::UserAccountProfile {
        if let Some(uuid) = body.wished_uuid(wished)? {
            check_unused(&config, &uuid)?;
            draft.set_uuid(uuid);
        }
    }
    let changes = body.changes(&config)?;
    if resource != Resource::UserAccountProfile && changes.is_empty() {
        return Err(AdminError::field("user_profile_ref", "expected the path of a profile"));
    }
    save(admin, resource, &mut draft, &changes)
}

/// Gives an object another content; what is not said takes its default.
///
/// # Errors
/// See [`super::answer`].
pub fn replace(
    admin: &Administration,
    resource: Resource,
    id: &str,
    body: Value,
) -> Result<Value, AdminError> {
    let body = Body::new(resource, body)?;
    let (mut draft, config) = begin(admin, resource, id, &body)?;
    let mut changes: Vec<Change> = match resource {
        Resource::UserAccountProfile => {
            let numbers = Field::ALL.map(Change::Unset);
            numbers.into_iter().chain([Change::OnLimit(None)]).collect()
        }
        _ => Vec::new(),
    };
    let said = body.changes(&config)?;
    if resource != Resource::UserAccountProfile && said.is_empty() {
        return Err(AdminError::field("user_profile_ref", "expected the path of a profile"));
    }
    let is_said = |field: Field| said.iter().any(|c| matches!(c, Change::Set(f, _) if *f == field));
    changes.retain(|change| !matches!(change, Change::Unset(field) if is_said(*field)));
    changes.extend(said);
    changes.extend(body.rename(resource, draft.name())?);
    save(admin, resource, &mut draft, &changes)
}

/// Changes fields of an object: `{"add": {…}, "replace": {…}, "delete": {…}}`.
///
/// # Errors
/// See [`super::answer`].
pub fn patch(
    admin: &Administration,
    resource: Resource,
    id: &str,
    body: Value,
) -> Result<Value, AdminError> {
    let Value::Object(verbs) = body else {
        let message = "the body is not valid, expected an object of add, replace and delete";
        return Err(AdminError::new(AdminErrorKind::Invalid, message));
    };
    if verbs.is_empty() {
        let message = "the body says nothing, expected add, replace or delete";
        return Err(AdminError::new(AdminErrorKind::Invalid, message));
    }
    let mut all = Vec::new();
    for (verb, value) in verbs {
        if !["add", "replace", "delete"].contains(&verb.as_str()) {
            return Err(AdminError::field(&verb, "expected add, replace or delete"));
        }
        all.push((verb, Body::new(resource, value)?));
    }
    let mut changes = Vec::new();
    let mut draft = None;
    for (verb, body) in &all {
        let (begun, config) = begin(admin, resource, id, body)?;
        match verb.as_str() {
            "delete" => changes.extend(body.removals()?),
            _ => {
                changes.extend(body.changes(&config)?);
                changes.extend(body.rename(resource, begun.name())?);
            }
        }
        draft = Some(begun);
    }
    match draft {
        Some(mut draft) => save(admin, resource, &mut draft, &changes),
        None => Err(shown::absent(resource, id)),
    }
}

/// Deletes an object.
///
/// # Errors
/// See [`super::answer`].
pub fn delete(admin: &Administration, resource: Resource, id: &str) -> Result<(), AdminError> {
    let name = name_of(admin, resource, id)?;
    Ok(admin.delete(kind(resource), &name)?)
}

/// Ends one session.
///
/// # Errors
/// See [`super::answer`].
pub fn clear_session(admin: &Administration, id: &str) -> Result<Answer, AdminError> {
    let id = read::session_id(id)?;
    let seen = admin.sessions_of(None)?.value;
    let is_own = |own: &&crate::sessions::SessionView| {
        own.session.id == id && Some(own.session.leader.pid) == admin.holder
    };
    if seen.iter().any(|seen| is_own(&seen)) {
        let body = shown::value(Cleared { ended: 1, ..Cleared::default() })?;
        return Ok(Answer { body, ends_session: true });
    }
    shown::value(counts(&admin.clear_session(id)?.value)).map(Into::into)
}

/// Ends one session on any host of the fleet, `HOST:ID`.
///
/// # Errors
/// See [`super::answer`].
pub fn clear_fleet_session(admin: &Administration, id: &str) -> Result<Answer, AdminError> {
    let one = HostSession::parse(id).ok_or_else(|| shown::absent(Resource::FleetSession, id))?;
    if admin.is_own_host(&one.host)? {
        return clear_session(admin, &one.id.to_string());
    }
    shown::value(counts(&admin.clear_session_of(&one)?.value)).map(Into::into)
}

/// The body of a call that ends all sessions of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClearBody {
    /// The user; the acting user where none is named.
    pub username: Option<String>,
    /// Whether the session of this very call is spared.
    #[serde(default)]
    pub except_current: bool,
}

/// Ends all sessions of a user.
///
/// # Errors
/// See [`super::answer`].
pub fn clear(admin: &Administration, body: Value) -> Result<Answer, AdminError> {
    const FIELDS: [&str; 2] = ["username", "except_current"];
    if let Value::Object(fields) = &body {
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(AdminError::field(unknown, "expected username or except_current"));
        }
        if fields.get("except_current").is_some_and(|value| !value.is_boolean()) {
            return Err(AdminError::field("except_current", "expected true or false"));
        }
    }
    let body: ClearBody = serde_json::from_value(body)
        .map_err(|_| AdminError::field("username", "expected the name of a user"))?;
    let found = admin.clear_sessions(body.username.as_deref())?;
    let mut cleared = Cleared { warnings: found.warnings, ..counts(&found.value) };
    let is_own = body.username.as_deref().is_none_or(|name| admin.user.is_named(name));
    let ends_session = is_own && !body.except_current;
    if ends_session {
        cleared.ended += 1;
    }
    Ok(Answer { body: shown::value(cleared)?, ends_session })
}

/// The body of a call that unlocks an account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnlockBody {
    /// The user.
    pub username: String,
}

/// Forgets the failed logins of a user.
///
/// # Errors
/// See [`super::answer`].
pub fn unlock(admin: &Administration, body: Value) -> Result<Value, AdminError> {
    if let Value::Object(fields) = &body {
        if let Some(unknown) = fields.keys().find(|name| *name != "username") {
            return Err(AdminError::field(unknown, "expected username"));
        }
    }
    let body: UnlockBody = serde_json::from_value(body)
        .map_err(|_| AdminError::field("username", "expected the name of a user"))?;
    let failed_login_attempts = admin.unlock(&body.username)?.value;
    shown::value(Unlocked { username: body.username, failed_login_attempts })
}

fn counts(cleared: &ClearSummary) -> Cleared {
    Cleared {
        ended: cleared.terminated,
        killed: cleared.killed,
        forgotten: cleared.forgotten,
        spared: cleared.skipped_own + cleared.skipped_shared,
        warnings: Vec::new(),
    }
}

/// Begins to change the object with this identifier, if it is still what the client has read.
fn begin(
    admin: &Administration,
    resource: Resource,
    id: &str,
    body: &Body,
) -> Result<(ConfigDraft, Config), AdminError> {
    let name = name_of(admin, resource, id)?;
    body.check_identity(resource, id, &name)?;
    let mut draft = admin.begin(kind(resource), &name)?;
    let version = match draft.base() {
        Some(Object::Profile(profile)) => UserAccountProfile::new(profile).last_modified,
        Some(Object::ProfileAssignment(entry)) => assignment_version(Some(entry)),
        None => assignment_version(None),
    };
    if body.version().is_some_and(|read| read != version) {
        let message = format!("{} `{name}` changed since it was read", resource.word());
        return Err(AdminError::new(
            AdminErrorKind::Conflict,
            format!("{message}; nothing was saved"),
        ));
    }
    if resource == Resource::UserAccountProfile {
        // One that the file does not name comes from the name, which may change.
        draft.set_uuid(id.to_owned());
    }
    Ok((draft, admin.read()?))
}

fn save(
    admin: &Administration,
    resource: Resource,
    draft: &mut ConfigDraft,
    changes: &[Change],
) -> Result<Value, AdminError> {
    for change in changes {
        draft.apply(change);
    }
    let name = draft.name().to_owned();
    match admin.save(draft)? {
        Object::Profile(profile) => shown::value(UserAccountProfile::new(&profile)),
        Object::ProfileAssignment(entry) => match resource {
            Resource::UserGroup => shown::value(shown::group(&admin.read()?, &entry, false)),
            _ => shown::value(shown::user(admin, &name, false)?),
        },
    }
}

fn name_of(admin: &Administration, resource: Resource, id: &str) -> Result<String, AdminError> {
    match resource {
        Resource::UserAccountProfile => read::profile_named_by(admin, id),
        Resource::UserGroup => read::group_named_by(admin, id),
        _ => read::user_named_by(admin, resource, id),
    }
}

fn check_unused(config: &Config, uuid: &str) -> Result<(), AdminError> {
    match config.profiles.iter().find(|profile| profile_uuid(profile) == uuid) {
        None => Ok(()),
        Some(profile) => Err(AdminError::new(
            AdminErrorKind::InUse,
            format!("uuid {uuid} is that of useraccountprofile `{}`", profile.name),
        )),
    }
}

fn kind(resource: Resource) -> ObjectKind {
    match resource {
        Resource::User => ObjectKind::User,
        Resource::UserGroup => ObjectKind::Group,
        _ => ObjectKind::Profile,
    }
}
