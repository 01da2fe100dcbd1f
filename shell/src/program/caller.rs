//! Whose rights a command has that root started, without a login.
//!
//! Where a program such as sudo(8) made root start it for a user, the command has that user's own rights:
//! permission to run `sudo shell` is no permission to lift one's own limit. Users whom sudo lets run a shell as root
//! act as root in any case.

use std::env;
use std::process::{Command, Stdio};

use session_limit_admin::administration::user_named;
use session_limit_core::model::sanitize::printable;
use session_limit_core::system::{error_text, users::User};

use crate::output::exit_code::{CommandError, ExitCode};

/// Names the user for whom root's program was started: sudo and run0, pkexec.
const UID_VARIABLES: [&str; 2] = ["SUDO_UID", "PKEXEC_UID"];
/// The same, by name: doas.
const NAME_VARIABLE: &str = "DOAS_USER";
const SUDO: &str = "/usr/bin/sudo";

/// Returns whether root started the program, or another one that made it root.
#[must_use]
pub fn is_started_by_root() -> bool {
    rustix::process::getuid().is_root() && rustix::process::geteuid().is_root()
}

/// Returns whether the program has the rights of another user than the one who started it.
#[must_use]
pub fn is_set_user_id() -> bool {
    rustix::process::getuid() != rustix::process::geteuid()
}

/// Returns the name of the user who started the program; nothing for one that the host does not know.
#[must_use]
pub fn own_name() -> Option<String> {
    let user = User::with_uid(rustix::process::getuid().as_raw()).ok()??;
    user.name.into_string().ok()
}

/// Who started the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose rights count.
    pub user: User,
    /// The user for whom sudo started the program, if there is one.
    pub invoked_for: Option<User>,
}

impl Caller {
    /// Finds out for whom root started the program.
    ///
    /// # Errors
    /// When the user for whom it was started is not known to the host.
    pub fn identify() -> Result<Self, CommandError> {
        let invoked_for = invoking_user()?;
        let user = match &invoked_for {
            Some(user) if !may_act_as_root(user) => user.clone(),
            _ => user_named("root")?,
        };
        Ok(Self { user, invoked_for })
    }

    /// Returns whether the caller is root, or may become root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.user.uid == 0
    }

    /// Returns how the log calls the caller.
    #[must_use]
    pub fn actor(&self) -> String {
        let name = |user: &User| printable(user.name.to_bytes());
        match &self.invoked_for {
            Some(user) if self.is_root() => format!("root for {}", name(user)),
            _ => name(&self.user),
        }
    }
}

/// Returns the user for whom another program started this one as root.
fn invoking_user() -> Result<Option<User>, CommandError> {
    for variable in UID_VARIABLES {
        let Some(value) = env::var_os(variable) else { continue };
        let failed = |what: &str| {
            let value = printable(value.as_encoded_bytes());
            CommandError::new(ExitCode::NotAllowed, format!("{variable} is `{value}`, {what}"))
        };
        let uid = value.to_str().and_then(|value| value.parse().ok());
        let uid: u32 = uid.ok_or_else(|| failed("expected the id of a user"))?;
        if uid == 0 {
            return Ok(None);
        }
        return match User::with_uid(uid) {
            Ok(Some(user)) => Ok(Some(user)),
            Ok(None) => Err(failed("which is no user of this host")),
            Err(error) => {
                Err(failed(&format!("which cannot be looked up: {}", error_text(&error))))
            }
        };
    }
    match env::var(NAME_VARIABLE) {
        Ok(name) if name != "root" => user_named(&name).map(Some).map_err(CommandError::from),
        _ => Ok(None),
    }
}

/// Asks sudo(8) whether a user may run a shell as root. Where it cannot say, the answer is no.
fn may_act_as_root(user: &User) -> bool {
    let Ok(name) = user.name.to_str() else { return false };
    Command::new(SUDO)
        .args(["-n", "-l", "-U", name, "--", "/bin/sh"])
        .env_clear()
        // sudo 1.9.16 does not survive an empty environment.
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
