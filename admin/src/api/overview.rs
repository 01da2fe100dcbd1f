//! What the pages of the console show beside the objects: sessions with what their users hold, users at their
//! limit, why a profile holds, how the host stands, and whether anything has changed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use session_limit_core::process::table::{Process, all_processes};
use session_limit_core::process::terminal;
use session_limit_core::process::{HostIdentity, Liveness};
use session_limit_core::system::clock;

use super::objects::{UserActivity, UserSession};
use super::{ListQuery, read};
use crate::administration::{Administration, Known, UserOverview, profile_of, user_named};
use crate::authorization::Permission;
use crate::error::{AdminError, AdminErrorKind};
use crate::explain;
use crate::sessions::{SessionView, is_held};
use crate::status::{self, HostFiles};

/// With more sessions than these nobody waits for a look at all processes: idle times are left out.
const MAX_WITH_IDLE: usize = 1_000;

/// A session, and what its user holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// The session.
    #[serde(flatten)]
    pub session: UserSession,
    /// Seconds since something was typed, where the session has a terminal.
    pub idle: Option<u64>,
    /// Whether the limit would have refused it, had `on_limit` not been `log`.
    pub over_limit: bool,
    /// Open sessions of the user.
    pub user_sessions: usize,
    /// The user's limit; absent where it is not known.
    pub user_limit: Option<u32>,
}

/// One page of sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage {
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
}

/// Returns a page of the sessions of a user, or of all whom the acting user may see; `query.name` is any part of
/// a user, service, terminal or address.
///
/// # Errors
/// When the store or the name services fail, or a parameter is not valid.
pub fn sessions(
    admin: &Administration,
    query: &ListQuery,
    user: Option<&str>,
) -> Result<Value, AdminError> {
    let (page, size) = query.page()?;
    let found = admin.sessions_of(user)?;
    let mut held: HashMap<u32, usize> = HashMap::new();
    for seen in found.value.iter().filter(|seen| is_held(seen)) {
        *held.entry(seen.session.uid).or_default() += 1;
    }
    let with_idle = found.value.len() <= MAX_WITH_IDLE;
    let mut rows = found.value;
    if let Some(part) = query.name.as_deref().map(str::to_lowercase).filter(|part| !part.is_empty())
    {
        rows.retain(|seen| has(seen, &part));
    }
    sort(&mut rows, query.sort.as_deref())?;
    let mut users: Vec<u32> = rows.iter().map(|seen| seen.session.uid).collect();
    users.sort_unstable();
    users.dedup();
    let count = rows.len();
    let shown = rows.iter().skip((page - 1).saturating_mul(size)).take(size);
    let processes = if with_idle { all_processes() } else { Vec::new() };
    let host = HostIdentity::current().ok();
    let known = admin.known()?;
    let mut limits: HashMap<String, Option<u32>> = HashMap::new();
    let results = shown.map(|seen| {
        let session = &seen.session;
        let limit = limits.entry(session.user.clone()).or_insert_with(|| limit_of(&known, seen));
        SessionRow {
            session: read::session(admin, seen),
            idle: host.as_ref().and_then(|host| idle(seen, host, &processes)),
            over_limit: session.over_limit,
            user_sessions: held.get(&session.uid).copied().unwrap_or(0),
            user_limit: *limit,
        }
    });
    read::value(SessionPage { count, users: users.len(), results: results.collect() })
}

/// Returns a page of the users who can open no further session.
///
/// # Errors
/// When the store or the name services fail.
pub fn users_at_limit(admin: &Administration, query: &ListQuery) -> Result<Value, AdminError> {
    let (page, size) = query.page()?;
    let mut users = admin.overviews()?.value;
    users.retain(|user| free_slots(user).is_some_and(|free| free <= 0));
    users.sort_by(|a, b| free_slots(a).cmp(&free_slots(b)).then_with(|| a.name.cmp(&b.name)));
    let count = users.len();
    let shown = users.iter().skip((page - 1).saturating_mul(size)).take(size);
    read::value(AtLimitPage { count, results: shown.map(read::activity).collect() })
}

/// Returns how many further sessions a user may open; nothing where there is no limit.
fn free_slots(user: &UserOverview) -> Option<i64> {
    let limit = user.profile.as_ref()?.max_concurrent_sessions;
    let held = i64::try_from(user.concurrent_sessions()).unwrap_or(i64::MAX);
    (limit > 0).then(|| i64::from(limit) - held)
}

/// Says which profile holds for a user and why, and what would become of the user's next login.
///
/// # Errors
/// When the acting user may not see the user, or something cannot be looked up.
pub fn explain(admin: &Administration, name: &str, service: &str) -> Result<Value, AdminError> {
    let config = admin.read()?;
    let user = admin.visible_user(&config, name)?;
    let (host, store) = (HostFiles::default(), admin.sessions.path());
    read::value(explain::explain(&host, &config, store, &user, service)?)
}

/// Says whether limits take effect on this host.
///
/// # Errors
/// When the acting user may not see that.
pub fn status(admin: &Administration) -> Result<Value, AdminError> {
    let known = admin.known()?;
    let permitted = admin.reach(&known.config)?.check(Permission::SeeStatus);
    if let (Err(_), Some(mistake)) = (&permitted, known.mistake) {
        return Err(AdminError::new(AdminErrorKind::Configuration, mistake));
    }
    permitted?;
    let host = HostFiles::default();
    read::value(status::collect(&host, &admin.config, admin.sessions.path()))
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

fn has(seen: &SessionView, part: &str) -> bool {
    let session = &seen.session;
    let origin = &session.origin;
    [Some(&session.user), Some(&origin.service), origin.tty.as_ref(), origin.rhost.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(part))
}

/// Sorts by a column, and by the beginning within it; `-` in front reverses the column.
fn sort(rows: &mut [SessionView], by: Option<&str>) -> Result<(), AdminError> {
    let by = by.unwrap_or("name");
    let (column, reverse) = by.strip_prefix('-').map_or((by, false), |column| (column, true));
    let text =
        |of: fn(&SessionView) -> &str| move |a: &SessionView, b: &SessionView| of(a).cmp(of(b));
    type Compare = Box<dyn Fn(&SessionView, &SessionView) -> std::cmp::Ordering>;
    let compare: Compare = match column {
        "name" => Box::new(text(|seen| &seen.session.user)),
        "service" => Box::new(text(|seen| &seen.session.origin.service)),
        "rhost" => Box::new(text(|seen| seen.session.origin.rhost.as_deref().unwrap_or(""))),
        "state" => Box::new(text(|seen| seen.status.word())),
        "since" => Box::new(|a, b| a.session.since.cmp(&b.session.since)),
        _ => {
            let expected = "expected name, service, rhost, state or since";
            return Err(AdminError::field("sort", expected));
        }
    };
    rows.sort_by(|a, b| {
        let order = compare(a, b);
        let order = if reverse { order.reverse() } else { order };
        order.then(a.session.since.cmp(&b.session.since)).then(a.session.id.cmp(&b.session.id))
    });
    Ok(())
}

/// Returns the limit of a session's user; nothing while the configuration is refused, or the account is gone.
fn limit_of(known: &Known, seen: &SessionView) -> Option<u32> {
    let user = user_named(&seen.session.user).ok().filter(|user| user.uid == seen.session.uid)?;
    let is_valid = known.mistake.is_none();
    is_valid
        .then(|| profile_of(&known.config, &user).ok())
        .flatten()
        .map(|p| p.max_concurrent_sessions)
}

fn idle(seen: &SessionView, host: &HostIdentity, processes: &[Process]) -> Option<u64> {
    let session = &seen.session;
    // Pids of another namespace mean other processes here.
    if !session.is_open() || host.liveness(&session.leader) != Liveness::Alive {
        return None;
    }
    let terminal = terminal::of_session(&session.leader, session.uid, processes)?;
    u64::try_from(clock::epoch_seconds() - terminal.last_input).ok()
}
