//! The objects of the REST API, and what can be asked of them: the same rights and the same files as for
//! commands, in the form of JSON. Nothing here knows HTTP.
//!
//! A [`Request`] is answered by [`answer`] with the rights of the user in [`Administration`].

mod at_limit;
mod changes;
mod history;
pub mod objects;
mod query;
mod read;
mod refusals;
pub mod statistics;
mod write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use at_limit::{AtLimit, at_limit};
pub use history::HistoryQuery;
pub use query::{ListQuery, MAX_PAGE_SIZE};
pub use write::ClearBody;

use crate::administration::Administration;
use crate::error::{AdminError, AdminErrorKind};

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
}

impl Resource {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::UserAccountProfile,
        Self::User,
        Self::UserGroup,
        Self::UserActivity,
        Self::UserSession,
        Self::Refusal,
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
        }
    }

    /// Returns whether its objects can be created, changed and deleted.
    #[must_use]
    pub fn is_configured(self) -> bool {
        matches!(self, Self::UserAccountProfile | Self::User | Self::UserGroup)
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
        Request::Account => read::account(admin).map(Into::into),
        Request::History(query) => history::read(admin, &query).map(Into::into),
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
        Request::Delete(resource, id) => {
            write::delete(admin, writable(resource)?, &id)?;
            Ok(Value::Null.into())
        }
        Request::Clear(body) => write::clear(admin, body),
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
