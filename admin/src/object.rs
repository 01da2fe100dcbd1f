//! What can be configured, and a change of it.

use crate::field::Field;
use serde::{Deserialize, Serialize};

/// An object type that can be shown, configured and deleted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// `useraccountprofile`
    Profile,
    /// `user`: the profile of one user.
    User,
    /// `group`: the profile of a group's members.
    Group,
}

impl ObjectKind {
    /// Returns the word it is called by in commands and prompts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Profile => "useraccountprofile",
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

/// One thing said inside `configure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `FIELD VALUE` of a profile.
    Set(Field, u32),
    /// `no FIELD` of a profile.
    Unset(Field),
    /// `user_profile_ref PROFILE` of a user or group.
    Assign(String),
}

/// The one field of a user or a group.
pub const PROFILE_REF: &str = "user_profile_ref";
