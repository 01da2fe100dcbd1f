//! What the body of a write means: the changes of an object, each field checked.

use serde_json::{Map, Value};
use session_limit_core::config::{Config, is_name, is_profile_uuid};
use session_limit_core::model::policy::OnLimit;

use super::Resource;
use super::objects::profile_uuid;
use crate::config::field::Field;
use crate::config::object::{self, Change, ON_LIMIT, PROFILE_REF};
use crate::error::{AdminError, AdminErrorKind};

/// Fields that a client hands back as it has read them.
const READ_ONLY: [&str; 4] = ["url", "is_assigned", "is_known", "_last_modified"];
/// What an object had when the client read it.
const VERSION: &str = "_last_modified";

/// A body whose fields are all known.
pub struct Body {
    fields: Map<String, Value>,
}

impl Body {
    /// Takes the body of a write to an object of a kind.
    ///
    /// # Errors
    /// When it is no object, or has a field that such objects do not have.
    pub fn new(resource: Resource, body: Value) -> Result<Self, AdminError> {
        let Value::Object(fields) = body else {
            let message = "the body is not valid, expected a JSON object";
            return Err(AdminError::new(AdminErrorKind::Invalid, message));
        };
        for (name, value) in &fields {
            let is_known = match name.as_str() {
                "uuid" | "name" => true,
                "username" => resource == Resource::User,
                PROFILE_REF => resource != Resource::UserAccountProfile,
                ON_LIMIT => resource == Resource::UserAccountProfile,
                other if READ_ONLY.contains(&other) => true,
                other => resource == Resource::UserAccountProfile && other.parse::<Field>().is_ok(),
            };
            if !is_known {
                let problem = format!("{} objects have no such field", resource.word());
                return Err(AdminError::field(name, &problem));
            }
            if name == VERSION && !value.is_string() {
                return Err(AdminError::field(VERSION, "expected text"));
            }
        }
        Ok(Self { fields })
    }

    /// Returns the version that the client has read, if it says one.
    pub fn version(&self) -> Option<&str> {
        self.fields.get(VERSION).and_then(Value::as_str)
    }

    /// Returns the text of a field.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, field: &str) -> Result<Option<&str>, AdminError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(AdminError::field(field, "expected text")),
        }
    }

    /// Returns the name in the body.
    ///
    /// # Errors
    /// When there is none, or it is not valid.
    pub fn name(&self, resource: Resource) -> Result<&str, AdminError> {
        let key = if resource == Resource::User { "username" } else { "name" };
        let other = if resource == Resource::User { self.text("name")? } else { None };
        let name = self.text(key)?.or(other);
        match name.filter(|name| is_name(name)) {
            Some(name) => Ok(name),
            None => {
                Err(AdminError::field(key, "expected 1 to 256 bytes without control characters"))
            }
        }
    }

    /// Checks that what identifies the object is not to change. The name of a profile may.
    ///
    /// # Errors
    /// When it is.
    pub fn check_identity(
        &self,
        resource: Resource,
        id: &str,
        name: &str,
    ) -> Result<(), AdminError> {
        for (field, is) in [("uuid", id), ("name", name), ("username", name)] {
            let may_change = field == "name" && resource == Resource::UserAccountProfile;
            if !may_change && self.text(field)?.is_some_and(|wanted| wanted != is) {
                return Err(AdminError::field(field, &format!("is `{is}` and cannot be changed")));
            }
        }
        Ok(())
    }

    /// Returns the change of a profile's name, if it is to have another one than `name`.
    ///
    /// # Errors
    /// When the new one is not valid.
    pub fn rename(&self, resource: Resource, name: &str) -> Result<Option<Change>, AdminError> {
        if resource != Resource::UserAccountProfile || self.text("name")?.is_none() {
            return Ok(None);
        }
        let wanted = self.name(resource)?;
        Ok((wanted != name).then(|| Change::Rename(wanted.to_owned())))
    }

    /// Returns the identifier that a new profile is to have, from the body or from beside it.
    ///
    /// # Errors
    /// When it does not have the form of one.
    pub fn wished_uuid(&self, beside: Option<String>) -> Result<Option<String>, AdminError> {
        let wished = self.text("uuid")?.map(str::to_owned).or(beside);
        match wished {
            Some(uuid) if !is_profile_uuid(&uuid) => Err(AdminError::field(
                "uuid",
                "expected useraccountprofile- and a UUID in lower case",
            )),
            other => Ok(other),
        }
    }

    /// Returns the values in the body as changes.
    ///
    /// # Errors
    /// When one is of another type, out of range, or names no profile.
    pub fn changes(&self, config: &Config) -> Result<Vec<Change>, AdminError> {
        let mut changes = Vec::new();
        for (name, value) in &self.fields {
            if let Ok(field) = name.parse::<Field>() {
                changes.push(Change::Set(field, number(field, value)?));
            } else if name == ON_LIMIT {
                changes.push(Change::OnLimit(word(value)?));
            } else if name == PROFILE_REF {
                changes.push(Change::Assign(profile_name(config, value)?));
            }
        }
        Ok(changes)
    }

    /// Returns the fields of the body as ones to be taken back to their defaults.
    ///
    /// # Errors
    /// When one has no default.
    pub fn removals(&self) -> Result<Vec<Change>, AdminError> {
        let removal = |name: &String| match name.parse::<Field>() {
            _ if name == ON_LIMIT => Ok(Change::OnLimit(None)),
            Ok(field) => Ok(Change::Unset(field)),
            Err(()) => Err(AdminError::field(name, "cannot be deleted")),
        };
        self.fields.keys().map(removal).collect()
    }
}

/// Reads `on_limit`; null is what the policy says.
fn word(value: &Value) -> Result<Option<OnLimit>, AdminError> {
    let wrong = || {
        let words = OnLimit::WORDS.map(|(word, _)| word).join(", ");
        AdminError::field(ON_LIMIT, &format!("expected one of: {words}, or null"))
    };
    match value {
        Value::Null => Ok(None),
        Value::String(typed) => object::on_limit(typed).map(Some).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Reads the limit that is to be tried out, the one field of `body`.
///
/// # Errors
/// When it is missing or not valid, or another field is there.
pub fn limit(body: Value) -> Result<u32, AdminError> {
    let limit = Field::MaxConcurrentSessions;
    let Value::Object(fields) = body else {
        let message = format!("the body is not valid, expected an object with {limit}");
        return Err(AdminError::new(AdminErrorKind::Invalid, message));
    };
    if let Some(other) = fields.keys().find(|name| *name != limit.name()) {
        return Err(AdminError::field(other, &format!("cannot be tried out, expected {limit}")));
    }
    number(limit, fields.get(limit.name()).unwrap_or(&Value::Null))
}

fn number(field: Field, value: &Value) -> Result<u32, AdminError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| {
        let expected = format!("expected a whole number from 0 to {}", u32::MAX);
        AdminError::field(field.name(), &expected)
    })
}

/// Returns the name of the profile that a reference means: `/api/useraccountprofile/UUID`, also with
/// scheme and host in front and `#NAME` behind, or `/api/useraccountprofile?name=NAME`.
fn profile_name(config: &Config, value: &Value) -> Result<String, AdminError> {
    let wrong = |problem: &str| AdminError::field(PROFILE_REF, problem);
    let text = value.as_str().ok_or_else(|| wrong("expected the path of a profile"))?;
    let word = Resource::UserAccountProfile.word();
    let (_, path) =
        text.split_once("/api/").ok_or_else(|| wrong("expected /api/useraccountprofile/UUID"))?;
    let found = match path.strip_prefix(word) {
        Some(rest) if rest.starts_with("?name=") => {
            let name = rest.trim_start_matches("?name=");
            config.profiles.iter().find(|profile| profile.name == name)
        }
        Some(rest) => {
            let id = rest.trim_start_matches('/').split('#').next().unwrap_or_default();
            config.profiles.iter().find(|profile| profile_uuid(profile) == id)
        }
        None => None,
    };
    found.map(|profile| profile.name.clone()).ok_or_else(|| wrong("there is no such profile"))
}
