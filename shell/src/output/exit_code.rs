//! Exit codes. They are part of the interface: shell(1) lists them, scripts rely on them.

use std::fmt;

use session_limit_admin::error::{AdminError, AdminErrorKind};

/// How the program, or one command, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// All went well.
    Success,
    /// What was asked for does not exist or could not be done.
    Failed,
    /// The command line or a command is not understood.
    Usage,
    /// The login was refused: the limit has been reached, or the account may not log in.
    Refused,
    /// Name or password were wrong, or the login service is out of order.
    NotAuthenticated,
    /// The session program cannot be reached.
    Unreachable,
    /// The user's rights do not go that far.
    NotAllowed,
    /// The configuration is refused, or would be.
    Configuration,
    /// The object or the file was changed elsewhere in the meantime.
    Conflict,
    /// The store of sessions cannot be used.
    Store,
}

impl ExitCode {
    /// All exit codes, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::NotAuthenticated,
        Self::Unreachable,
        Self::NotAllowed,
        Self::Configuration,
        Self::Conflict,
        Self::Store,
    ];

    /// Returns the number the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotAuthenticated => 4,
            Self::Unreachable => 5,
            Self::NotAllowed => 6,
            Self::Configuration => 7,
            Self::Conflict => 8,
            Self::Store => 9,
        }
    }
}

/// A command that did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// How to leave, where it is the last word.
    pub exit: ExitCode,
    /// One line: what is wrong, what was expected.
    pub message: String,
    /// A table that shows more, for people.
    pub details: Option<String>,
}

impl CommandError {
    /// Makes a failure of one line.
    #[must_use]
    pub fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), details: None }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        let exit = match error.kind {
            AdminErrorKind::NotFound | AdminErrorKind::Fleet | AdminErrorKind::Io => {
                ExitCode::Failed
            }
            AdminErrorKind::Forbidden => ExitCode::NotAllowed,
            AdminErrorKind::Invalid | AdminErrorKind::InUse | AdminErrorKind::Configuration => {
                ExitCode::Configuration
            }
            AdminErrorKind::Conflict => ExitCode::Conflict,
            AdminErrorKind::Store => ExitCode::Store,
        };
        Self::new(exit, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_stable() {
        assert_eq!(ExitCode::ALL.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
}
