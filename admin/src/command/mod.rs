//! What the command line asks for, as values: the program that a user runs has no rights, and the process that
//! carries its commands out is another one.
//!
//! ```text
//! Administrator --Call--> Channel: the same process, or a socket ---> answer --> Administration
//! ```
//!
//! [`answer`] trusts nothing in a call: [`Administration`] checks the rights of its user for each.

mod administrator;
mod diagnosis;

pub use administrator::{Administrator, Channel};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_limit_core::fleet::HostSession;

use crate::administration::Administration;
use crate::config::draft::{ConfigDraft, Conflict, DraftError};
use crate::config::limits_conf::{ImportError, LimitsFile};
use crate::config::object::ObjectKind;
use crate::error::{AdminError, AdminErrorKind};
use crate::impact;

/// What a name stands for that Tab completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameKind {
    /// Profiles.
    Profiles,
    /// Users that are assigned to a profile or have a session.
    Users,
    /// Groups that are assigned to a profile.
    Groups,
    /// PAM services that are counted.
    Services,
    /// Ids of sessions.
    Sessions,
}

/// One thing that is asked for. The answer's type is that of the method of [`Administrator`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Call {
    /// Whether the user may use every command.
    Administers,
    /// The profiles that the user may see.
    Profiles,
    /// One profile.
    Profile(String),
    /// The assignments of users.
    UserAssignments,
    /// The assignments of groups.
    GroupAssignments,
    /// The assignment of a group.
    GroupAssignment(String),
    /// What is known of a user.
    Overview(String),
    /// What is known of all users.
    Overviews,
    /// The sessions of a user, or of all.
    Sessions(Option<String>),
    /// The sessions of a user, or of all, on the other hosts of the fleet.
    FleetSessions(Option<String>),
    /// The hosts of the fleet.
    FleetHosts,
    /// Whether limits take effect.
    Status,
    /// What would become of a user's next login, through a service.
    Explain(String, String),
    /// Whom a limit of a profile refuses something.
    CheckLimit(String, u32),
    /// Whether the user may change the configuration.
    MayConfigure,
    /// A draft of an object.
    Begin(ObjectKind, String),
    /// A draft to be written.
    Save(Box<ConfigDraft>),
    /// Whom an object puts above their limit.
    UsersAbove(ObjectKind, String),
    /// The end of an object.
    Delete(ObjectKind, String),
    /// The refused logins of a user, or of all.
    Refusals(Option<String>),
    /// The end of a session.
    ClearSession(i64),
    /// The end of a session on any host of the fleet.
    ClearSessionOf(HostSession),
    /// The end of a user's sessions.
    ClearSessions(Option<String>),
    /// The end of a user's failed logins, and of the lock they may be.
    Unlock(String),
    /// Lines of pam_limits, to be carried over if so said.
    ImportLimits(Vec<LimitsFile>, bool),
    /// The limits as lines of pam_limits.
    ExportLimits,
    /// Names for Tab.
    Names(NameKind),
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// What went wrong.
    pub error: AdminError,
    /// How the object changed under the draft that was to be saved, if it did.
    pub conflict: Option<Box<Conflict>>,
}

impl From<AdminError> for CallError {
    fn from(error: AdminError) -> Self {
        Self { error, conflict: None }
    }
}

impl From<DraftError> for CallError {
    fn from(error: DraftError) -> Self {
        use crate::config::store::SaveError;
        let (kind, message) = match error {
            DraftError::Admin(error) => return error.into(),
            DraftError::Changed(conflict) => {
                let error = AdminError::new(AdminErrorKind::Conflict, conflict.to_string());
                return Self { error, conflict: Some(conflict) };
            }
            DraftError::Incomplete(text) => (AdminErrorKind::Configuration, text),
            DraftError::Save(error) => {
                let kind = match &error {
                    SaveError::Config(_) | SaveError::ConfigEditor(..) => {
                        AdminErrorKind::Configuration
                    }
                    SaveError::ConcurrentChange(_) | SaveError::Locked(_) => {
                        AdminErrorKind::Conflict
                    }
                    SaveError::Io(..) => AdminErrorKind::Io,
                };
                (kind, error.to_string())
            }
        };
        AdminError::new(kind, message).into()
    }
}

impl From<ImportError> for CallError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Read(error) => error.into(),
            ImportError::Write(error) => error.into(),
        }
    }
}

/// Answers a call with the rights of the user in `admin`.
///
/// # Errors
/// Those of the method of [`Administration`] that it stands for.
pub fn answer(admin: &Administration, call: Call) -> Result<Value, CallError> {
    match call {
        Call::Administers => value(admin.administers()),
        Call::Profiles => value(admin.profiles()?),
        Call::Profile(name) => value(admin.profile(&name)?),
        Call::UserAssignments => value(admin.user_assignments()?),
        Call::GroupAssignments => value(admin.group_assignments()?),
        Call::GroupAssignment(name) => value(admin.group_assignment(&name)?),
        Call::Overview(name) => value(admin.overview(&name)?),
        Call::Overviews => value(admin.overviews()?),
        Call::Sessions(name) => value(admin.sessions_of(name.as_deref())?),
        Call::FleetSessions(name) => value(admin.fleet_sessions(name.as_deref())?),
        Call::FleetHosts => value(admin.fleet_hosts()?),
        Call::Status => value(admin.status()?),
        Call::Explain(user, service) => value(admin.explain(&user, &service)?),
        Call::CheckLimit(profile, limit) => value(impact::check(admin, &profile, limit)?),
        Call::MayConfigure => value(admin.check_may_configure()?),
        Call::Begin(kind, name) => value(admin.begin(kind, &name)?),
        Call::Save(mut draft) => value(admin.save(&mut draft)?),
        Call::UsersAbove(kind, name) => value(admin.users_above(kind, &name)?),
        Call::Delete(kind, name) => value(admin.delete(kind, &name)?),
        Call::Refusals(name) => value(admin.refusals_of(name.as_deref())?),
        Call::ClearSession(id) => value(admin.clear_session(id)?),
        Call::ClearSessionOf(one) => value(admin.clear_session_of(&one)?),
        Call::Unlock(name) => value(admin.unlock(&name)?),
        Call::ClearSessions(name) => value(admin.clear_sessions(name.as_deref())?),
        Call::ImportLimits(files, apply) => value(admin.import_limits(&files, apply)?),
        Call::ExportLimits => value(admin.export_limits()?),
        Call::Names(kind) => value(admin.names(kind)?),
    }
}

fn value(answer: impl Serialize) -> Result<Value, CallError> {
    serde_json::to_value(answer).map_err(|error| {
        let text = format!("the answer cannot be written: {error}");
        AdminError::new(AdminErrorKind::Io, text).into()
    })
}
