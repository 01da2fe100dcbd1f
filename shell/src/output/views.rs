//! The `show` commands: what the configuration and the store say, as tables and JSON.

use serde::Serialize;
use session_limit_admin::config::limits_conf::Proposal;
use session_limit_admin::sessions::{SessionStatus, SessionView};
use session_limit_admin::user_overview::UserOverview;
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::model::policy::OnLimit;
use session_limit_core::model::profile::{Profile, ProfileAssignment};
use session_limit_core::refusals::Recorded;

use crate::language::grammar::{ObjectKind, PROFILE_REF};
use crate::output::response::{Response, timestamp};
use session_limit_admin::config::draft::Object;

use crate::output::table::Table;

/// A profile as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ProfileRow<'a> {
    uuid: Option<&'a str>,
    name: &'a str,
    max_password_history_count: u32,
    max_login_failure_count: u32,
    account_lock_timeout: u32,
    max_concurrent_sessions: u32,
    credentials_timeout_threshold: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_limit: Option<&'static str>,
}

impl<'a> From<&'a Profile> for ProfileRow<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            uuid: profile.uuid.as_deref(),
            name: &profile.name,
            max_password_history_count: profile.max_password_history_count,
            max_login_failure_count: profile.max_login_failure_count,
            account_lock_timeout: profile.account_lock_timeout,
            max_concurrent_sessions: profile.max_concurrent_sessions,
            credentials_timeout_threshold: profile.credentials_timeout_threshold,
            on_limit: profile.on_limit.map(OnLimit::word),
        }
    }
}

/// An assignment as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AssignmentRow<'a> {
    name: &'a str,
    user_profile_ref: &'a str,
    /// Whether the host knows the name; said in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<bool>,
}

/// Shows one profile: the table of the original product.
#[must_use]
pub fn profile(profile: &Profile) -> Response {
    let table = Table::of_fields(Object::Profile(profile.clone()).fields());
    Response::new(ObjectKind::Profile.word(), &[ProfileRow::from(profile)], table.to_string())
}

/// Lists profiles.
#[must_use]
pub fn profiles(profiles: &[&Profile]) -> Response {
    let mut table = Table::new(&["name", "max_concurrent_sessions", "uuid"]);
    for profile in profiles {
        table.row([
            profile.name.clone(),
            profile.max_concurrent_sessions.to_string(),
            profile.uuid.clone().unwrap_or_default(),
        ]);
    }
    let rows: Vec<ProfileRow> = profiles.iter().map(|&profile| profile.into()).collect();
    Response::new(ObjectKind::Profile.word(), &rows, table.to_string())
}

/// Shows one assignment.
#[must_use]
pub fn assignment(kind: ObjectKind, entry: &ProfileAssignment) -> Response {
    let table = Table::of_fields(Object::ProfileAssignment(entry.clone()).fields());
    Response::new(kind.word(), &[row_of(entry)], table.to_string())
}

/// Lists assignments, and marks those of names that the host does not know.
#[must_use]
pub fn assignments(
    kind: ObjectKind,
    entries: &[ProfileAssignment],
    is_known: impl Fn(&str) -> bool,
) -> Response {
    let mut table = Table::new(&["name", PROFILE_REF, "known"]);
    let mut rows = Vec::new();
    for entry in entries {
        let known = is_known(&entry.name);
        table.row([
            entry.name.clone(),
            entry.user_profile.clone(),
            if known { "yes" } else { "no, not on this host" }.to_owned(),
        ]);
        rows.push(AssignmentRow { known: Some(known), ..row_of(entry) });
    }
    Response::new(kind.word(), &rows, table.to_string())
}

fn row_of(entry: &ProfileAssignment) -> AssignmentRow<'_> {
    AssignmentRow { name: &entry.name, user_profile_ref: &entry.user_profile, known: None }
}

/// A user with profile and sessions, as JSON shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserRow {
    name: String,
    uid: u32,
    user_profile_ref: Option<String>,
    max_concurrent_sessions: Option<u32>,
    concurrent_sessions: usize,
}

impl UserRow {
    /// Shows what is known of a user.
    #[must_use]
    pub fn new(user: &UserOverview) -> Self {
        let profile = user.profile.as_ref();
        Self {
            name: user.name.clone(),
            uid: user.uid,
            user_profile_ref: profile.map(|profile| profile.name.clone()),
            max_concurrent_sessions: profile.map(|profile| profile.max_concurrent_sessions),
            concurrent_sessions: user.concurrent_sessions(),
        }
    }
}

/// Shows one user.
#[must_use]
pub fn user(row: &UserRow) -> Response {
    let table = Table::of_fields([
        ("name", row.name.clone()),
        ("uid", row.uid.to_string()),
        (PROFILE_REF, row.user_profile_ref.clone().unwrap_or_default()),
        (
            "max_concurrent_sessions",
            row.max_concurrent_sessions.map_or(String::new(), |n| n.to_string()),
        ),
        ("concurrent_sessions", row.concurrent_sessions.to_string()),
    ]);
    Response::new(ObjectKind::User.word(), &[row], table.to_string())
}

/// A session of this host as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow<'a> {
    id: i64,
    user: &'a str,
    uid: u32,
    service: &'a str,
    tty: Option<&'a str>,
    rhost: Option<&'a str>,
    pid: i32,
    since: String,
    state: SessionStatus,
    /// Let in above the limit, for `on_limit` is `log`; said where it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    over_limit: bool,
}

impl<'a> From<&'a SessionView> for SessionRow<'a> {
    fn from(SessionView { session, status }: &'a SessionView) -> Self {
        let origin = &session.origin;
        Self {
            id: session.id,
            user: &session.user,
            uid: session.uid,
            service: &origin.service,
            tty: origin.tty.as_deref(),
            rhost: origin.rhost.as_deref(),
            pid: session.leader.pid,
            since: timestamp(session.since),
            state: *status,
            over_limit: session.over_limit,
        }
    }
}

impl SessionRow<'_> {
    /// Returns the cells of the table.
    #[must_use]
    pub fn cells(&self) -> [String; 8] {
        let state = self.state.word();
        [
            self.id.to_string(),
            self.user.to_owned(),
            self.service.to_owned(),
            self.tty.unwrap_or_default().to_owned(),
            self.rhost.unwrap_or_default().to_owned(),
            self.pid.to_string(),
            self.since.clone(),
            if self.over_limit { format!("{state}, over the limit") } else { state.to_owned() },
        ]
    }
}

/// Lists sessions.
#[must_use]
pub fn sessions(sessions: &[SessionView]) -> Response {
    let mut table = Table::new(&["id", "user", "service", "tty", "rhost", "pid", "since", "state"]);
    let rows: Vec<SessionRow> = sessions.iter().map(SessionRow::from).collect();
    for row in &rows {
        table.row(row.cells());
    }
    Response::new("session", &rows, table.to_string())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct RefusalRow<'a> {
    id: i64,
    time: String,
    user: &'a str,
    uid: u32,
    service: &'a str,
    tty: Option<&'a str>,
    rhost: Option<&'a str>,
    limit: u32,
    held: u32,
    held_by: &'a str,
    /// Let in all the same, for `on_limit` is `log`; said where it is so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    admitted: bool,
}

/// Lists refused logins.
#[must_use]
pub fn refusals(refusals: &[Recorded]) -> Response {
    let header = ["time", "user", "service", "tty", "rhost", "limit", "held_by", "login"];
    let mut table = Table::new(&header);
    let mut rows = Vec::new();
    for Recorded { id, refusal } in refusals {
        let origin = &refusal.origin;
        let row = RefusalRow {
            id: *id,
            time: timestamp(refusal.time),
            user: &refusal.user,
            uid: refusal.uid,
            service: &origin.service,
            tty: origin.tty.as_deref(),
            rhost: origin.rhost.as_deref(),
            limit: refusal.limit,
            held: refusal.held,
            held_by: &refusal.held_by,
            admitted: refusal.admitted,
        };
        table.row([
            row.time.clone(),
            row.user.to_owned(),
            row.service.to_owned(),
            row.tty.unwrap_or_default().to_owned(),
            row.rhost.unwrap_or_default().to_owned(),
            row.limit.to_string(),
            row.held_by.to_owned(),
            if row.admitted { "let in, over the limit" } else { "refused" }.to_owned(),
        ]);
        rows.push(row);
    }
    Response::new("refusal", &rows, table.to_string())
}

/// What a user is doing, as JSON shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActivityRow {
    name: String,
    concurrent_sessions: usize,
    max_concurrent_sessions: Option<u32>,
    logged_in: bool,
    last_login_ip: Option<String>,
    last_login_timestamp: Option<String>,
    failed_login_attempts: usize,
    locked: bool,
    locked_until: Option<String>,
}

impl ActivityRow {
    /// Shows what is known of a user.
    #[must_use]
    pub fn new(user: &UserOverview) -> Self {
        let last = user.last_login();
        let concurrent_sessions = user.concurrent_sessions();
        Self {
            name: user.name.clone(),
            concurrent_sessions,
            max_concurrent_sessions: user.profile.as_ref().map(|p| p.max_concurrent_sessions),
            logged_in: concurrent_sessions > 0,
            last_login_ip: last.and_then(|(_, origin)| origin.rhost.clone()),
            last_login_timestamp: last.map(|(time, _)| timestamp(time)),
            failed_login_attempts: user.failed.count,
            locked: user.failed.is_locked(),
            locked_until: user.failed.locked_until().map(timestamp),
        }
    }

    fn cells(&self) -> [(&'static str, String); 8] {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            ("name", self.name.clone()),
            ("concurrent_sessions", self.concurrent_sessions.to_string()),
            (
                "max_concurrent_sessions",
                self.max_concurrent_sessions.map_or(String::new(), |n| n.to_string()),
            ),
            ("logged_in", self.logged_in.to_string()),
            ("last_login_ip", or_empty(&self.last_login_ip)),
            ("last_login_timestamp", or_empty(&self.last_login_timestamp)),
            ("failed_login_attempts", self.failed_login_attempts.to_string()),
            (
                "locked_until",
                match (&self.locked_until, self.locked) {
                    (Some(time), _) => time.clone(),
                    (None, true) => "unlocked by an administrator".to_owned(),
                    (None, false) => String::new(),
                },
            ),
        ]
    }
}

/// Shows what one user is doing.
#[must_use]
pub fn activity(row: &ActivityRow) -> Response {
    Response::new("useractivity", &[row], Table::of_fields(row.cells()).to_string())
}

/// Lists what users are doing.
#[must_use]
pub fn activities(rows: &[ActivityRow]) -> Response {
    let header = ActivityRow::default().cells().map(|(name, _)| name);
    let mut table = Table::new(&header);
    for row in rows {
        table.row(row.cells().map(|(_, value)| value));
    }
    Response::new("useractivity", rows, table.to_string())
}

/// Shows what the lines of pam_limits mean here; `applied` says whether that was written.
#[must_use]
pub fn imported(proposals: &[Proposal], applied: bool) -> Response {
    let mut table = Table::new(&["source", "line", if applied { "written" } else { "proposal" }]);
    for row in proposals {
        table.row([row.source.clone(), row.line.clone(), row.proposal.clone()]);
    }
    Response::new("import", proposals, table.to_string())
}

/// Shows lines of limits.conf.
#[must_use]
pub fn exported(lines: &[String]) -> Response {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Response::new("export", lines, text)
}

/// What a clear did, as JSON shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct ClearedRow {
    ended: usize,
    killed: usize,
    forgotten: usize,
    spared: usize,
}

/// Says what a clear did.
#[must_use]
pub fn cleared(cleared: &ClearSummary) -> Response {
    let row = ClearedRow {
        ended: cleared.terminated,
        killed: cleared.killed,
        forgotten: cleared.forgotten,
        spared: cleared.skipped_own + cleared.skipped_shared,
    };
    Response::new("clear", &[row], format!("{cleared}.\n"))
}

/// What an unlock did, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct UnlockedRow<'a> {
    name: &'a str,
    failed_login_attempts: usize,
}

/// Says what an unlock did.
#[must_use]
pub fn unlocked(name: &str, failed_login_attempts: usize) -> Response {
    let text = match failed_login_attempts {
        1 => format!("1 failed login of {name} forgotten.\n"),
        n => format!("{n} failed logins of {name} forgotten.\n"),
    };
    Response::new("unlock", &[UnlockedRow { name, failed_login_attempts }], text)
}
