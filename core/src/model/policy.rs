//! What the administrator wants: profiles, attachments, and the decision. Pure.

/// The profile of everybody who is not attached elsewhere.
pub const DEFAULT_PROFILE: &str = "Default-User-Account-Profile";
/// Its uuid where no file gives another.
pub const DEFAULT_PROFILE_UUID: &str = "useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4";

/// Services counted where the file does not say otherwise.
pub const DEFAULT_COUNTED_SERVICES: [&str; 7] =
    ["sshd", "sshd-*", "login", "remote", "cockpit", "shell", "shell-*"];
/// Groups whose members may use every command of `shell` where the file does not say otherwise.
pub const DEFAULT_ADMIN_GROUPS: [&str; 2] = ["sudo", "wheel"];

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

/// A `UserAccountProfile`. Only `max_concurrent_sessions` is enforced by the module.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

impl Profile {
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
        }
    }
}

/// A user or a group attached to a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Name of the user or group.
    pub name: String,
    /// Name of the profile.
    pub user_profile: String,
}

/// What happens to a login beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLimit {
    /// It is refused.
    Reject,
    /// The user is asked whether his sessions shall be cleared.
    Ask,
    /// As many of the oldest sessions as are in the way are ended.
    EvictOldest,
}

impl OnLimit {
    /// How the configuration and the module argument `on_limit=` spell them.
    pub const WORDS: [(&str, Self); 3] =
        [("reject", Self::Reject), ("ask", Self::Ask), ("evict-oldest", Self::EvictOldest)];
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

/// The `[policy]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// PAM services whose sessions count; a `*` at the end matches any rest.
    pub counted_services: Vec<String>,
    /// See [`OnLimit`].
    pub on_limit: OnLimit,
    /// See [`OnClear`].
    pub on_clear: OnClear,
    /// Groups whose members may use every command of `shell`.
    pub admin_groups: Vec<String>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            counted_services: DEFAULT_COUNTED_SERVICES.map(str::to_owned).to_vec(),
            on_limit: OnLimit::Reject,
            on_clear: OnClear::Terminate,
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

/// How a service uses PAM, where it differs from a plain login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// One user from the first phase to the last, one session of his own.
    Login,
    /// Switches the user inside somebody's login: its processes belong to that login.
    Switch,
    /// A switch whose account phase names the *invoking* user, not the target.
    SwitchJudgedAtOpen,
    /// A login of its own, opened from inside a login: it counts by itself, but of the processes
    /// around it only the opener belongs to it.
    Inner,
}

/// Returns how `service` uses PAM. The one place for callers that switch users.
///
/// su-l and sudo-i are the names these programs use for login shells.
#[must_use]
pub fn habit(service: &str) -> Habit {
    match service {
        "sudo" | "sudo-i" => Habit::SwitchJudgedAtOpen,
        "su" | "su-l" | "runuser" | "runuser-l" | "doas" | "systemd-run0" => Habit::Switch,
        // The administrator's command line: logind scope and audit session are those of the login
        // that it was started from.
        "shell" => Habit::Inner,
        other if other.starts_with("shell-") => Habit::Inner,
        _ => Habit::Login,
    }
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

    #[test]
    fn only_the_command_line_logs_in_inside_a_login() {
        for service in ["shell", "shell-clear-sessions"] {
            assert_eq!(habit(service), Habit::Inner);
        }
        for service in ["sshd", "sshd-clear-sessions", "login", "shellx"] {
            assert_eq!(habit(service), Habit::Login);
        }
    }

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
