//! What is known of users: profile, sessions, last login, failed logins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use session_limit_core::model::profile::Profile;
use session_limit_core::model::session::Origin;
use session_limit_core::store::last_login::LastLogin;

use crate::administration::{Administration, Found, user_named};
use crate::authorization::AccessScope;
use crate::error::AdminError;
use crate::lockout::{FailedLogins, Settings};
use crate::sessions::{SessionView, count, is_held};

/// A user with profile and sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UserOverview {
    /// The name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The profile that applies, where that is known.
    pub profile: Option<Profile>,
    /// The rows of the store.
    pub sessions: Vec<SessionView>,
    /// How many sessions other hosts of the fleet have.
    pub sessions_elsewhere: usize,
    /// The last login that was kept.
    pub kept: Option<LastLogin>,
    /// Wrong passwords, and whether they lock the account.
    pub failed: FailedLogins,
}

impl UserOverview {
    /// Returns how many sessions are open, on all hosts of the fleet.
    #[must_use]
    pub fn concurrent_sessions(&self) -> usize {
        count(&self.sessions) + self.sessions_elsewhere
    }

    /// Returns time and origin of the last login: the one that was kept, or the newest session, for
    /// those that were opened when nothing could be kept.
    #[must_use]
    pub fn last_login(&self) -> Option<(i64, &Origin)> {
        let held = self.sessions.iter().filter(|seen| is_held(seen));
        let newest = held.map(|seen| (seen.session.since, &seen.session.origin));
        newest
            .chain(self.kept.iter().map(|kept| (kept.time, &kept.origin)))
            .max_by_key(|last| last.0)
    }
}

impl Administration {
    /// Returns what is known of one user.
    ///
    /// # Errors
    /// When there is no such user, or the acting user may not see it.
    pub fn overview(&self, name: &str) -> Result<Found<UserOverview>, AdminError> {
        let known = self.known()?;
        let user = self.visible_user(&known.config, name)?;
        let profile = known.profile_of(&user)?;
        let sessions = self.sessions.seen(Some(user.uid))?;
        let name = user.name.to_string_lossy().into_owned();
        // An id may be given to another user in the course of time.
        let kept = self.sessions.last_login(user.uid)?.filter(|kept| kept.user == name);
        let failed = Settings::read().failed_logins(&user, profile.as_ref());
        let (elsewhere, warning) = self.counted_elsewhere(&known.config, Some(user.uid));
        let overview = UserOverview {
            name,
            uid: user.uid,
            profile,
            sessions,
            sessions_elsewhere: elsewhere.len(),
            kept,
            failed,
        };
        Ok(Found { warnings: warning.into_iter().collect(), ..known.found(overview) })
    }

    /// Returns what is known of all users who hold sessions or held some, for those who may see it;
    /// others get themselves.
    ///
    /// # Errors
    /// When the store or the name services fail.
    pub fn overviews(&self) -> Result<Found<Vec<UserOverview>>, AdminError> {
        let known = self.known()?;
        if self.reach(&known.config)? != AccessScope::All {
            let own = self.overview(&self.own_name())?;
            let Found { value, mistake, warnings } = own;
            return Ok(Found { value: vec![value], mistake, warnings });
        }
        // The sessions of this host, and how many there are on others.
        let mut by_user: BTreeMap<(u32, String), (Vec<SessionView>, usize)> = BTreeMap::new();
        for seen in self.sessions.seen(None)? {
            let user = (seen.session.uid, seen.session.user.clone());
            by_user.entry(user).or_default().0.push(seen);
        }
        let (elsewhere, warning) = self.counted_elsewhere(&known.config, None);
        for session in elsewhere {
            by_user.entry((session.uid, session.user)).or_default().1 += 1;
        }
        let mut kept: BTreeMap<(u32, String), LastLogin> = self
            .sessions
            .last_logins()?
            .into_iter()
            .map(|login| ((login.uid, login.user.clone()), login))
            .collect();
        for user in kept.keys() {
            by_user.entry(user.clone()).or_default();
        }
        let settings = Settings::read();
        for user in settings.users_with_failures() {
            let name = user.name.to_string_lossy().into_owned();
            by_user.entry((user.uid, name)).or_default();
        }
        let mut all = Vec::new();
        for ((uid, name), (sessions, sessions_elsewhere)) in by_user {
            let account = user_named(&name).ok().filter(|user| user.uid == uid);
            let profile = match &account {
                Some(user) => known.profile_of(user)?,
                // The account may be gone while its sessions last; then there is nothing else to tell.
                None if sessions.is_empty() && sessions_elsewhere == 0 => continue,
                None => None,
            };
            let kept = kept.remove(&(uid, name.clone()));
            let failed = account
                .map(|user| settings.failed_logins(&user, profile.as_ref()))
                .unwrap_or_default();
            all.push(UserOverview {
                name,
                uid,
                profile,
                sessions,
                sessions_elsewhere,
                kept,
                failed,
            });
        }
        Ok(Found { warnings: warning.into_iter().collect(), ..known.found(all) })
    }
}
