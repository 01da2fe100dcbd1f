//! What can go wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminErrorKind {
    /// There is no such object.
    NotFound,
    /// The acting user may not do that.
    Forbidden,
    /// What was given is not valid.
    Invalid,
    /// The object was changed elsewhere in the meantime.
    Conflict,
    /// Something else stands in the way: the name is taken, or the object is needed.
    InUse,
    /// The configuration is refused as it is.
    Configuration,
    /// The store of sessions cannot be used.
    Store,
    /// The agent or the engine of the fleet cannot be asked.
    Fleet,
    /// A file or a name service failed.
    Io,
}

/// What went wrong, in one line that says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminError {
    /// What kind of thing.
    pub kind: AdminErrorKind,
    /// The line.
    pub message: String,
    /// The field or parameter that is not valid, where it is one.
    pub field: Option<String>,
}

impl AdminError {
    /// Makes an error.
    #[must_use]
    pub fn new(kind: AdminErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None }
    }

    /// Makes the error of a field or parameter that is not valid.
    #[must_use]
    pub fn field(field: &str, problem: &str) -> Self {
        let message = format!("{field}: {problem}");
        Self { kind: AdminErrorKind::Invalid, message, field: Some(field.to_owned()) }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for AdminError {}
