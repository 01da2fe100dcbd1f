//! What can go wrong.

use std::fmt;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminErrorKind {
    /// There is no such object.
    NotFound,
    /// The acting user may not do that.
    Forbidden,
    /// What was given is not valid.
    Invalid,
    /// The object was changed elsewhere in the meantime.
    Conflict,
    /// The store of sessions cannot be used.
    Store,
    /// A file or a name service failed.
    Io,
}

/// What went wrong, in one line that says what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminError {
    /// What kind of thing.
    pub kind: AdminErrorKind,
    /// The line.
    pub message: String,
}

impl AdminError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: AdminErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AdminError {}
