//! What the pages of the console show beside the objects: sessions with what their users hold, users at their
//! limit, and whether anything has changed.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_limit_core::model::session::Session;
use session_limit_core::process::table::{Process, all_processes};
use session_limit_core::process::terminal;
use session_limit_core::process::{HostIdentity, Liveness};
use session_limit_core::system::clock;

use super::fleet::{FleetSession, on_other, on_self};
use super::shown;
use crate::administration::{Administration, Found, Known, profile_of, user_named};
use crate::api::ListQuery;
use crate::api::objects::UserActivity;
use crate::error::AdminError;
use crate::fleet::{self, Elsewhere};
use crate::sessions::{SessionView, is_held};
use crate::user_overview::UserOverview;

/// With more sessions than these, no look is taken at all processes: idle times are left out.
const MAX_WITH_IDLE: usize = 1_000;

/// A session, and what its user holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The session; its host is empty where this host is in no fleet.
    #[serde(flatten)]
    pub session: FleetSession,
    /// Seconds since something was typed, where the session has a terminal.
    pub idle: Option<u64>,
    /// Whether the limit would have refused it, had `on_limit` not been `log`.
    pub over_limit: bool,
    /// Open sessions of the user, those on other hosts included.
    pub user_sessions: usize,
    /// The user's limit; absent where it is not known.
    pub user_limit: Option<u32>,
}

/// One page of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage {
    /// Whether the sessions are those of all hosts of a fleet.
    pub is_of_fleet: bool,
    /// Why those of other hosts are missing, where they should be there.
    pub warning: Option<String>,
    /// Sessions on all pages.
    pub count: usize,
    /// Users who hold them.
    pub users: usize,
    /// The sessions.
    pub results: Vec<SessionRow>,
}

/// One page of the users who can open no further session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLimitPage {
    /// Users on all pages.
    pub count: usize,
    /// The users; those who are above their limit first.
    pub results: Vec<UserActivity>,
    /// What could not be counted, a line each.
    pub warnings: Vec<String>,
}

/// A session as it is searched and sorted.
struct Listed<'a> {
    host: &'a str,
    id: i64,
    uid: u32,
    user: &'a str,
    service: &'a str,
    tty: Option<&'a str>,
    rhost: Option<&'a str>,
    since: i64,
    /// The session itself where it is on another host.
    elsewhere: Option<&'a fleet::FleetSession>,
}

impl<'a> Listed<'a> {
    fn here(session: &'a Session, host: &'a str) -> Self {
        Self {
            host,
            id: session.id,
            uid: session.uid,
            user: &session.user,
            service: &session.origin.service,
            tty: session.origin.tty.as_deref(),
            rhost: session.origin.rhost.as_deref(),
            since: session.since,
            elsewhere: None,
        }
    }

    fn elsewhere(session: &'a fleet::FleetSession) -> Self {
        Self {
            host: &session.host,
            id: session.id,
            uid: session.uid,
            user: &session.user,
            service: &session.service,
            tty: session.tty.as_deref(),
            rhost: session.rhost.as_deref(),
            since: session.since,
            elsewhere: Some(session),
        }
    }
}

/// Returns a page of the sessions of a user, or of all whom the acting user may see, on all hosts of the fleet where
/// there is one; `query.name` is any part of a user, host, service, terminal or address.
///
/// # Errors
/// When the store or the name services fail, or a parameter is not valid.
pub fn sessions(
    admin: &Administration,
    query: &ListQuery,
    user: Option<&str>,
) -> Result<Value, AdminError> {
    let (page, size) = query.page()?;
    let all = admin.rows_of(user)?.value;
    let with_idle = all.len() <= MAX_WITH_IDLE;
    let part = query.name.as_deref().map(str::to_lowercase).filter(|part| !part.is_empty());
    let (fleet, warning) = match admin.fleet_sessions(user) {
        Ok(fleet) => (fleet, None),
        Err(error) => (None, Some(error.message)),
    };
    let is_of_fleet = fleet.is_some();
    let Elsewhere { own_host, sessions: others } = fleet.unwrap_or_default();
    let listed = all.iter().map(|row| Listed::here(row, &own_host));
    let mut rows: Vec<Listed> = listed
        .chain(others.iter().map(Listed::elsewhere))
        .filter(|row| part.as_ref().is_none_or(|part| has(row, part)))
        .collect();
    sort(&mut rows, query.sort.as_deref())?;
    let (count, users) = (rows.len(), rows.iter().map(|row| row.uid).collect::<HashSet<_>>().len());
    let shown: Vec<Listed> =
        rows.into_iter().skip((page - 1).saturating_mul(size)).take(size).collect();
    // Only the users of this page are looked at: a look at a process for each of their sessions.
    let uids: HashSet<u32> = shown.iter().map(|row| row.uid).collect();
    let of_users = all.iter().filter(|row| uids.contains(&row.uid)).cloned().collect();
    let seen: HashMap<i64, SessionView> =
        admin.sessions.look(of_users)?.into_iter().map(|seen| (seen.session.id, seen)).collect();
    let mut held: HashMap<u32, usize> = HashMap::new();
    let here = seen.values().filter(|seen| is_held(seen)).map(|seen| seen.session.uid);
    for uid in here.chain(others.iter().map(|session| session.uid)) {
        *held.entry(uid).or_default() += 1;
    }
    let processes = if with_idle { all_processes() } else { Vec::new() };
    let host = HostIdentity::current().ok();
    let known = admin.known()?;
    let mut limits: HashMap<u32, Option<u32>> = HashMap::new();
    let results = shown.iter().filter_map(|row| {
        let (session, here) = match row.elsewhere {
            Some(session) => (on_other(session), None),
            None => {
                // Without one the session is over since the rows were read.
                let seen = seen.get(&row.id)?;
                (on_self(admin, seen, &own_host), Some(&seen.session))
            }
        };
        let idle = host.as_ref().zip(here);
        let limit = limits.entry(row.uid).or_insert_with(|| limit_of(&known, row.user, row.uid));
        Some(SessionRow {
            session,
            idle: idle.and_then(|(host, session)| self::idle(session, host, &processes)),
            over_limit: here.is_some_and(|session| session.over_limit),
            user_sessions: held.get(&row.uid).copied().unwrap_or(0),
            user_limit: *limit,
        })
    });
    let results = results.collect();
    shown::value(SessionPage { is_of_fleet, warning, count, users, results })
}

/// Returns a page of the users who can open no further session.
///
/// # Errors
/// When the store or the name services fail.
pub fn users_at_limit(admin: &Administration, query: &ListQuery) -> Result<Value, AdminError> {
    let (page, size) = query.page()?;
    let Found { value: mut users, warnings, .. } = admin.overviews()?;
    users.retain(|user| free_slots(user).is_some_and(|free| free <= 0));
    users.sort_by(|a, b| free_slots(a).cmp(&free_slots(b)).then_with(|| a.name.cmp(&b.name)));
    let count = users.len();
    let shown = users.iter().skip((page - 1).saturating_mul(size)).take(size);
    let results = shown.map(shown::activity).collect();
    shown::value(AtLimitPage { count, results, warnings })
}

/// Returns how many further sessions a user may open; nothing where there is no limit.
fn free_slots(user: &UserOverview) -> Option<i64> {
    let limit = user.profile.as_ref()?.max_concurrent_sessions;
    let held = i64::try_from(user.concurrent_sessions()).unwrap_or(i64::MAX);
    (limit > 0).then(|| i64::from(limit) - held)
}

/// Returns a text that changes whenever a session begins or ends, or the configuration is written: what a page
/// compares before it fetches itself again. Nothing but file attributes is read.
#[must_use]
pub fn version(admin: &Administration) -> Value {
    let stamp = |path: &std::path::Path| {
        fs::metadata(path).map_or_else(
            |_| "-".to_owned(),
            |meta| format!("{}.{}.{}.{}", meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()),
        )
    };
    // A session whose process was killed leaves its row as it is: it is seen after ten seconds.
    let slow = clock::epoch_seconds() / 10;
    json!(format!("{} {} {slow}", stamp(admin.sessions.path()), stamp(admin.config.path())))
}

fn has(row: &Listed, part: &str) -> bool {
    [Some(row.user), Some(row.host), Some(row.service), row.tty, row.rhost]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(part))
}

/// Sorts by a column, and by the beginning within it; `-` in front reverses the column.
fn sort(rows: &mut [Listed], by: Option<&str>) -> Result<(), AdminError> {
    let by = by.unwrap_or("name");
    let (column, reverse) = by.strip_prefix('-').map_or((by, false), |column| (column, true));
    let compare: fn(&Listed, &Listed) -> Ordering = match column {
        "name" => |a, b| a.user.cmp(b.user).then(a.uid.cmp(&b.uid)),
        "service" => |a, b| a.service.cmp(b.service),
        "rhost" => |a, b| a.rhost.cmp(&b.rhost),
        "host" => |a, b| a.host.cmp(b.host),
        "since" => |a, b| a.since.cmp(&b.since),
        _ => return Err(AdminError::field("sort", "expected name, host, service, rhost or since")),
    };
    rows.sort_by(|a, b| {
        let order = compare(a, b);
        let order = if reverse { order.reverse() } else { order };
        order.then(a.since.cmp(&b.since)).then(a.id.cmp(&b.id))
    });
    Ok(())
}

/// Returns the limit of a session's user; nothing while the configuration is refused, or the account is gone.
fn limit_of(known: &Known, name: &str, uid: u32) -> Option<u32> {
    let user = user_named(name).ok().filter(|user| user.uid == uid)?;
    let profile = known.mistake.is_none().then(|| profile_of(&known.config, &user).ok()).flatten();
    profile.map(|profile| profile.max_concurrent_sessions)
}

fn idle(session: &Session, host: &HostIdentity, processes: &[Process]) -> Option<u64> {
    // Pids of another namespace mean other processes here.
    if !session.is_open() || host.liveness(&session.leader) != Liveness::Alive {
        return None;
    }
    let terminal = terminal::of_session(&session.leader, session.uid, processes)?;
    u64::try_from(clock::epoch_seconds() - terminal.last_input).ok()
}

#[cfg(test)]
mod tests {
    use session_limit_core::model::session::{Leader, Origin, SessionState};

    use super::*;

    fn session(id: i64, user: &str, rhost: &str, since: i64) -> Session {
        let leader = Leader { pid: 1, start_time: 1, pid_ns: 1, boot_id: String::new() };
        Session {
            id,
            uid: 1,
            user: user.to_owned(),
            origin: Origin { service: "sshd".to_owned(), tty: None, rhost: Some(rhost.to_owned()) },
            leader,
            process_session: 1,
            audit_session: None,
            state: SessionState::Open,
            over_limit: false,
            since,
        }
    }

    #[test]
    fn a_column_sorts_and_the_beginning_within_it() {
        let all = [session(1, "b", "x", 5), session(2, "a", "y", 9), session(3, "a", "x", 7)];
        let order = |by: Option<&str>| {
            let mut rows: Vec<Listed> = all.iter().map(|row| Listed::here(row, "")).collect();
            sort(&mut rows, by).map(|()| rows.iter().map(|row| row.id).collect::<Vec<_>>())
        };
        assert_eq!(order(None).unwrap(), [3, 2, 1]);
        assert_eq!(order(Some("-name")).unwrap(), [1, 3, 2]);
        assert_eq!(order(Some("-since")).unwrap(), [2, 3, 1]);
        assert_eq!(order(Some("rhost")).unwrap(), [1, 3, 2]);
        assert_eq!(order(Some("colour")).unwrap_err().field.as_deref(), Some("sort"));
    }

    #[test]
    fn any_part_of_a_text_finds_a_session() {
        let one = session(1, "Alice", "192.0.2.7", 5);
        for part in ["alice", "lic", "0.2.7", "ssh", "web"] {
            assert!(has(&Listed::here(&one, "web1"), part), "{part}");
        }
        assert!(!has(&Listed::here(&one, "web1"), "bob"));
    }
}
