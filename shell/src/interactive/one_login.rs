//! The login of commands that are not typed at the prompt.

use session_limit_session::hardening;
use session_limit_session::ipc::local::LocalLogin;

use crate::interactive::login;
use crate::interactive::session::{HeldSession, Route};
use crate::interactive::terminal;
use crate::output::exit_code::ExitCode;
use crate::program::args::Args;
use crate::program::caller;

/// Logs in the user who is named, else the one who started the program; says why where that fails.
///
/// # Errors
/// The exit code.
pub fn log_in(args: &Args, route: &Route) -> Result<HeldSession, ExitCode> {
    if let Err(error) = hardening::protect() {
        let reason = session_limit_core::system::error_text(&error);
        login::say(&format!("shell: the process cannot be protected: {reason}"));
        return Err(ExitCode::Failed);
    }
    // Where there is none, the stack may ask nothing, or a question says so.
    let _ = terminal::prepare();
    let user = args.user.clone().or_else(caller::own_name);
    let login = LocalLogin { user, clear_sessions: false };
    login::log_in(route, &login).map(|(_, held)| held)
}
