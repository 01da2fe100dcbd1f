//! How a failed write is told.

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::table::Table;
use session_limit_admin::config_store::SaveError;
use session_limit_admin::draft::DraftError;
use session_limit_admin::limits_conf::ImportError;

/// Says how a write failed, and how to leave.
#[must_use]
pub fn failure_of(error: DraftError) -> CommandError {
    match error {
        DraftError::Changed(difference) => {
            let mut table = Table::new(&["Field", "Was", "Is"]);
            for (name, was, is) in difference.rows() {
                table.row([name.to_owned(), was, is]);
            }
            let mut failure = CommandError::new(ExitCode::Conflict, difference.to_string());
            failure.details = Some(table.to_string());
            failure
        }
        DraftError::Incomplete(text) => CommandError::new(ExitCode::Configuration, text),
        DraftError::Save(error) => save_failure(&error),
        DraftError::Admin(error) => error.into(),
    }
}

/// Says how replacing the file failed, and how to leave.
#[must_use]
fn save_failure(error: &SaveError) -> CommandError {
    let exit = match error {
        SaveError::Config(_) | SaveError::ConfigEditor(..) => ExitCode::Configuration,
        SaveError::ConcurrentChange(_) | SaveError::Locked(_) => ExitCode::Conflict,
        SaveError::Io(..) => ExitCode::Failed,
    };
    CommandError::new(exit, error.to_string())
}

impl From<ImportError> for CommandError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Read(error) => error.into(),
            ImportError::Write(error) => failure_of(error),
        }
    }
}
