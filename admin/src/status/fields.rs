//! Whether the fields of a profile beside the limit take effect: lockout, history and age of passwords.

use session_limit_core::config::Config;
use session_limit_core::model::profile::Profile;

use super::services::ServiceStacks;
use super::stack::{self, CREDENTIALS, Entry, MODULE, Phase};
use super::{Check, Findings, HostFiles};

const ENABLE: &str =
    "`pam-auth-update --enable session-limit-account session-limit-account-failures`";

/// The lines of one service.
struct Lines {
    preauth: bool,
    authfail: bool,
    credentials: bool,
    /// `pam_faillock` in a line of its own.
    faillock: bool,
}

impl Lines {
    fn of(host: &HostFiles, service: &ServiceStacks) -> Self {
        let auth = stack::read(host, &service.name, Phase::Auth).entries;
        let has = |word: &str| auth.iter().any(|entry| is_ours(entry, word));
        Self {
            preauth: has("preauth"),
            authfail: has("authfail"),
            credentials: service.account.entries.iter().any(|entry| is_ours(entry, CREDENTIALS)),
            faillock: auth.iter().any(|entry| entry.module() == Some("pam_faillock.so")),
        }
    }
}

fn is_ours(entry: &Entry, word: &str) -> bool {
    entry.module() == Some(MODULE) && entry.has_argument(word)
}

/// Says for which of the counted services the fields take effect.
pub fn check(host: &HostFiles, services: &[ServiceStacks], config: &Config) -> Check {
    let mut findings = Findings::default();
    let counted = services.iter().filter(|service| config.policy.counts(&service.name));
    let all: Vec<(&str, Lines)> =
        counted.map(|service| (service.name.as_str(), Lines::of(host, service))).collect();
    let named = |holds: &dyn Fn(&Lines) -> bool| {
        let names: Vec<&str> =
            all.iter().filter(|(_, lines)| holds(lines)).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let passwd = stack::read(host, "passwd", Phase::Password).entries;
    let history = passwd.iter().any(|entry| entry.module() == Some(MODULE));

    if let Some(names) = named(&|lines| lines.preauth && lines.authfail) {
        findings.ok(format!("failed logins lock accounts: {names}"));
    } else {
        findings.ok(format!("failed logins lock no account; {ENABLE} changes that"));
    }
    if let Some(names) = named(&|lines| lines.preauth && !lines.authfail) {
        findings.warning(format!("wrong passwords are not counted: {names}; run {ENABLE}"));
    }
    if let Some(names) = named(&|lines| lines.preauth && !lines.credentials) {
        findings.warning(format!(
            "the right password does not forget the wrong ones before it: {names}; add the account line \
             with `credentials`"
        ));
    }
    if let Some(names) = named(&|lines| lines.authfail && lines.faillock) {
        findings.warning(format!(
            "each failure counts twice: {names}; remove the lines of pam_faillock.so"
        ));
    }
    let sets = |field: fn(&Profile) -> u32| config.profiles.iter().any(|p| field(p) != 0);
    if sets(|profile| profile.max_password_history_count) && !history {
        findings.warning(format!("max_password_history_count has no effect: run {ENABLE}"));
    }
    if sets(|profile| profile.credentials_timeout_threshold)
        && named(&|lines| lines.credentials).is_none()
    {
        findings.warning(format!("credentials_timeout_threshold has no effect: run {ENABLE}"));
    }
    findings.into_check("fields", "profiles")
}
