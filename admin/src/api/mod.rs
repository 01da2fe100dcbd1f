//! The objects of the REST API, and what can be asked of them: the same rights and the same files as for
//! commands, in the form of JSON. Nothing here knows HTTP.
//!
//! A [`Request`] is answered by [`answer`] with the rights of the user in [`Administration`].

mod changes;
pub mod objects;
mod password;
mod query;
mod read;
mod views;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use password::{OwnPassword, PasswordChange};
pub use query::{ListQuery, MAX_PAGE_SIZE};
pub use views::{AtLimit, HistoryQuery, at_limit, fleet, overview, statistics};
pub use write::{ClearBody, UnlockBody};

use crate::administration::Administration;
use crate::error::{AdminError, AdminErrorKind};
use views::shown;

/// A kind of objects, as URLs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Profiles.
    UserAccountProfile,
    /// Users and the profile assigned to them.
    User,
    /// Groups and the profile assigned to their members.
    UserGroup,
    /// What users are doing.
    UserActivity,
    /// Open sessions.
    UserSession,
    /// Logins that found no slot.
    Refusal,
    /// Hosts of the fleet.
    FleetHost,
    /// Sessions of all hosts of the fleet.
    FleetSession,
}

impl Resource {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::UserAccountProfile,
        Self::User,
        Self::UserGroup,
        Self::UserActivity,
        Self::UserSession,
        Self::Refusal,
        Self::FleetHost,
        Self::FleetSession,
    ];

    /// Returns the word in URLs, which identifiers begin with too.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::UserAccountProfile => "useraccountprofile",
            Self::User => "user",
            Self::UserGroup => "usergroup",
            Self::UserActivity => "useractivity",
            Self::UserSession => "usersession",
            Self::Refusal => "refusal",
            Self::FleetHost => "fleethost",
            Self::FleetSession => "fleetsession",
        }
    }

    /// Returns whether its objects can be created, changed and deleted.
    #[must_use]
    pub fn is_configured(self) -> bool {
        matches!(self, Self::UserAccountProfile | Self::User | Self::UserGroup)
    }

    /// Returns whether its objects are sessions: to delete one is to end it.
    #[must_use]
    pub fn is_session(self) -> bool {
        matches!(self, Self::UserSession | Self::FleetSession)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The objects of a kind, one page of them.
    List(Resource, ListQuery),
    /// One object.
    Get(Resource, String, ListQuery),
    /// A new object, with the wished identifier.
    Create(Resource, Option<String>, Value),
    /// Another content for an object.
    Replace(Resource, String, Value),
    /// Some other fields of an object.
    Patch(Resource, String, Value),
    /// The end of an object; of a session too.
    Delete(Resource, String),
    /// The acting user's own account.
    Account,
    /// A part of the history.
    History(HistoryQuery),
    /// The end of all sessions of a user.
    Clear(Value),
    /// A page of sessions with what their users hold; see [`overview::sessions`].
    Sessions(ListQuery),
    /// The same, of the acting user's own sessions.
    OwnSessions(ListQuery),
    /// The users who can open no further session.
    UsersAtLimit(ListQuery),
    /// The same; the profile's identifier and the body of the call.
    CheckProfile(String, Value),
    /// Which profile holds for a user and why; user and PAM service.
    Explain(String, String),
    /// Whether limits take effect on this host.
    Status,
    /// A text that changes with what pages show.
    Version,
    /// Another request that only reads, asked by a page by itself: it does not keep the session from being idle.
    Unattended(Box<Request>),
    /// The end of a lock, and of the failed logins behind it.
    Unlock(Value),
    /// Another password for the acting user; the process that holds the session answers it.
    ChangePassword(PasswordChange),
}

impl Request {
    /// Returns whether nothing is changed or ended by it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Create(..) | Self::Replace(..) | Self::Patch(..) | Self::Delete(..) => false,
            Self::Clear(_) | Self::Unlock(_) | Self::ChangePassword(_) => false,
            Self::Unattended(request) => request.only_reads(),
            _ => true,
        }
    }

    /// Returns whether a user is behind it, and not a page that refreshes itself.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        !matches!(self, Self::Unattended(_))
    }
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The object, the page or the counts.
    pub body: Value,
    /// Whether the acting user's own session is to end with this answer.
    pub ends_session: bool,
}

impl From<Value> for Answer {
    fn from(body: Value) -> Self {
        Self { body, ends_session: false }
    }
}

/// Returns the acting user's own account, as the process that holds the session knows it.
///
/// # Errors
/// When the store or the name services fail.
pub fn account(admin: &Administration, password: OwnPassword) -> Result<Answer, AdminError> {
    read::account(admin, password).map(Into::into)
}

/// Answers a request.
///
/// # Errors
/// Where an input is not valid, its field is named.
pub fn answer(admin: &Administration, request: Request) -> Result<Answer, AdminError> {
    match request {
        Request::List(resource, query) => read::list(admin, resource, &query).map(Into::into),
        Request::Get(resource, id, query) => {
            let object = read::get(admin, resource, &id, query.include_name)?;
            query.select(object).map(Into::into)
        }
        Request::Account => account(admin, OwnPassword::default()),
        Request::History(query) => views::history(admin, &query).map(Into::into),
        Request::Create(resource, wished, body) => {
            write::create(admin, writable(resource)?, wished, body).map(Into::into)
        }
        Request::Replace(resource, id, body) => {
            write::replace(admin, writable(resource)?, &id, body).map(Into::into)
        }
        Request::Patch(resource, id, body) => {
            write::patch(admin, writable(resource)?, &id, body).map(Into::into)
        }
        Request::Delete(Resource::UserSession, id) => write::clear_session(admin, &id),
        Request::Delete(Resource::FleetSession, id) => write::clear_fleet_session(admin, &id),
        Request::Delete(resource, id) => {
            write::delete(admin, writable(resource)?, &id)?;
            Ok(Value::Null.into())
        }
        Request::Clear(body) => write::clear(admin, body),
        Request::Sessions(query) => overview::sessions(admin, &query, None).map(Into::into),
        Request::OwnSessions(query) => {
            overview::sessions(admin, &query, Some(&admin.own_name())).map(Into::into)
        }
        Request::UsersAtLimit(query) => overview::users_at_limit(admin, &query).map(Into::into),
        Request::CheckProfile(id, body) => {
            let name = read::profile_named_by(admin, &id)?;
            let limit = changes::limit(body)?;
            shown::value(crate::impact::check(admin, &name, limit)?).map(Into::into)
        }
        Request::Explain(user, service) => {
            shown::value(admin.explain(&user, &service)?).map(Into::into)
        }
        Request::Status => shown::value(admin.status()?).map(Into::into),
        Request::Version => Ok(overview::version(admin).into()),
        Request::Unattended(request) if request.only_reads() && request.is_attended() => {
            answer(admin, *request)
        }
        Request::Unattended(_) => {
            let message = "only what reads can be asked unattended";
            Err(AdminError::new(AdminErrorKind::Invalid, message))
        }
        Request::Unlock(body) => write::unlock(admin, body).map(Into::into),
        Request::ChangePassword(_) => {
            let message = "a password is not changed here, expected a login through the service";
            Err(AdminError::new(AdminErrorKind::Invalid, message))
        }
    }
}

fn writable(resource: Resource) -> Result<Resource, AdminError> {
    if resource.is_configured() {
        return Ok(resource);
    }
    let message = format!("{} objects are not configured", resource.word());
    Err(AdminError::new(AdminErrorKind::Invalid, message))
}

#[cfg(test)]
mod tests;
