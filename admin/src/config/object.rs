//! What can be configured, and a change of it.

use session_limit_core::model::policy::OnLimit;

use super::field::Field;
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
    /// `on_limit WORD` of a profile; nothing, `no on_limit`, is what the policy says.
    OnLimit(Option<OnLimit>),
    /// Another name for a profile; the users and groups that it is assigned to follow.
    Rename(String),
    /// `user_profile_ref PROFILE` of a user or group.
    Assign(String),
}

/// The field of a profile that is a word.
pub const ON_LIMIT: &str = "on_limit";
/// What it means.
pub const ON_LIMIT_HELP: &str = "what happens at the limit, instead of what the policy says";

/// Reads the value of `on_limit`.
///
/// # Errors
/// One line that names the field and what was expected.
pub fn on_limit(typed: &str) -> Result<OnLimit, String> {
    let found = OnLimit::WORDS.iter().find(|(word, _)| *word == typed);
    found.map(|(_, on_limit)| *on_limit).ok_or_else(|| {
        let words = OnLimit::WORDS.map(|(word, _)| word).join(", ");
        format!("{ON_LIMIT}: `{typed}`, expected one of: {words}")
    })
}

/// The one field of a user or a group.
pub const PROFILE_REF: &str = "user_profile_ref";
