//! `status` and `explain`: why a limit takes effect, or why it does not.

use session_limit_admin::authorization::Permission;
use session_limit_admin::explain;
use session_limit_admin::status::{self, HostFiles};

use crate::command::engine::Engine;
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
}
