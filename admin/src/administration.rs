//! What one user may see and change, whichever front end asks: the one place where a request meets the
//! rights, the configuration and the store.

use std::ffi::CString;

use serde::{Deserialize, Serialize};
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::audit::Event;
use session_limit_core::config::{Config, assignment};
use session_limit_core::log::{Level, Log};
use session_limit_core::model::profile::{Profile, ProfileAssignment};
use session_limit_core::model::sanitize::printable;
use session_limit_core::model::session::Session;
use session_limit_core::system;
use session_limit_core::system::users::{User, group_id};

use crate::authorization::{AccessScope, Permission};
use crate::config::draft::{self, ConfigDraft, DraftError, Object};
use crate::config::limits_conf::{self, ImportError, LimitsFile, Proposal};
use crate::config::object::ObjectKind;
use crate::config::store::ConfigFile;
use crate::error::{AdminError, AdminErrorKind};
use crate::fleet;
use crate::sessions::{SessionView, Sessions};

/// The configuration and the store, as one user may see and change them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Administration {
    /// The configuration.
    pub config: ConfigFile,
    /// The store of sessions.
    pub sessions: Sessions,
    /// Whose rights count.
    pub user: User,
    /// Who acts, as the log and the users who are ended are told.
    pub actor: String,
    /// The process that holds the acting user's own session, if it has one: clearing all sessions spares it.
    pub holder: Option<i32>,
    /// The program that acts, as log lines begin.
    pub program: &'static str,
}

/// The configuration, or what stands for it while the file is refused: what needs only the store of
/// sessions goes on working.
#[derive(Debug, Clone)]
pub struct Known {
    /// While the file is refused: without profiles, and without groups of administrators.
    pub config: Config,
    /// Why the file is refused.
    pub mistake: Option<String>,
}

/// Something found, and why the configuration behind it is refused, if it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found<T> {
    /// What was found.
    pub value: T,
    /// Why the configuration is refused.
    pub mistake: Option<String>,
    /// What could not be found out or done on other hosts of the fleet, a line each.
    pub warnings: Vec<String>,
}

impl Known {
    pub(crate) fn profile_of(&self, user: &User) -> Result<Option<Profile>, AdminError> {
        match self.mistake {
            Some(_) => Ok(None),
            None => profile_of(&self.config, user).map(Some),
        }
    }

    pub(crate) fn found<T>(self, value: T) -> Found<T> {
        Found { value, mistake: self.mistake, warnings: Vec::new() }
    }
}

impl Administration {
    /// Returns how far the acting user's rights go.
    ///
    /// # Errors
    /// When the name services fail.
    pub fn reach(&self, config: &Config) -> Result<AccessScope, AdminError> {
        AccessScope::of(&self.user, config)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// The line the module would log.
    pub fn read(&self) -> Result<Config, AdminError> {
        let refused = |error: session_limit_core::config::ConfigError| {
            AdminError::new(AdminErrorKind::Configuration, error.to_string())
        };
        self.config.read().map_err(refused)
    }

    /// Reads the configuration, for what does without it if it must.
    ///
    /// # Errors
    /// None yet; the caller need not know.
    pub fn known(&self) -> Result<Known, AdminError> {
        match self.config.read() {
            Ok(config) => Ok(Known { config, mistake: None }),
            Err(error) => {
                let mut config = Config::default();
                // Who administers is not known either; root does.
                config.policy.admin_groups.clear();
                Ok(Known { config, mistake: Some(error.to_string()) })
            }
        }
    }

    /// Returns whether the acting user may use every command, as far as that can be found out.
    #[must_use]
    pub fn administers(&self) -> bool {
        self.known()
            .and_then(|known| self.reach(&known.config))
            .is_ok_and(|reach| reach == AccessScope::All)
    }

    /// Returns the acting user's name.
    #[must_use]
    pub fn own_name(&self) -> String {
        self.user.name.to_string_lossy().into_owned()
    }

    /// Returns the profiles that the acting user may see, in the order of the file.
    ///
    /// # Errors
    /// When the configuration or the name services fail.
    pub fn profiles(&self) -> Result<Vec<Profile>, AdminError> {
        let mut config = self.read()?;
        let reach = self.reach(&config)?;
        let own = profile_of(&config, &self.user)?;
        let profiles = std::mem::take(&mut config.profiles);
        let may_see = |profile: &Profile| {
            reach.check(Permission::SeeProfile { name: &profile.name, own: &own.name }).is_ok()
        };
        Ok(profiles.into_iter().filter(may_see).collect())
    }

    /// Returns one profile.
    ///
    /// # Errors
    /// When there is none, or the acting user may not see it.
    pub fn profile(&self, name: &str) -> Result<Profile, AdminError> {
        let config = self.read()?;
        let own = profile_of(&config, &self.user)?;
        self.reach(&config)?.check(Permission::SeeProfile { name, own: &own.name })?;
        config.profile(name).cloned().ok_or_else(|| absent(ObjectKind::Profile, name))
    }

    /// Returns the assignments of all users, for those who may see them; nothing for others.
    ///
    /// # Errors
    /// When the configuration or the name services fail.
    pub fn user_assignments(&self) -> Result<Option<Vec<ProfileAssignment>>, AdminError> {
        if self.reach(&self.known()?.config)? != AccessScope::All {
            return Ok(None);
        }
        Ok(Some(self.read()?.users))
    }

    /// Returns the assignments of all groups, in the order of the file.
    ///
    /// # Errors
    /// When the acting user may not see them.
    pub fn group_assignments(&self) -> Result<Vec<ProfileAssignment>, AdminError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::SeeAssignments)?;
        Ok(config.groups)
    }

    /// Returns the assignment of one group.
    ///
    /// # Errors
    /// When there is none, or the acting user may not see it.
    pub fn group_assignment(&self, name: &str) -> Result<ProfileAssignment, AdminError> {
        let groups = self.group_assignments()?;
        let entry = groups.into_iter().find(|entry| entry.name == name);
        entry.ok_or_else(|| absent(ObjectKind::Group, name))
    }

    /// Returns the sessions of one user, or of all whom the acting user may see.
    ///
    /// # Errors
    /// When the acting user may not see them, or the store fails.
    pub fn sessions_of(&self, name: Option<&str>) -> Result<Found<Vec<SessionView>>, AdminError> {
        let rows = self.rows_of(name)?;
        Ok(Found {
            value: self.sessions.look(rows.value)?,
            mistake: rows.mistake,
            warnings: rows.warnings,
        })
    }

    /// Returns the same sessions as they are recorded, without a look at how each stands.
    ///
    /// # Errors
    /// When the acting user may not see them, or the store fails.
    pub fn rows_of(&self, name: Option<&str>) -> Result<Found<Vec<Session>>, AdminError> {
        let known = self.known()?;
        let uid = self.visible_uid(&known.config, name)?;
        let rows = self.sessions.rows(uid)?;
        Ok(known.found(rows))
    }

    /// Returns whose sessions are meant: those of the user called `name`, or without a name all (`None`) or the acting
    /// user's own, as far as the acting user may see.
    ///
    /// # Errors
    /// When there is no such user, or the acting user may not ask.
    pub(crate) fn visible_uid(
        &self,
        config: &Config,
        name: Option<&str>,
    ) -> Result<Option<u32>, AdminError> {
        Ok(match (name, self.reach(config)?) {
            (Some(name), _) => Some(self.visible_user(config, name)?.uid),
            (None, AccessScope::OwnUser(own)) => Some(own),
            (None, AccessScope::All) => None,
        })
    }

    /// Looks a user up whom the acting user may see. The question itself is a right: who has it not
    /// cannot probe for accounts.
    ///
    /// # Errors
    /// When there is no such user, or the acting user may not ask.
    pub fn visible_user(&self, config: &Config, name: &str) -> Result<User, AdminError> {
        if self.user.is_named(name) {
            return Ok(self.user.clone());
        }
        self.reach(config)?.check(Permission::SeeOthers)?;
        user_named(name)
    }

    /// Begins to change an object.
    ///
    /// # Errors
    /// When the acting user may not.
    pub fn begin(&self, kind: ObjectKind, name: &str) -> Result<ConfigDraft, AdminError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::Configure)?;
        Ok(ConfigDraft::begin(&config, kind, name))
    }

    /// Writes a draft, if the rights still allow it.
    ///
    /// # Errors
    /// See [`DraftError`].
    pub fn save(&self, draft: &mut ConfigDraft) -> Result<Object, DraftError> {
        self.reach(&self.read()?)?.check(Permission::Configure)?;
        let object = draft.save(&self.config)?;
        let (kind, name) = (draft.kind(), draft.name());
        match &object {
            Object::Profile(profile) if profile.name != name => {
                self.tell_changed(&format!("renamed to {:?} and saved", profile.name), kind, name);
            }
            _ => self.tell_changed("saved", kind, name),
        }
        Ok(object)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When there is none, something still needs it, or the acting user may not.
    pub fn delete(&self, kind: ObjectKind, name: &str) -> Result<(), DraftError> {
        self.reach(&self.read()?)?.check(Permission::Configure)?;
        if !draft::delete(&self.config, kind, name)? {
            return Err(absent(kind, name).into());
        }
        self.tell_changed("deleted", kind, name);
        Ok(())
    }

    /// Checks whether the acting user may change the configuration.
    ///
    /// # Errors
    /// When not.
    pub fn check_may_configure(&self) -> Result<(), AdminError> {
        self.reach(&self.read()?)?.check(Permission::Configure)
    }

    /// Says what lines of pam_limits mean here; writes that if `apply`.
    ///
    /// # Errors
    /// When the acting user may not, or the configuration cannot be written.
    pub fn import_limits(
        &self,
        files: &[LimitsFile],
        apply: bool,
    ) -> Result<Vec<Proposal>, ImportError> {
        self.check_may_configure().map_err(ImportError::Read)?;
        let proposals = limits_conf::import(&self.config, files, apply)?;
        if apply {
            self.log("configure", "imported the limits of pam_limits");
            self.record(Event::ConfigurationSaved, "limits");
        }
        Ok(proposals)
    }

    /// Returns the limits as lines of pam_limits.
    ///
    /// # Errors
    /// When the acting user may not see the assignments.
    pub fn export_limits(&self) -> Result<Vec<String>, AdminError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::SeeAssignments)?;
        Ok(limits_conf::export(&config))
    }

    /// Ends one session.
    ///
    /// # Errors
    /// When there is none with this id that the acting user may see, or it could not be ended.
    pub fn clear_session(&self, id: i64) -> Result<Found<ClearSummary>, AdminError> {
        let known = self.known()?;
        let uid = self.visible_uid(&known.config, None)?;
        let seen = self.sessions.seen(uid)?.into_iter().map(|seen| seen.session);
        let chosen: Vec<Session> = seen.filter(|session| session.id == id).collect();
        let Some(first) = chosen.first() else {
            let message = format!("session {id}: there is none");
            return Err(AdminError::new(AdminErrorKind::NotFound, message));
        };
        self.reach(&known.config)?.check(Permission::Clear(first.uid))?;
        let whose = format!("session {id} of {}", first.user);
        self.end(known, &chosen, &whose)
    }

    /// Ends the sessions of a user, the acting user's own current one excepted.
    ///
    /// # Errors
    /// When there is no such user, the acting user may not, or one could not be ended.
    pub fn clear_sessions(&self, name: Option<&str>) -> Result<Found<ClearSummary>, AdminError> {
        let known = self.known()?;
        let user = match name {
            Some(name) => self.visible_user(&known.config, name)?,
            None => self.user.clone(),
        };
        self.reach(&known.config)?.check(Permission::Clear(user.uid))?;
        let seen = self.sessions.seen(Some(user.uid))?;
        let others = seen.into_iter().map(|seen| seen.session);
        let chosen: Vec<Session> =
            others.filter(|session| Some(session.leader.pid) != self.holder).collect();
        let has_fleet = known.config.fleet.is_some();
        let ended =
            self.end(known, &chosen, &format!("sessions of {}", user.name.to_string_lossy()));
        if has_fleet { fleet::clear_too(self, user.uid, ended) } else { ended }
    }

    pub(crate) fn ended_by(&self) -> String {
        format!("{} with `{}`", self.actor, self.program)
    }

    fn end(
        &self,
        known: Known,
        chosen: &[Session],
        whose: &str,
    ) -> Result<Found<ClearSummary>, AdminError> {
        let by = self.ended_by();
        let cleared = self.sessions.clear(chosen, known.config.policy.on_clear, &by)?;
        self.report_cleared(&cleared, whose)?;
        Ok(known.found(cleared))
    }

    /// Tells journal and audit what was cleared.
    ///
    /// # Errors
    /// When not all could be ended.
    pub(crate) fn report_cleared(
        &self,
        cleared: &ClearSummary,
        whose: &str,
    ) -> Result<(), AdminError> {
        self.log("clear", &format!("cleared {whose}: {cleared}"));
        if !cleared.is_empty() {
            self.record(Event::SessionsCleared, whose);
        }
        match cleared.failed {
            0 => Ok(()),
            n => Err(AdminError::new(
                AdminErrorKind::Io,
                format!("{n} of the sessions could not be ended"),
            )),
        }
    }

    /// Tells the journal who changed what.
    pub(crate) fn log(&self, phase: &str, text: &str) {
        let line = format!("{text}, by {}", self.actor);
        Log::new(self.program, phase, false).write(Level::Notice, &line);
    }
}

/// Returns the error that there is no such object.
#[must_use]
pub fn absent(kind: ObjectKind, name: &str) -> AdminError {
    AdminError::new(AdminErrorKind::NotFound, format!("{} `{name}`: there is none", kind.word()))
}

/// Looks up a user of the host.
///
/// # Errors
/// When there is none of that name, or it cannot be looked up.
pub fn user_named(name: &str) -> Result<User, AdminError> {
    let unknown = || {
        let message = format!("user `{name}` is not known to this host");
        AdminError::new(AdminErrorKind::NotFound, message)
    };
    let typed = CString::new(name).map_err(|_| unknown())?;
    User::named(&typed)
        .map_err(|error| {
            let reason = system::error_text(&error);
            let message = format!("user `{name}` cannot be looked up: {reason}");
            AdminError::new(AdminErrorKind::Io, message)
        })?
        .ok_or_else(unknown)
}

/// Returns the profile that holds for a user.
///
/// # Errors
/// When the name services fail.
pub fn profile_of(config: &Config, user: &User) -> Result<Profile, AdminError> {
    let assigned = assignment::profile_for(config, user).map_err(|error| {
        let reason = system::error_text(&error);
        let name = printable(user.name.to_bytes());
        let message = format!("groups of `{name}` cannot be looked up: {reason}");
        AdminError::new(AdminErrorKind::Io, message)
    })?;
    Ok(assigned.profile)
}

/// Returns what tells the names that the host knows from those that it does not, or not yet.
///
/// Where the name services fail nothing is said against a name.
pub fn is_known(kind: ObjectKind) -> impl Fn(&str) -> bool {
    move |name| {
        let Ok(c_name) = CString::new(name) else { return false };
        match kind {
            ObjectKind::User => !matches!(User::named(&c_name), Ok(None)),
            ObjectKind::Group => !matches!(group_id(&c_name), Ok(None)),
            ObjectKind::Profile => true,
        }
    }
}
