//! Profiles, who they are assigned to, and the limit.

use super::policy::OnLimit;
use serde::{Deserialize, Serialize};

/// The profile of every user who is not assigned another one.
pub const DEFAULT_PROFILE: &str = "Default-User-Account-Profile";
/// Its uuid where no file gives another.
pub const DEFAULT_PROFILE_UUID: &str = "useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4";

/// How many sessions a user may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `max_concurrent_sessions = 0`: the check is off.
    Off,
    /// At most this many; never 0.
    AtMost(u32),
}

impl Limit {
    /// Returns the number as profiles give it: 0 = off.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::AtMost(most) => most,
        }
    }
}

impl From<u32> for Limit {
    fn from(max_concurrent_sessions: u32) -> Self {
        match max_concurrent_sessions {
            0 => Self::Off,
            n => Self::AtMost(n),
        }
    }
}

/// Whether one more session fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It does.
    Permit,
    /// The limit has been reached.
    Deny,
}

/// Decides whether one more session fits beside `held` others: "has been reached" refuses.
pub fn decide(limit: Limit, held: usize) -> Decision {
    match limit {
        Limit::Off => Decision::Permit,
        Limit::AtMost(most) if u32::try_from(held).is_ok_and(|held| held < most) => {
            Decision::Permit
        }
        Limit::AtMost(_) => Decision::Deny,
    }
}

/// pam_faillock keeps no more failures than that: a larger number would never lock.
const MOST_FAILURES: u32 = 1024;
/// Minutes of the longest lock that pam_faillock knows: seven days.
const LONGEST_LOCK: u32 = 7 * 24 * 60;

/// A `UserAccountProfile`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// `useraccountprofile-` and a UUID; absent until something writes it.
    pub uuid: Option<String>,
    /// Unique name.
    pub name: String,
    /// Passwords; 0 = off.
    pub max_password_history_count: u32,
    /// Attempts; 0 = unlimited.
    pub max_login_failure_count: u32,
    /// Minutes.
    pub account_lock_timeout: u32,
    /// Sessions; 0 = the check is off.
    pub max_concurrent_sessions: u32,
    /// Days; 0 = never.
    pub credentials_timeout_threshold: u32,
    /// What happens to a login beyond the limit, where it is not what the policy says.
    pub on_limit: Option<OnLimit>,
}

impl Profile {
    /// Returns how many failures lock the account, as pam_faillock takes the number; 0 = none do.
    #[must_use]
    pub fn failures_that_lock(&self) -> u32 {
        self.max_login_failure_count.min(MOST_FAILURES)
    }

    /// Returns how many seconds a lock lasts, as pam_faillock takes the number; 0 = until it is removed.
    #[must_use]
    pub fn lock_seconds(&self) -> u32 {
        self.account_lock_timeout.min(LONGEST_LOCK) * 60
    }

    /// Returns the built-in profile, under `name`: its values are the defaults of every other one.
    #[must_use]
    pub fn built_in(name: &str) -> Self {
        Self {
            uuid: (name == DEFAULT_PROFILE).then(|| DEFAULT_PROFILE_UUID.to_owned()),
            name: name.to_owned(),
            max_password_history_count: 0,
            max_login_failure_count: 20,
            account_lock_timeout: 30,
            max_concurrent_sessions: 0,
            credentials_timeout_threshold: 0,
            on_limit: None,
        }
    }
}

/// A user or a group assigned to a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileAssignment {
    /// Name of the user or group.
    pub name: String,
    /// Name of the profile.
    pub user_profile: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_has_been_reached_refuses() {
        assert_eq!(decide(Limit::from(2), 1), Decision::Permit);
        assert_eq!(decide(Limit::from(2), 2), Decision::Deny);
        assert_eq!(decide(Limit::from(2), 3), Decision::Deny);
        assert_eq!(decide(Limit::from(0), 1_000_000), Decision::Permit);
        assert_eq!(decide(Limit::from(u32::MAX), usize::MAX), Decision::Deny);
    }
}
