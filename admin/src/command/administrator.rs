//! The caller's side: one method for each [`Call`], over a [`Channel`].

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::fleet::HostSession;
use session_limit_core::model::profile::{Profile, ProfileAssignment};
use session_limit_core::refusals::Recorded;

use super::{Call, CallError, NameKind, answer};
use crate::administration::{Administration, Found};
use crate::config::draft::{ConfigDraft, Object};
use crate::config::limits_conf::{self, FileRights, Proposal};
use crate::config::object::ObjectKind;
use crate::error::{AdminError, AdminErrorKind};
use crate::explain::Explanation;
use crate::fleet::{Elsewhere, FleetHost};
use crate::impact::{LimitCheck, UserAboveLimit};
use crate::sessions::SessionView;
use crate::status::Check;
use crate::user_overview::UserOverview;

/// What carries calls to where they are answered.
pub trait Channel {
    /// Has one call answered.
    ///
    /// # Errors
    /// The error that was answered, or that there is no answer.
    fn call(&mut self, call: Call) -> Result<Value, CallError>;
}

impl Channel for Administration {
    fn call(&mut self, call: Call) -> Result<Value, CallError> {
        answer(self, call)
    }
}

/// What a user may see and change, wherever that is carried out.
#[derive(Clone)]
pub struct Administrator {
    channel: Rc<RefCell<dyn Channel>>,
    own_name: String,
    file_rights: FileRights,
}

impl fmt::Debug for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator").field("own_name", &self.own_name).finish_non_exhaustive()
    }
}

impl From<Administration> for Administrator {
    /// Carries calls out in this process.
    fn from(admin: Administration) -> Self {
        let is_root = admin.user.uid == 0;
        let file_rights = if is_root { FileRights::OfProcess } else { FileRights::OfEveryUser };
        let own_name = admin.own_name();
        Self { channel: Rc::new(RefCell::new(admin)), own_name, file_rights }
    }
}

impl Administrator {
    /// Has calls carried out elsewhere, with the rights of the user called `own_name`; this process has rights of
    /// its own that it does not lend.
    #[must_use]
    pub fn over(channel: impl Channel + 'static, own_name: &str, file_rights: FileRights) -> Self {
        let own_name = own_name.to_owned();
        Self { channel: Rc::new(RefCell::new(channel)), own_name, file_rights }
    }

    fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        let busy = || AdminError::new(AdminErrorKind::Io, "another command is being carried out");
        let answer = self.channel.try_borrow_mut().map_err(|_| busy())?.call(call)?;
        serde_json::from_value(answer).map_err(|error| {
            let text = format!("the answer is not understood: {error}");
            AdminError::new(AdminErrorKind::Io, text).into()
        })
    }

    /// Returns the acting user's name.
    #[must_use]
    pub fn own_name(&self) -> &str {
        &self.own_name
    }

    /// See [`Administration::administers`].
    #[must_use]
    pub fn administers(&self) -> bool {
        self.ask(Call::Administers).unwrap_or(false)
    }

    /// See [`Administration::profiles`].
    ///
    /// # Errors
    /// As there.
    pub fn profiles(&self) -> Result<Vec<Profile>, CallError> {
        self.ask(Call::Profiles)
    }

    /// See [`Administration::profile`].
    ///
    /// # Errors
    /// As there.
    pub fn profile(&self, name: &str) -> Result<Profile, CallError> {
        self.ask(Call::Profile(name.to_owned()))
    }

    /// See [`Administration::user_assignments`].
    ///
    /// # Errors
    /// As there.
    pub fn user_assignments(&self) -> Result<Option<Vec<ProfileAssignment>>, CallError> {
        self.ask(Call::UserAssignments)
    }

    /// See [`Administration::group_assignments`].
    ///
    /// # Errors
    /// As there.
    pub fn group_assignments(&self) -> Result<Vec<ProfileAssignment>, CallError> {
        self.ask(Call::GroupAssignments)
    }

    /// See [`Administration::group_assignment`].
    ///
    /// # Errors
    /// As there.
    pub fn group_assignment(&self, name: &str) -> Result<ProfileAssignment, CallError> {
        self.ask(Call::GroupAssignment(name.to_owned()))
    }

    /// See [`Administration::overview`].
    ///
    /// # Errors
    /// As there.
    pub fn overview(&self, name: &str) -> Result<Found<UserOverview>, CallError> {
        self.ask(Call::Overview(name.to_owned()))
    }

    /// See [`Administration::overviews`].
    ///
    /// # Errors
    /// As there.
    pub fn overviews(&self) -> Result<Found<Vec<UserOverview>>, CallError> {
        self.ask(Call::Overviews)
    }

    /// See [`Administration::sessions_of`].
    ///
    /// # Errors
    /// As there.
    pub fn sessions_of(&self, name: Option<&str>) -> Result<Found<Vec<SessionView>>, CallError> {
        self.ask(Call::Sessions(name.map(str::to_owned)))
    }

    /// See [`Administration::fleet_sessions`].
    ///
    /// # Errors
    /// As there.
    pub fn fleet_sessions(&self, name: Option<&str>) -> Result<Option<Elsewhere>, CallError> {
        self.ask(Call::FleetSessions(name.map(str::to_owned)))
    }

    /// See [`Administration::fleet_hosts`].
    ///
    /// # Errors
    /// As there.
    pub fn fleet_hosts(&self) -> Result<Vec<FleetHost>, CallError> {
        self.ask(Call::FleetHosts)
    }

    /// See [`Administration::status`].
    ///
    /// # Errors
    /// As there.
    pub fn status(&self) -> Result<Vec<Check>, CallError> {
        self.ask(Call::Status)
    }

    /// See [`Administration::explain`].
    ///
    /// # Errors
    /// As there.
    pub fn explain(&self, user: &str, service: &str) -> Result<Explanation, CallError> {
        self.ask(Call::Explain(user.to_owned(), service.to_owned()))
    }

    /// See [`Administration::refusals_of`].
    ///
    /// # Errors
    /// As there.
    pub fn refusals_of(&self, name: Option<&str>) -> Result<Found<Vec<Recorded>>, CallError> {
        self.ask(Call::Refusals(name.map(str::to_owned)))
    }

    /// See [`crate::impact::check`].
    ///
    /// # Errors
    /// As there.
    pub fn check_limit(&self, profile: &str, limit: u32) -> Result<LimitCheck, CallError> {
        self.ask(Call::CheckLimit(profile.to_owned(), limit))
    }

    /// See [`Administration::begin`].
    ///
    /// # Errors
    /// As there.
    pub fn begin(&self, kind: ObjectKind, name: &str) -> Result<ConfigDraft, CallError> {
        self.ask(Call::Begin(kind, name.to_owned()))
    }

    /// See [`Administration::save`]. A draft that something else has overtaken starts from what is there now, with
    /// what was entered on top.
    ///
    /// # Errors
    /// As there.
    pub fn save(&self, draft: &mut ConfigDraft) -> Result<Object, CallError> {
        let saved = self.ask(Call::Save(Box::new(draft.clone())));
        if let Err(CallError { conflict: Some(conflict), .. }) = &saved {
            draft.rebase_on(conflict);
        }
        saved
    }

    /// See [`Administration::users_above`].
    ///
    /// # Errors
    /// As there.
    pub fn users_above(
        &self,
        kind: ObjectKind,
        name: &str,
    ) -> Result<Vec<UserAboveLimit>, CallError> {
        self.ask(Call::UsersAbove(kind, name.to_owned()))
    }

    /// See [`Administration::delete`].
    ///
    /// # Errors
    /// As there.
    pub fn delete(&self, kind: ObjectKind, name: &str) -> Result<(), CallError> {
        self.ask(Call::Delete(kind, name.to_owned()))
    }

    /// See [`Administration::clear_session`].
    ///
    /// # Errors
    /// As there.
    pub fn clear_session(&self, id: i64) -> Result<Found<ClearSummary>, CallError> {
        self.ask(Call::ClearSession(id))
    }

    /// See [`Administration::clear_session_of`].
    ///
    /// # Errors
    /// As there.
    pub fn clear_session_of(&self, one: &HostSession) -> Result<Found<ClearSummary>, CallError> {
        self.ask(Call::ClearSessionOf(one.clone()))
    }

    /// See [`Administration::clear_sessions`].
    ///
    /// # Errors
    /// As there.
    pub fn clear_sessions(&self, name: Option<&str>) -> Result<Found<ClearSummary>, CallError> {
        self.ask(Call::ClearSessions(name.map(str::to_owned)))
    }

    /// See [`Administration::unlock`].
    ///
    /// # Errors
    /// Those of that method, or when no answer comes.
    pub fn unlock(&self, name: &str) -> Result<Found<usize>, CallError> {
        self.ask(Call::Unlock(name.to_owned()))
    }

    /// Reads the files of pam_limits in this process, with the rights of its user, and has their lines carried over:
    /// see [`Administration::import_limits`].
    ///
    /// # Errors
    /// When a file cannot be read, and as there.
    pub fn import_limits(&self, files: &[String], apply: bool) -> Result<Vec<Proposal>, CallError> {
        let () = self.ask(Call::MayConfigure)?;
        let files = limits_conf::read_files(files, self.file_rights)?;
        self.ask(Call::ImportLimits(files, apply))
    }

    /// See [`Administration::export_limits`].
    ///
    /// # Errors
    /// As there.
    pub fn export_limits(&self) -> Result<Vec<String>, CallError> {
        self.ask(Call::ExportLimits)
    }

    /// Returns the names that the acting user may see; none where they cannot be found out.
    #[must_use]
    pub fn names(&self, kind: NameKind) -> Vec<String> {
        self.ask(Call::Names(kind)).unwrap_or_default()
    }
}
