//! `status`, `explain` and `check`: why a limit takes effect, or why it does not, and whom it would refuse.

use session_limit_admin::config::draft::ConfigDraft;
use session_limit_admin::config::object::ObjectKind;

use crate::command::engine::{Engine, listed};
use crate::output::exit_code::CommandError;
use crate::output::response::Response;
use crate::output::status as views;

/// The service of a login where none is named.
const DEFAULT_SERVICE: &str = "sshd";

impl Engine {
    /// Looks at all that limits depend on.
    pub(super) fn status(&self) -> Result<Response, CommandError> {
        Ok(views::status(&self.admin.status()?))
    }

    /// Says what would become of a user's next login, and why.
    pub(super) fn explain(
        &self,
        name: &str,
        service: Option<&str>,
    ) -> Result<Response, CommandError> {
        let service = service.unwrap_or(DEFAULT_SERVICE);
        Ok(views::explanation(&self.admin.explain(name, service)?))
    }

    /// Says whom a limit of a profile would refuse, now and in the last days.
    pub(super) fn check_limit(&self, profile: &str, limit: u32) -> Result<Response, CommandError> {
        let check = self.admin.check_limit(profile, limit);
        let check = check.map_err(|error| listed(error, ObjectKind::Profile))?;
        let response = views::checked_limit(&check, profile, limit);
        Ok(response.with_warnings(check.warning))
    }

    /// Says which users a saved object has put above their limit. Nothing is undone where that cannot be found
    /// out.
    pub(super) fn users_above(&self, draft: &ConfigDraft) -> Vec<String> {
        if !draft.changes_limits() {
            return Vec::new();
        }
        match self.admin.users_above(draft.kind(), draft.name()) {
            Ok(above) => above.iter().map(views::above_limit_warning).collect(),
            Err(failure) => {
                vec![format!("it is not known who is above the limit now: {}", failure.error)]
            }
        }
    }
}
