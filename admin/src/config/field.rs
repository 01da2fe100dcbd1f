//! The fields of a profile: their names, their order in tables, and how to reach their values.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use session_limit_core::model::profile::Profile;

/// A number of a profile that can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Field {
    /// Passwords; 0 = off.
    MaxPasswordHistoryCount,
    /// Attempts; 0 = unlimited.
    MaxLoginFailureCount,
    /// Minutes.
    AccountLockTimeout,
    /// Sessions; 0 = the check is off.
    MaxConcurrentSessions,
    /// Days; 0 = never.
    CredentialsTimeoutThreshold,
}

impl Field {
    /// All fields, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::MaxPasswordHistoryCount,
        Self::MaxLoginFailureCount,
        Self::AccountLockTimeout,
        Self::MaxConcurrentSessions,
        Self::CredentialsTimeoutThreshold,
    ];

    /// Returns the name, as typed and as in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxPasswordHistoryCount => "max_password_history_count",
            Self::MaxLoginFailureCount => "max_login_failure_count",
            Self::AccountLockTimeout => "account_lock_timeout",
            Self::MaxConcurrentSessions => "max_concurrent_sessions",
            Self::CredentialsTimeoutThreshold => "credentials_timeout_threshold",
        }
    }

    /// Returns what the field means, with its unit and its special value.
    #[must_use]
    pub const fn help(self) -> &'static str {
        match self {
            Self::MaxPasswordHistoryCount => "old passwords that may not be used again, 0 = off",
            Self::MaxLoginFailureCount => "failed logins that lock the account, 0 = unlimited",
            Self::AccountLockTimeout => "minutes a lock lasts, 0 = until unlocked",
            Self::MaxConcurrentSessions => "sessions a user may hold at once, 0 = no limit",
            Self::CredentialsTimeoutThreshold => "days until a password expires, 0 = never",
        }
    }

    /// Returns the field's value in `profile`, as it is shown.
    #[must_use]
    pub fn shown(self, profile: &Profile) -> String {
        self.of(profile).to_string()
    }

    /// Returns the field's value in `profile`.
    #[must_use]
    pub fn of(self, profile: &Profile) -> u32 {
        match self {
            Self::MaxPasswordHistoryCount => profile.max_password_history_count,
            Self::MaxLoginFailureCount => profile.max_login_failure_count,
            Self::AccountLockTimeout => profile.account_lock_timeout,
            Self::MaxConcurrentSessions => profile.max_concurrent_sessions,
            Self::CredentialsTimeoutThreshold => profile.credentials_timeout_threshold,
        }
    }

    /// Returns the place of the field's value in `profile`.
    pub fn of_mut(self, profile: &mut Profile) -> &mut u32 {
        match self {
            Self::MaxPasswordHistoryCount => &mut profile.max_password_history_count,
            Self::MaxLoginFailureCount => &mut profile.max_login_failure_count,
            Self::AccountLockTimeout => &mut profile.account_lock_timeout,
            Self::MaxConcurrentSessions => &mut profile.max_concurrent_sessions,
            Self::CredentialsTimeoutThreshold => &mut profile.credentials_timeout_threshold,
        }
    }

    /// Returns the value a profile has where nothing is configured.
    #[must_use]
    pub fn default_value(self) -> u32 {
        self.of(&Profile::built_in(""))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|field| field.name() == name).ok_or(())
    }
}

/// Reads a field's value as typed.
///
/// # Errors
/// One line that names the field and what was expected.
pub fn value(field: Field, typed: &str) -> Result<u32, String> {
    let digits = !typed.is_empty() && typed.bytes().all(|b| b.is_ascii_digit());
    match typed.parse() {
        Ok(value) if digits => Ok(value),
        _ => Err(format!("{field}: `{typed}`, expected a whole number from 0 to {}", u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_reached_by_its_name() {
        let mut profile = Profile::built_in("p");
        for (n, field) in (100..).zip(Field::ALL) {
            assert_eq!(field.name().parse(), Ok(field));
            *field.of_mut(&mut profile) = n;
        }
        assert_eq!(Field::ALL.map(|field| field.of(&profile)), [100, 101, 102, 103, 104]);
    }

    #[test]
    fn only_whole_numbers_of_32_bits_are_values() {
        let read = |typed| value(Field::MaxConcurrentSessions, typed);
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("4294967295"), Ok(u32::MAX));
        for bad in ["", "-1", "+1", "4294967296", "1.5", "0x5", "five", "५"] {
            let error = read(bad).unwrap_err();
            assert_eq!(
                error,
                format!(
                    "max_concurrent_sessions: `{bad}`, expected a whole number from 0 to 4294967295"
                )
            );
        }
    }
}
