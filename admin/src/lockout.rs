//! Failed logins, as pam_faillock has recorded them, and what locks an account.
//!
//! The tally is read here, and reset by the `faillock` command of Linux-PAM, which locks the file and writes
//! the audit record.
#![forbid(unsafe_code)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use session_limit_core::model::profile::Profile;
use session_limit_core::system::users::User;
use session_limit_core::system::{self, clock};

use crate::administration::{Administration, Found, user_named};
use crate::authorization::Permission;
use crate::error::{AdminError, AdminErrorKind};

const SETTINGS: &str = "/etc/security/faillock.conf";
const COMMANDS: [&str; 2] = ["/usr/sbin/faillock", "/sbin/faillock"];
/// Bytes of one failure: source (52), two reserved, status (16 bits), time in seconds (64 bits), in the byte
/// order of the host (faillock.h of Linux-PAM).
const RECORD: usize = 64;
/// The bit of the status that says that the failure counts.
const VALID: u16 = 1;

/// Whether an account is locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lock {
    /// It is not.
    #[default]
    None,
    /// Until this time, in seconds since the epoch.
    Until(i64),
    /// Until an administrator unlocks it.
    UntilUnlocked,
}

/// The failed logins of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedLogins {
    /// How many count.
    pub count: usize,
    /// Whether they lock the account.
    pub lock: Lock,
}

impl FailedLogins {
    /// Returns whether they lock the account now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.lock != Lock::None
    }

    /// Returns until when, in seconds since the epoch; nothing where there is no lock, or no end of it.
    #[must_use]
    pub fn locked_until(&self) -> Option<i64> {
        match self.lock {
            Lock::Until(time) => Some(time),
            Lock::None | Lock::UntilUnlocked => None,
        }
    }
}

/// Where the tallies of the host are and how they count, as faillock.conf(5) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    directory: PathBuf,
    /// Seconds within which failures add up.
    interval: i64,
    locks_root: bool,
    /// Seconds, for root; 0 = until unlocked.
    root_unlock: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/run/faillock"),
            interval: 900,
            locks_root: false,
            root_unlock: None,
        }
    }
}

impl Settings {
    fn of(text: &str) -> Self {
        let mut settings = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let value = value.trim();
            match name.trim() {
                "dir" if value.starts_with('/') => settings.directory = PathBuf::from(value),
                "fail_interval" => settings.interval = value.parse().unwrap_or(settings.interval),
                "even_deny_root" => settings.locks_root = true,
                "root_unlock_time" if value == "never" => settings.root_unlock = Some(0),
                "root_unlock_time" => settings.root_unlock = value.parse().ok(),
                _ => {}
            }
        }
        settings
    }

    /// Reads them; the defaults where there is no file.
    #[must_use]
    pub fn read() -> Self {
        std::fs::read_to_string(SETTINGS).map_or_else(|_| Self::default(), |text| Self::of(&text))
    }

    /// Returns the failed logins of a user; none of them where no tally can be read.
    #[must_use]
    pub fn failed_logins(&self, user: &User, profile: Option<&Profile>) -> FailedLogins {
        let tally = user
            .name
            .to_str()
            .ok()
            .filter(|name| !name.contains('/'))
            .and_then(|name| std::fs::read(self.directory.join(name)).ok())
            .unwrap_or_default();
        assessed(&times(&tally), self, user.uid == 0, profile, clock::epoch_seconds())
    }

    /// Returns the users of the host who have failed logins that count.
    #[must_use]
    pub fn users_with_failures(&self) -> Vec<User> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let names = entries.filter(|entry| {
            std::fs::read(entry.path()).is_ok_and(|tally| !times(&tally).is_empty())
        });
        names.filter_map(|entry| user_named(entry.file_name().to_str()?).ok()).collect()
    }
}

/// Returns the times of the failures that count.
fn times(tally: &[u8]) -> Vec<i64> {
    let word = |record: &[u8]| {
        let status = u16::from_ne_bytes(record.get(54..56)?.try_into().ok()?);
        let time = i64::from_ne_bytes(record.get(56..64)?.try_into().ok()?);
        (status & VALID != 0).then_some(time)
    };
    tally.chunks_exact(RECORD).filter_map(word).collect()
}

/// Decides as pam_faillock does when the user logs in next.
fn assessed(
    times: &[i64],
    settings: &Settings,
    is_root: bool,
    profile: Option<&Profile>,
    now: i64,
) -> FailedLogins {
    let latest = times.iter().copied().max().unwrap_or(0);
    let count =
        times.iter().filter(|&&time| latest.saturating_sub(time) < settings.interval).count();
    let none = FailedLogins { count, lock: Lock::None };
    let Some(profile) = profile.filter(|profile| profile.failures_that_lock() != 0) else {
        return none;
    };
    let most = usize::try_from(profile.failures_that_lock());
    if most.is_ok_and(|most| count < most) || (is_root && !settings.locks_root) {
        return none;
    }
    let of_profile = i64::from(profile.lock_seconds());
    let seconds = settings.root_unlock.filter(|_| is_root).unwrap_or(of_profile);
    let until = latest.saturating_add(seconds);
    let lock = match seconds {
        0 => Lock::UntilUnlocked,
        _ if until < now => Lock::None,
        _ => Lock::Until(until),
    };
    FailedLogins { count, lock }
}

impl Administration {
    /// Forgets the failed logins of a user, and so unlocks the account; returns how many there were.
    ///
    /// # Errors
    /// When there is no such user, the acting user may not, or the command of Linux-PAM fails.
    pub fn unlock(&self, name: &str) -> Result<Found<usize>, AdminError> {
        let known = self.known()?;
        self.reach(&known.config)?.check(Permission::Unlock)?;
        let user = self.visible_user(&known.config, name)?;
        let before = Settings::read().failed_logins(&user, None).count;
        reset(&user)?;
        self.log("unlock", &format!("{before} failed logins of {name:?} forgotten"));
        Ok(known.found(before))
    }
}

fn reset(user: &User) -> Result<(), AdminError> {
    let failed = |reason: String| AdminError::new(AdminErrorKind::Io, reason);
    let command = COMMANDS.iter().find(|path| Path::new(path).exists());
    let Some(command) = command else {
        return Err(failed(
            "the command faillock is missing, expected that of Linux-PAM".to_owned(),
        ));
    };
    let name = user.name.to_string_lossy();
    let run = || -> io::Result<_> {
        Command::new(command)
            .args(["--user", &name, "--reset"])
            .env_clear()
            .stdin(Stdio::null())
            .output()
    };
    let output =
        run().map_err(|error| failed(format!("{command}: {}", system::error_text(&error))))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next().unwrap_or("no reason given");
    Err(failed(format!("{command}: {}: {line}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(count: u32, minutes: u32) -> Profile {
        Profile {
            max_login_failure_count: count,
            account_lock_timeout: minutes,
            ..Profile::built_in("p")
        }
    }

    fn lock(times: &[i64], count: u32, minutes: u32, now: i64) -> FailedLogins {
        assessed(times, &Settings::default(), false, Some(&profile(count, minutes)), now)
    }

    #[test]
    fn an_account_is_locked_from_its_last_failure_for_the_profiles_time() {
        let times = [1000, 1010, 1020];
        let found = |count, lock| FailedLogins { count, lock };
        assert_eq!(lock(&times, 4, 1, 1030), found(3, Lock::None));
        assert_eq!(lock(&times, 3, 1, 1030), found(3, Lock::Until(1080)));
        assert_eq!(lock(&times, 3, 1, 1080), found(3, Lock::Until(1080)));
        assert_eq!(lock(&times, 3, 1, 1081), found(3, Lock::None));
        assert_eq!(lock(&times, 3, 0, 1_000_000), found(3, Lock::UntilUnlocked));
        assert_eq!(lock(&times, 0, 1, 1030), found(3, Lock::None));
        assert_eq!(lock(&[], 1, 1, 1030), found(0, Lock::None));
        assert_eq!(lock(&[1000], 1, u32::MAX, 1030), found(1, Lock::Until(1000 + 604_800)));
        assert_eq!(lock(&[1, 1000], 2, 1, 1030), found(1, Lock::None), "15 minutes apart");
    }

    #[test]
    fn root_is_locked_only_where_faillock_is_told_so() {
        let p = profile(1, 10);
        let lock_of = |settings: &Settings| assessed(&[1000], settings, true, Some(&p), 1001).lock;
        assert_eq!(lock_of(&Settings::default()), Lock::None);
        assert_eq!(lock_of(&Settings::of("even_deny_root\n")), Lock::Until(1600));
        let text = "even_deny_root\nroot_unlock_time = 60 # s\n";
        assert_eq!(lock_of(&Settings::of(text)), Lock::Until(1060));
    }

    #[test]
    fn the_settings_are_read_as_faillock_conf_writes_them() {
        let read =
            Settings::of("# dir = /no\n dir = /var/lib/faillock\nfail_interval=60\ndeny = 9\n");
        assert_eq!(read.directory, Path::new("/var/lib/faillock"));
        assert_eq!((read.interval, read.locks_root), (60, false));
        assert_eq!(Settings::of("fail_interval = x\ndir = y\n"), Settings::default());
    }

    #[test]
    fn only_failures_that_count_are_read() {
        let record = |status: u16, time: i64| {
            let mut record = [b'x'; RECORD];
            record[54..56].copy_from_slice(&status.to_ne_bytes());
            record[56..].copy_from_slice(&time.to_ne_bytes());
            record
        };
        let mut tally = [record(3, 5), record(2, 6), record(1, 7)].concat();
        assert_eq!(times(&tally), [5, 7]);
        tally.truncate(100);
        assert_eq!(times(&tally), [5]);
    }
}
