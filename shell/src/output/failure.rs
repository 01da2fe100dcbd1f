//! How a call that came to nothing is told.

use crate::output::exit_code::CommandError;
use crate::output::table::Table;
use session_limit_admin::command::CallError;

impl From<CallError> for CommandError {
    /// Returns the line and exit code; for people, a table of what was changed elsewhere.
    fn from(failure: CallError) -> Self {
        let details = failure.conflict.map(|conflict| {
            let mut table = Table::new(&["Field", "Was", "Is"]);
            for (name, was, is) in conflict.rows() {
                table.row([name.to_owned(), was, is]);
            }
            table.to_string()
        });
        Self { details, ..failure.error.into() }
    }
}
