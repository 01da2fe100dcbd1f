//! The answers of `status` and `explain`.

use session_limit_admin::explain::{Explanation, SessionInUse};
use session_limit_admin::history::RECENT_DAYS;
use session_limit_admin::impact::{CheckedUser, LimitCheck, UserAboveLimit};
use session_limit_admin::status::{Check, Verdict};

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::{Response, timestamp};
use crate::output::table::Table;

/// Shows what was looked at; the command fails where there is a problem.
#[must_use]
pub fn status(checks: &[Check]) -> Response {
    let mut table = Table::new(&["check", "subject", "verdict", "message"]);
    for check in checks {
        table.row([
            check.check.clone().into_owned(),
            check.subject.clone(),
            check.verdict.word().to_owned(),
            check.message.clone(),
        ]);
    }
    let response = Response::new("status", checks, table.to_string());
    match checks.iter().filter(|check| check.verdict == Verdict::Problem).count() {
        0 => response,
        1 => response.failing(CommandError::new(ExitCode::Failed, "1 problem was found")),
        n => response
            .failing(CommandError::new(ExitCode::Failed, format!("{n} problems were found"))),
    }
}

/// Shows what would become of a login, and why.
#[must_use]
pub fn explanation(explained: &Explanation) -> Response {
    let ids = |sessions: Vec<&SessionInUse>| {
        let ids: Vec<String> = sessions.iter().map(|session| session.id.to_string()).collect();
        ids.join(", ")
    };
    let counted: Vec<&SessionInUse> = explained.counted().collect();
    let mut fields = vec![
        ("user", explained.user.clone()),
        ("uid", explained.uid.to_string()),
        ("service", explained.service.clone()),
        ("user_profile_ref", explained.user_profile_ref.clone()),
        ("assigned_by", explained.assigned_by.clone()),
        ("max_concurrent_sessions", explained.max_concurrent_sessions.to_string()),
        ("concurrent_sessions", counted.len().to_string()),
        ("session_ids", ids(counted)),
    ];
    for session in &explained.sessions {
        if let Some(reason) = &session.uncounted {
            fields.push(("not_counted", format!("{}: {reason}", session.id)));
        }
    }
    fields.push(("next_login", explained.next_login.word().to_owned()));
    fields.push(("reason", explained.reason.clone()));
    fields.extend(explained.notes.iter().map(|note| ("note", note.clone())));
    Response::new("explain", &[explained], Table::of_fields(fields).to_string())
}

/// Says whom a limit would refuse, now and in the last days.
#[must_use]
pub fn checked_limit(check: &LimitCheck, profile: &str, limit: u32) -> Response {
    if limit == 0 {
        let text = format!("0 is no limit: no user of {profile} would be refused.\n");
        return Response::new::<CheckedUser>("check", &[], text);
    }
    let known = match check.sampled_since {
        Some(since) => format!("samples since {} and recorded refusals", timestamp(since)),
        None => "recorded refusals, for there is no history".to_owned(),
    };
    let days = RECENT_DAYS;
    if check.users.is_empty() {
        let text = format!(
            "No user of {profile} holds more than {limit} sessions now.\n\
             No login of the last {days} days is known that the limit would have refused; known are {known}.\n"
        );
        return Response::new::<CheckedUser>("check", &[], text);
    }
    let mut table = Table::new(&["user", "sessions", "above_by", "recent_refusals"]);
    for row in &check.users {
        table.row([
            row.user.clone(),
            row.sessions.to_string(),
            row.above_by.to_string(),
            row.recent_refusals.to_string(),
        ]);
    }
    let text = format!(
        "{table}recent_refusals: logins of the last {days} days that the limit would have refused, at least; known \
         are {known}.\n"
    );
    Response::new("check", &check.users, text)
}

/// Says of one user that a limit that was just saved is below what they hold.
#[must_use]
pub fn above_limit_warning(above: &UserAboveLimit) -> String {
    let UserAboveLimit { user, sessions, above_by, limit, .. } = above;
    format!(
        "user `{user}` holds {sessions} sessions, {above_by} above the limit of {limit}; they go on, and \
         further logins are beyond the limit"
    )
}
