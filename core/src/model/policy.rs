//! The `[policy]` table of the configuration.

use serde::{Deserialize, Serialize};

/// Services counted where the file does not say otherwise.
pub const DEFAULT_COUNTED_SERVICES: [&str; 9] = [
    "sshd",
    "sshd-*",
    "login",
    "remote",
    "cockpit",
    "shell",
    "shell-*",
    "session-limitd",
    "session-limitd-*",
];
/// Groups whose members may use every command of `shell` where the file does not say otherwise.
pub const DEFAULT_ADMIN_GROUPS: [&str; 2] = ["sudo", "wheel"];

/// What happens to a login beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnLimit {
    /// It is refused.
    Reject,
    /// The user is asked whether to clear their sessions.
    Ask,
    /// As many of the oldest sessions as are in the way are ended.
    EvictOldest,
    /// It is let in, and logged: to see what a limit would do.
    Log,
}

impl OnLimit {
    /// How the configuration and the module argument `on_limit=` spell them.
    pub const WORDS: [(&str, Self); 4] = [
        ("reject", Self::Reject),
        ("ask", Self::Ask),
        ("evict-oldest", Self::EvictOldest),
        ("log", Self::Log),
    ];

    /// Returns how it is spelt.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, one)| *one == self).map_or("", |(word, _)| word)
    }
}

/// What clearing does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnClear {
    /// Ends the processes and wipes the records.
    Terminate,
    /// Wipes the records only.
    Forget,
}

impl OnClear {
    /// How the configuration spells them.
    pub const WORDS: [(&str, Self); 2] = [("terminate", Self::Terminate), ("forget", Self::Forget)];
}

/// What a refused user is told after the warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Nothing.
    Nothing,
    /// How many sessions are in use, of how many.
    Count,
    /// Which sessions are in use, a line each.
    Sessions,
}

impl Tell {
    /// How the configuration spells them.
    pub const WORDS: [(&str, Self); 3] =
        [("nothing", Self::Nothing), ("count", Self::Count), ("sessions", Self::Sessions)];
}

/// The `[policy]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// PAM services whose sessions count; a `*` at the end matches any rest.
    pub counted_services: Vec<String>,
    /// See [`OnLimit`].
    pub on_limit: OnLimit,
    /// See [`OnClear`].
    pub on_clear: OnClear,
    /// See [`Tell`].
    pub tell: Tell,
    /// A line of the administrator's that a refused user reads last; printable.
    pub hint: Option<String>,
    /// Whether a user who takes the last slot is told.
    pub notice: bool,
    /// Groups whose members may use every command of `shell`.
    pub admin_groups: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            counted_services: DEFAULT_COUNTED_SERVICES.map(str::to_owned).to_vec(),
            on_limit: OnLimit::Reject,
            on_clear: OnClear::Terminate,
            tell: Tell::Nothing,
            hint: None,
            notice: false,
            admin_groups: DEFAULT_ADMIN_GROUPS.map(str::to_owned).to_vec(),
        }
    }
}

impl Policy {
    /// Returns whether sessions of `service` count.
    #[must_use]
    pub fn counts(&self, service: &str) -> bool {
        self.counted_services.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => service.starts_with(start),
            None => service == pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_the_end_matches_any_rest() {
        let policy = Policy::default();
        for service in ["sshd", "sshd-clear-sessions", "login", "shell", "shell-clear-sessions"] {
            assert!(policy.counts(service), "{service}");
        }
        for service in ["sshdx", "su", "sudo", "cron", "systemd-user", "logi", "xlogin", ""] {
            assert!(!policy.counts(service), "{service}");
        }
    }
}
