//! What is shown of users, groups and sessions.

use serde::Serialize;
use serde_json::Value;
use session_limit_core::config::Config;
use session_limit_core::model::profile::ProfileAssignment;

use crate::administration::{Administration, is_known, profile_of};
use crate::api::Resource;
use crate::api::objects::{
    self, UserActivity, UserGroup, UserSession, assignment_version, profile_ref, timestamp, url,
    uuid_of,
};
use crate::config::object::ObjectKind;
use crate::error::{AdminError, AdminErrorKind};
use crate::sessions::SessionView;
use crate::user_overview::UserOverview;

/// Shows a user and the profile that applies to the user.
///
/// # Errors
/// When the acting user may not see the user, or the name services fail.
pub fn user(
    admin: &Administration,
    name: &str,
    include_name: bool,
) -> Result<objects::User, AdminError> {
    let known = admin.known()?;
    let entry = known.config.users.iter().find(|entry| entry.name == name);
    let profile = match (&known.mistake, entry) {
        (Some(_), _) => None,
        (None, Some(entry)) => known.config.profile(&entry.user_profile).cloned(),
        (None, None) => Some(profile_of(&known.config, &admin.visible_user(&known.config, name)?)?),
    };
    let uuid = uuid_of(Resource::User, name);
    Ok(objects::User {
        url: url(Resource::User, &uuid),
        uuid,
        name: name.to_owned(),
        username: name.to_owned(),
        user_profile_ref: profile.map(|profile| profile_ref(&profile, include_name)),
        is_assigned: entry.is_some(),
        is_known: is_known(ObjectKind::User)(name),
        last_modified: assignment_version(entry),
    })
}

/// Shows a group and its profile.
pub fn group(config: &Config, entry: &ProfileAssignment, include_name: bool) -> UserGroup {
    let uuid = uuid_of(Resource::UserGroup, &entry.name);
    let profile = config.profile(&entry.user_profile);
    UserGroup {
        url: url(Resource::UserGroup, &uuid),
        uuid,
        name: entry.name.clone(),
        user_profile_ref: profile.map_or(String::new(), |p| profile_ref(p, include_name)),
        is_known: is_known(ObjectKind::Group)(&entry.name),
        last_modified: assignment_version(Some(entry)),
    }
}

/// Shows what a user is doing.
pub fn activity(user: &UserOverview) -> UserActivity {
    let uuid = uuid_of(Resource::UserActivity, &user.name);
    let last = user.last_login();
    UserActivity {
        url: url(Resource::UserActivity, &uuid),
        uuid,
        name: user.name.clone(),
        concurrent_sessions: user.concurrent_sessions(),
        max_concurrent_sessions: user.profile.as_ref().map(|p| p.max_concurrent_sessions),
        logged_in: user.concurrent_sessions() > 0,
        last_login_ip: last.and_then(|(_, origin)| origin.rhost.clone()),
        last_login_timestamp: last.map(|(time, _)| timestamp(time)),
        failed_login_attempts: user.failed.count,
        locked: user.failed.is_locked(),
        locked_until: user.failed.locked_until().map(timestamp),
    }
}

/// Shows a session.
pub fn session(admin: &Administration, seen: &SessionView) -> UserSession {
    let SessionView { session, status } = seen;
    let origin = &session.origin;
    UserSession {
        id: session.id,
        url: url(Resource::UserSession, &session.id.to_string()),
        name: session.user.clone(),
        uid: session.uid,
        service: origin.service.clone(),
        tty: origin.tty.clone(),
        rhost: origin.rhost.clone(),
        pid: session.leader.pid,
        since: timestamp(session.since),
        state: status.word().to_owned(),
        is_current: Some(session.leader.pid) == admin.holder,
    }
}

/// A name that the host does not know is no error in a search: nothing is found.
///
/// # Errors
/// All others.
pub fn found<T>(result: Result<T, AdminError>) -> Result<Option<T>, AdminError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == AdminErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the error of an identifier that there is not.
pub fn absent(resource: Resource, id: &str) -> AdminError {
    let message = format!("{} `{id}`: there is none", resource.word());
    AdminError::new(AdminErrorKind::NotFound, message)
}

/// Returns objects as JSON.
///
/// # Errors
/// See [`value`].
pub fn values<T: Serialize>(
    objects: impl IntoIterator<Item = T>,
) -> Result<Vec<Value>, AdminError> {
    objects.into_iter().map(value).collect()
}

/// Returns an object as JSON.
///
/// # Errors
/// When it has no form in JSON.
pub fn value(object: impl Serialize) -> Result<Value, AdminError> {
    serde_json::to_value(object).map_err(|e| AdminError::new(AdminErrorKind::Io, e.to_string()))
}
