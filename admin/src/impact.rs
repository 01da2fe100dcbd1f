//! What a limit means for the users who are logged in: whom it would refuse, or does.

use std::collections::BTreeMap;
use std::ffi::CString;

use serde::{Deserialize, Serialize};
use session_limit_core::config::Config;
use session_limit_core::config::assignment::{self, AssignedProfile, AssignmentSource};
use session_limit_core::system;
use session_limit_core::system::users::User;

use crate::administration::{Administration, absent};
use crate::authorization::Permission;
use crate::config::object::ObjectKind;
use crate::error::{AdminError, AdminErrorKind};
use crate::fleet::FleetSession;
use crate::history;
use crate::sessions::{SessionView, takes_slot};

/// A user who holds more sessions than a limit allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAboveLimit {
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// The limit.
    pub limit: u32,
    /// The sessions and reservations that take a slot.
    pub sessions: usize,
    /// How many of them are too many.
    pub above_by: usize,
}

/// How many sessions and reservations that take a slot each user has, by name and id.
pub type SlotsInUse = BTreeMap<(String, u32), usize>;

/// Counts the slots in use: those of this host, and the sessions of the other hosts of a fleet.
#[must_use]
pub fn slots_in_use(sessions: &[SessionView], elsewhere: &[FleetSession]) -> SlotsInUse {
    let here = sessions.iter().filter(|seen| takes_slot(seen));
    let here = here.map(|seen| (seen.session.user.clone(), seen.session.uid));
    let elsewhere = elsewhere.iter().map(|session| (session.user.clone(), session.uid));
    let mut in_use = SlotsInUse::new();
    for user in here.chain(elsewhere) {
        *in_use.entry(user).or_default() += 1;
    }
    in_use
}

/// Counts the slots in use now; says why those of other hosts are not counted, if they are not.
///
/// # Errors
/// When the store or `/proc` cannot be used.
pub(crate) fn slots_in_use_now(
    admin: &Administration,
    config: &Config,
) -> Result<(SlotsInUse, Option<String>), AdminError> {
    let (elsewhere, warning) = admin.counted_elsewhere(config, None);
    Ok((slots_in_use(&admin.sessions.seen(None)?, &elsewhere), warning))
}

/// Returns the users of the profile called `name` who are above `limit` now, by name; 0 is no limit.
///
/// # Errors
/// When the name services fail.
pub fn of_limit(
    config: &Config,
    in_use: &SlotsInUse,
    name: &str,
    limit: u32,
) -> Result<Vec<UserAboveLimit>, AdminError> {
    above(config, in_use, |assigned| (assigned.profile.name == name).then_some(limit))
}

/// What a wished limit means for a user of the profile: now, and for the logins of the last days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckedUser {
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// The limit.
    pub limit: u32,
    /// The sessions and reservations that take a slot now.
    pub sessions: usize,
    /// How many of them are too many.
    pub above_by: usize,
    /// Logins of the last days that the limit would have refused, at least.
    pub recent_refusals: i64,
}

/// What a wished limit means for the users of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitCheck {
    /// Those whom it refuses something, now or in the last days, by name.
    pub users: Vec<CheckedUser>,
    /// When the oldest sample of the last days was taken, in seconds since the epoch; nothing where there is none.
    pub sampled_since: Option<i64>,
    /// Why the sessions on other hosts of the fleet are not counted; absent where they are, and without a fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Says what a limit of the profile called `name` would mean. 0 is no limit.
///
/// # Errors
/// When there is no such profile, the acting user may not configure it, or the store, the history or the name
/// services fail.
pub fn check(admin: &Administration, name: &str, limit: u32) -> Result<LimitCheck, AdminError> {
    let config = admin.read()?;
    admin.reach(&config)?.check(Permission::Configure)?;
    config.profile(name).ok_or_else(|| absent(ObjectKind::Profile, name))?;
    let (in_use, warning) = slots_in_use_now(admin, &config)?;
    let now = of_limit(&config, &in_use, name, limit)?;
    let recent = history::recent(admin, limit)?;
    let mut users: Vec<CheckedUser> = now
        .into_iter()
        .map(|above| CheckedUser {
            recent_refusals: recent.refused.get(&above.uid).copied().unwrap_or(0),
            user: above.user,
            uid: above.uid,
            limit,
            sessions: above.sessions,
            above_by: above.above_by,
        })
        .collect();
    for (&uid, &recent_refusals) in &recent.refused {
        if users.iter().any(|user| user.uid == uid) {
            continue;
        }
        let failed = |error| AdminError::new(AdminErrorKind::Io, system::error_text(&error));
        let Some(user) = User::with_uid(uid).map_err(failed)? else { continue };
        let assigned = assignment::profile_for(&config, &user).map_err(failed)?;
        if assigned.profile.name == name {
            let user = user.name.to_string_lossy().into_owned();
            let sessions = in_use.get(&(user.clone(), uid)).copied().unwrap_or(0);
            users.push(CheckedUser { user, uid, limit, sessions, above_by: 0, recent_refusals });
        }
    }
    users.sort_by(|a, b| a.user.cmp(&b.user));
    Ok(LimitCheck { users, sampled_since: recent.sampled_since, warning })
}

/// Returns the users for whom an object of the configuration sets a limit that they are above now, by name.
///
/// # Errors
/// When the name services fail.
pub fn of_object(
    config: &Config,
    in_use: &SlotsInUse,
    kind: ObjectKind,
    name: &str,
) -> Result<Vec<UserAboveLimit>, AdminError> {
    let is_set_by = |user: &str, assigned: &AssignedProfile| match kind {
        ObjectKind::Profile => assigned.profile.name == name,
        ObjectKind::User => assigned.source == AssignmentSource::User && user == name,
        ObjectKind::Group => assigned.source == AssignmentSource::Group(name.to_owned()),
    };
    let above = above(config, in_use, |assigned| Some(assigned.profile.max_concurrent_sessions))?;
    let mut of_object = Vec::new();
    for user in above {
        if let Some((name, assigned)) = profile_of(config, &user.user, user.uid)? {
            if is_set_by(&name, &assigned) {
                of_object.push(user);
            }
        }
    }
    Ok(of_object)
}

fn above(
    config: &Config,
    in_use: &SlotsInUse,
    limit_of: impl Fn(&AssignedProfile) -> Option<u32>,
) -> Result<Vec<UserAboveLimit>, AdminError> {
    let mut above = Vec::new();
    for (&(ref name, uid), &sessions) in in_use {
        let Some((name, assigned)) = profile_of(config, name, uid)? else { continue };
        let limit = limit_of(&assigned).filter(|&limit| limit > 0);
        let slots = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        if let (Some(limit), 1..) = (limit, sessions.saturating_sub(slots)) {
            let above_by = sessions - slots;
            above.push(UserAboveLimit { user: name, uid, limit, sessions, above_by });
        }
    }
    Ok(above)
}

/// Returns the name of a user who has sessions, and the profile that holds; nothing where the account is gone.
fn profile_of(
    config: &Config,
    name: &str,
    uid: u32,
) -> Result<Option<(String, AssignedProfile)>, AdminError> {
    let failed = |what: &str, error: std::io::Error| {
        let reason = system::error_text(&error);
        AdminError::new(
            AdminErrorKind::Io,
            format!("{what} `{name}` cannot be looked up: {reason}"),
        )
    };
    let Ok(typed) = CString::new(name) else { return Ok(None) };
    let user = User::named(&typed).map_err(|error| failed("user", error))?;
    let Some(user) = user.filter(|user| user.uid == uid) else { return Ok(None) };
    let assigned =
        assignment::profile_for(config, &user).map_err(|error| failed("groups of", error))?;
    Ok(Some((user.name.to_string_lossy().into_owned(), assigned)))
}

#[cfg(test)]
mod tests {
    use session_limit_core::model::session::{Leader, Origin, Session, SessionState};

    use super::*;
    use crate::sessions::SessionStatus;

    /// A session of a user that every host has.
    fn session(user: &str, uid: u32, status: SessionStatus) -> SessionView {
        let leader = Leader { pid: 1, start_time: 1, pid_ns: 1, boot_id: String::new() };
        let session = Session {
            id: 1,
            uid,
            user: user.to_owned(),
            origin: Origin::default(),
            leader,
            process_session: 1,
            audit_session: None,
            state: SessionState::Open,
            over_limit: false,
            since: 0,
        };
        SessionView { session, status }
    }

    fn sessions() -> Vec<SessionView> {
        let mut all = vec![session("root", 0, SessionStatus::Open); 3];
        all.push(session("root", 0, SessionStatus::Stale));
        all.push(session("daemon", 1, SessionStatus::Open));
        all.push(session("daemon", 1, SessionStatus::Elsewhere));
        all.extend(vec![session("no-such-user", 4711, SessionStatus::Open); 9]);
        all.extend(vec![session("daemon", 4711, SessionStatus::Open); 9]);
        all
    }

    fn config(root_limit: u32) -> Config {
        Config::parse(&format!(
            "[[useraccountprofile]]\nname = \"C\"\nmax_concurrent_sessions = {root_limit}\n\
             [[user]]\nusername = \"root\"\nuser_profile = \"C\"\n\
             [[group]]\nname = \"daemon\"\nuser_profile = \"C\"\n"
        ))
        .unwrap()
    }

    fn row(user: &str, uid: u32, limit: u32, sessions: usize, above_by: usize) -> UserAboveLimit {
        UserAboveLimit { user: user.to_owned(), uid, limit, sessions, above_by }
    }

    #[test]
    fn living_sessions_of_the_profiles_users_are_counted() {
        let of = |name, limit| {
            of_limit(&config(0), &slots_in_use(&sessions(), &[]), name, limit).unwrap()
        };
        assert_eq!(of("C", 1), [row("daemon", 1, 1, 2, 1), row("root", 0, 1, 3, 2)]);
        assert_eq!(of("C", 2), [row("root", 0, 2, 3, 1)]);
        assert_eq!(of("C", 3), []);
        assert_eq!(of("C", 0), [], "no limit");
        assert_eq!(of("Default-User-Account-Profile", 1), []);
    }

    #[test]
    fn sessions_of_other_hosts_take_slots_as_well() {
        let elsewhere = FleetSession {
            host: "web2".to_owned(),
            id: 1,
            uid: 1,
            user: "daemon".to_owned(),
            service: "sshd".to_owned(),
            tty: None,
            rhost: None,
            since: 0,
        };
        let in_use = slots_in_use(&sessions(), &[elsewhere]);
        let found = of_limit(&config(0), &in_use, "C", 2).unwrap();
        assert_eq!(found, [row("daemon", 1, 2, 3, 1), row("root", 0, 2, 3, 1)]);
    }

    #[test]
    fn an_object_answers_for_the_users_it_holds_for() {
        let of = |kind, name| {
            of_object(&config(1), &slots_in_use(&sessions(), &[]), kind, name).unwrap()
        };
        let (root, daemon) = (row("root", 0, 1, 3, 2), row("daemon", 1, 1, 2, 1));
        assert_eq!(of(ObjectKind::Profile, "C"), [daemon.clone(), root.clone()]);
        assert_eq!(of(ObjectKind::User, "root"), [root]);
        assert_eq!(of(ObjectKind::Group, "daemon"), [daemon]);
        assert_eq!(of(ObjectKind::User, "daemon"), [], "its group's entry holds");
    }
}
