//! `status`, `explain` and `check`: why a limit takes effect, or why it does not, and whom it would refuse.

use session_limit_admin::authorization::Permission;
use session_limit_admin::draft::ConfigDraft;
use session_limit_admin::explain;
use session_limit_admin::impact::{self, UserAboveLimit};
use session_limit_admin::object::ObjectKind;
use session_limit_admin::status::{self, HostFiles};

use crate::command::engine::{Engine, listed};
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::Response;
use crate::output::status as views;

/// The service of a login where none is named.
const DEFAULT_SERVICE: &str = "sshd";

impl Engine {
    /// Looks at all that limits depend on. Works with a broken configuration, too; only root may then, for
    /// the file does not say who else may.
    pub(super) fn status(&self) -> Result<Response, CommandError> {
        let known = self.admin.known()?;
        let permitted = self.admin.reach(&known.config)?.check(Permission::SeeStatus);
        if let (Err(_), Some(mistake)) = (&permitted, known.mistake) {
            return Err(CommandError::new(ExitCode::Configuration, mistake));
        }
        permitted?;
        let host = HostFiles::default();
        Ok(views::status(&status::collect(&host, &self.admin.config, self.admin.sessions.path())))
    }

    /// Says what would become of a user's next login, and why.
    pub(super) fn explain(
        &self,
        name: &str,
        service: Option<&str>,
    ) -> Result<Response, CommandError> {
        let config = self.admin.read()?;
        let user = self.admin.visible_user(&config, name)?;
        let (host, store) = (HostFiles::default(), self.admin.sessions.path());
        let service = service.unwrap_or(DEFAULT_SERVICE);
        Ok(views::explanation(&explain::explain(&host, &config, store, &user, service)?))
    }

    /// Says whom a limit of a profile would refuse, now and in the last days.
    pub(super) fn check_limit(&self, profile: &str, limit: u32) -> Result<Response, CommandError> {
        let check = impact::check(&self.admin, profile, limit);
        let check = check.map_err(|error| listed(error, ObjectKind::Profile))?;
        Ok(views::checked_limit(&check, profile, limit))
    }

    /// Says which users a saved object has put above their limit. Nothing is undone where that cannot be found
    /// out.
    pub(super) fn users_above(&self, draft: &ConfigDraft) -> Vec<String> {
        if !draft.changes_limits() {
            return Vec::new();
        }
        let found = || -> Result<Vec<UserAboveLimit>, CommandError> {
            let sessions = self.admin.sessions.seen(None)?;
            Ok(impact::of_object(&self.admin.read()?, &sessions, draft.kind(), draft.name())?)
        };
        match found() {
            Ok(above) => above.iter().map(views::above_limit_warning).collect(),
            Err(error) => {
                vec![format!("it is not known who is above the limit now: {}", error.message)]
            }
        }
    }
}
