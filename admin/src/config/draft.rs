//! One object under `configure`: as it was found, what was said since, and how it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use session_limit_core::config::Config;
use session_limit_core::model::policy::OnLimit;
use session_limit_core::model::profile::{DEFAULT_PROFILE, Profile, ProfileAssignment};

use super::edit::{ConfigEditor, EditError};
use super::field::Field;
use super::object::{Change, ON_LIMIT, ObjectKind, PROFILE_REF};
use super::store::{ConfigFile, SaveError};
use crate::error::{AdminError, AdminErrorKind};

/// The key of an assignment's profile in the file.
const PROFILE_KEY: &str = "user_profile";

/// An object as it stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// A profile.
    Profile(Profile),
    /// A user's or group's assignment; the profile's name is empty until it is given.
    ProfileAssignment(ProfileAssignment),
}

impl Object {
    /// Returns the object called `name`, if there is one.
    #[must_use]
    pub fn find(config: &Config, kind: ObjectKind, name: &str) -> Option<Self> {
        let assigned = |list: &[ProfileAssignment]| {
            list.iter().find(|entry| entry.name == name).cloned().map(Self::ProfileAssignment)
        };
        match kind {
            ObjectKind::Profile => config.profile(name).cloned().map(Self::Profile),
            ObjectKind::User => assigned(&config.users),
            ObjectKind::Group => assigned(&config.groups),
        }
    }

    fn new(kind: ObjectKind, name: &str) -> Self {
        match kind {
            ObjectKind::Profile => Self::Profile(Profile::built_in(name)),
            ObjectKind::User | ObjectKind::Group => Self::ProfileAssignment(ProfileAssignment {
                name: name.to_owned(),
                user_profile: String::new(),
            }),
        }
    }

    /// Returns the fields, in the order of the tables.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Profile(profile) => {
                let mut fields = Vec::new();
                fields.push(("uuid", profile.uuid.clone().unwrap_or_default()));
                fields.push(("name", profile.name.clone()));
                fields.extend(Field::ALL.map(|field| (field.name(), field.shown(profile))));
                // Most profiles have none: the policy holds for them.
                fields.extend(profile.on_limit.map(|word| (ON_LIMIT, word.word().to_owned())));
                fields
            }
            Self::ProfileAssignment(assignment) => vec![
                ("name", assignment.name.clone()),
                (PROFILE_REF, assignment.user_profile.clone()),
            ],
        }
    }
}

/// Why a draft was not saved.
#[derive(Debug)]
pub enum DraftError {
    /// The object is not as it was when `configure` began.
    Changed(Box<Conflict>),
    /// The object cannot be written, or would not be good.
    Incomplete(String),
    /// See [`SaveError`].
    Save(SaveError),
    /// The acting user may not, or there is no such object.
    Admin(AdminError),
}

impl From<AdminError> for DraftError {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<SaveError> for DraftError {
    fn from(error: SaveError) -> Self {
        Self::Save(error)
    }
}

/// How an object changed under a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    kind: ObjectKind,
    name: String,
    was: Option<Object>,
    is: Option<Object>,
}

impl Conflict {
    /// Returns the fields that differ: name, value then, value now.
    #[must_use]
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        let fields =
            |object: &Option<Object>| object.as_ref().map(Object::fields).unwrap_or_default();
        let (was, is) = (fields(&self.was), fields(&self.is));
        let shown = |fields: &[(&'static str, String)], name| {
            fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value.clone())
        };
        let (longer, none) = (if was.is_empty() { &is } else { &was }, "-".to_owned());
        longer
            .iter()
            .map(|&(name, _)| {
                let value = |fields| shown(fields, name).unwrap_or_else(|| none.clone());
                (name, value(&was), value(&is))
            })
            .filter(|(_, was, is)| was != is)
            .collect()
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (&self.was, &self.is) {
            (_, None) => "was deleted",
            (None, _) => "was created",
            _ => "changed",
        };
        let (kind, name) = (self.kind.word(), &self.name);
        write!(f, "{kind} `{name}` {what} since it was read; nothing was saved")
    }
}

/// What is to be written for one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum KeyChange {
    Set(u32),
    Unset,
}

/// What is to be written for `on_limit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum OnLimitChange {
    Set(OnLimit),
    Unset,
}

/// An object under change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConfigDraft {
    kind: ObjectKind,
    name: String,
    base: Option<Object>,
    current: Object,
    entered: BTreeMap<Field, KeyChange>,
    entered_on_limit: Option<OnLimitChange>,
}

impl ConfigDraft {
    /// Begins to change the object called `name`, or a new one.
    #[must_use]
    pub fn begin(config: &Config, kind: ObjectKind, name: &str) -> Self {
        let base = Object::find(config, kind, name);
        let current = base.clone().unwrap_or_else(|| Object::new(kind, name));
        Self {
            kind,
            name: name.to_owned(),
            base,
            current,
            entered: BTreeMap::new(),
            entered_on_limit: None,
        }
    }

    /// Returns the kind of the object.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Returns the name of the object.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the object did not exist when the draft began.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.base.is_none()
    }

    /// Returns the object with all that was said so far.
    #[must_use]
    pub fn current(&self) -> &Object {
        &self.current
    }

    /// Returns the object as it was when the draft began.
    #[must_use]
    pub fn base(&self) -> Option<&Object> {
        self.base.as_ref()
    }

    /// Gives a profile that has no identifier the one that it is to have.
    pub fn set_uuid(&mut self, uuid: String) {
        if let Object::Profile(profile) = &mut self.current {
            profile.uuid.get_or_insert(uuid);
        }
    }

    /// Returns whether saving may change the limit of a user.
    #[must_use]
    pub fn changes_limits(&self) -> bool {
        match self.kind {
            ObjectKind::Profile => {
                self.is_new() || self.entered.contains_key(&Field::MaxConcurrentSessions)
            }
            ObjectKind::User | ObjectKind::Group => true,
        }
    }

    /// Takes a change; returns the name of the field if a value entered before is overwritten.
    pub fn apply(&mut self, change: &Change) -> Option<&'static str> {
        let existed = self.base.is_some();
        match (change, &mut self.current) {
            (Change::Set(field, value), Object::Profile(profile)) => {
                *field.of_mut(profile) = *value;
                let before = self.entered.insert(*field, KeyChange::Set(*value));
                let overwrites = match before {
                    Some(goal) => goal != KeyChange::Unset,
                    None => existed,
                };
                overwrites.then(|| field.name())
            }
            (Change::Unset(field), Object::Profile(profile)) => {
                *field.of_mut(profile) = field.default_value();
                self.entered.insert(*field, KeyChange::Unset);
                None
            }
            (Change::OnLimit(on_limit), Object::Profile(profile)) => {
                let before = std::mem::replace(&mut profile.on_limit, *on_limit);
                self.entered_on_limit =
                    Some(on_limit.map_or(OnLimitChange::Unset, OnLimitChange::Set));
                (on_limit.is_some() && before.is_some()).then_some(ON_LIMIT)
            }
            (Change::Rename(name), Object::Profile(profile)) => {
                profile.name.clone_from(name);
                None
            }
            (Change::Assign(profile), Object::ProfileAssignment(assignment)) => {
                let before = std::mem::replace(&mut assignment.user_profile, profile.clone());
                (!before.is_empty()).then_some(PROFILE_REF)
            }
            // The grammar gives each kind its own changes only.
            _ => None,
        }
    }

    /// Writes the object and returns it as saved.
    ///
    /// # Errors
    /// [`DraftError::Changed`] if the object differs from what it was when the draft began. The draft
    /// then starts from what is there now, with what was entered on top: saving again writes that.
    pub fn save(&mut self, file: &ConfigFile) -> Result<Object, DraftError> {
        let result = file.update(|edit, config| {
            let now = Object::find(config, self.kind, &self.name);
            if now != self.base {
                let was = self.base.clone();
                let (kind, name) = (self.kind, self.name.clone());
                return Err(DraftError::Changed(Box::new(Conflict { kind, name, was, is: now })));
            }
            self.check(config)?;
            let path = || file.path().to_owned();
            self.write(edit)
                .and_then(|()| self.write_name(edit, config))
                .map_err(|e| DraftError::Save(SaveError::ConfigEditor(path(), e)))?;
            Ok(())
        });
        match result {
            Ok(()) => Ok(self.current.clone()),
            Err(DraftError::Changed(difference)) => {
                self.rebase(difference.is.clone());
                Err(DraftError::Changed(difference))
            }
            Err(other) => Err(other),
        }
    }

    fn check(&self, config: &Config) -> Result<(), DraftError> {
        let (kind, name) = (self.kind.word(), &self.name);
        let incomplete =
            |problem: String| Err(DraftError::Incomplete(format!("{kind} `{name}`: {problem}")));
        match &self.current {
            Object::ProfileAssignment(a) if a.user_profile.is_empty() => {
                incomplete(format!("{PROFILE_REF} is not set, expected the name of a profile"))
            }
            Object::ProfileAssignment(a) if config.profile(&a.user_profile).is_none() => {
                incomplete(format!(
                    "{PROFILE_REF}: no profile `{}`, expected one that `show useraccountprofile` lists",
                    a.user_profile
                ))
            }
            Object::Profile(profile) if profile.name != self.name => {
                if self.name == DEFAULT_PROFILE {
                    let why = "holds for every user who is not assigned another profile";
                    return incomplete(format!("{why} and cannot be renamed"));
                }
                if config.profile(&profile.name).is_some() {
                    return incomplete(format!("there is already a profile `{}`", profile.name));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Writes what was entered into a text, without a look at what stands there.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn write(&mut self, edit: &mut ConfigEditor) -> Result<(), EditError> {
        if !edit.has(self.kind, &self.name)? {
            edit.create(self.kind, &self.name)?;
        }
        match &mut self.current {
            Object::ProfileAssignment(assignment) => {
                edit.set(self.kind, &self.name, PROFILE_KEY, assignment.user_profile.as_str())
            }
            Object::Profile(profile) => {
                if !edit.has_key(self.kind, &self.name, "uuid")? && self.name != DEFAULT_PROFILE {
                    let uuid = profile.uuid.get_or_insert_with(new_uuid);
                    edit.set(self.kind, &self.name, "uuid", uuid.as_str())?;
                }
                for (field, goal) in &self.entered {
                    match goal {
                        KeyChange::Set(value) => {
                            edit.set(self.kind, &self.name, field.name(), i64::from(*value))?;
                        }
                        KeyChange::Unset => edit.unset(self.kind, &self.name, field.name())?,
                    }
                }
                match self.entered_on_limit {
                    Some(OnLimitChange::Set(word)) => {
                        edit.set(self.kind, &self.name, ON_LIMIT, word.word())?
                    }
                    Some(OnLimitChange::Unset) => edit.unset(self.kind, &self.name, ON_LIMIT)?,
                    None => {}
                }
                Ok(())
            }
        }
    }

    /// Writes another name, also where the profile is assigned.
    fn write_name(&self, edit: &mut ConfigEditor, config: &Config) -> Result<(), EditError> {
        let Object::Profile(profile) = &self.current else { return Ok(()) };
        if profile.name == self.name {
            return Ok(());
        }
        let lists = [(ObjectKind::User, &config.users), (ObjectKind::Group, &config.groups)];
        for (kind, list) in lists {
            for entry in list.iter().filter(|entry| entry.user_profile == self.name) {
                edit.set(kind, &entry.name, PROFILE_KEY, profile.name.as_str())?;
            }
        }
        edit.set(self.kind, &self.name, "name", profile.name.as_str())
    }

    /// Starts from what the object is now that something else has overtaken the draft.
    pub fn rebase_on(&mut self, conflict: &Conflict) {
        self.rebase(conflict.is.clone());
    }

    /// Puts what was entered on top of what the object is now.
    fn rebase(&mut self, now: Option<Object>) {
        let entered_profile = match &self.current {
            Object::ProfileAssignment(assignment) => Some(assignment.user_profile.clone()),
            Object::Profile(_) => None,
        };
        self.current = now.clone().unwrap_or_else(|| Object::new(self.kind, &self.name));
        match (&mut self.current, entered_profile) {
            (Object::Profile(profile), _) => {
                for (field, goal) in &self.entered {
                    *field.of_mut(profile) = match goal {
                        KeyChange::Set(value) => *value,
                        KeyChange::Unset => field.default_value(),
                    };
                }
                match self.entered_on_limit {
                    Some(OnLimitChange::Set(word)) => profile.on_limit = Some(word),
                    Some(OnLimitChange::Unset) => profile.on_limit = None,
                    None => {}
                }
            }
            (Object::ProfileAssignment(assignment), Some(entered)) => {
                assignment.user_profile = entered
            }
            (Object::ProfileAssignment(_), None) => {}
        }
        self.base = now;
    }
}

/// Deletes an object; `Ok(false)` where there is none.
///
/// # Errors
/// [`DraftError::Incomplete`] where something still needs it.
pub fn delete(file: &ConfigFile, kind: ObjectKind, name: &str) -> Result<bool, DraftError> {
    file.update(|edit, config| {
        if kind == ObjectKind::Profile {
            check_unused(config, name)?;
        }
        let failed = |e| DraftError::Save(SaveError::ConfigEditor(file.path().to_owned(), e));
        if !edit.has(kind, name).map_err(failed)? {
            return Ok(false);
        }
        edit.delete(kind, name).map_err(failed)?;
        Ok(true)
    })
}

fn check_unused(config: &Config, name: &str) -> Result<(), DraftError> {
    let refused =
        |why: String| Err(DraftError::Incomplete(format!("useraccountprofile `{name}`: {why}")));
    if name == DEFAULT_PROFILE {
        return refused(
            "holds for every user who is not assigned another profile and cannot be deleted"
                .to_owned(),
        );
    }
    let assigned = |list: &[ProfileAssignment], kind: ObjectKind| -> Vec<String> {
        let users = list.iter().filter(|entry| entry.user_profile == name);
        users.map(|entry| format!("{} `{}`", kind.word(), entry.name)).collect()
    };
    let mut all = assigned(&config.users, ObjectKind::User);
    all.extend(assigned(&config.groups, ObjectKind::Group));
    if all.is_empty() {
        Ok(())
    } else {
        refused(format!("is still assigned to {}; assign another profile first", all.join(", ")))
    }
}

/// Returns the uuid of a new profile: version 4, from the kernel's random numbers.
fn new_uuid() -> String {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // Fails for a signal only, once the kernel has been seeded.
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()).unwrap_or(0);
    }
    let random = u128::from_be_bytes(bytes);
    let version_and_variant = (random & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    let hex = format!("{version_and_variant:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!(
        "useraccountprofile-{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

impl From<DraftError> for AdminError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Changed(conflict) => {
                Self::new(AdminErrorKind::Conflict, conflict.to_string())
            }
            DraftError::Incomplete(text) => Self::new(AdminErrorKind::InUse, text),
            DraftError::Admin(error) => error,
            DraftError::Save(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests;
