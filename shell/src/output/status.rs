//! The answers of `status` and `explain`.

use session_limit_admin::explain::{Explanation, SessionInUse};
use session_limit_admin::status::{Check, Verdict};

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::Response;
use crate::output::table::Table;

/// Shows what was looked at; the command fails where there is a problem.
#[must_use]
pub fn status(checks: &[Check]) -> Response {
    let mut table = Table::new(&["check", "subject", "verdict", "message"]);
    for check in checks {
        table.row([
            check.check.to_owned(),
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
        if let Some(reason) = session.uncounted {
            fields.push(("not_counted", format!("{}: {reason}", session.id)));
        }
    }
    fields.push(("next_login", explained.next_login.word().to_owned()));
    fields.push(("reason", explained.reason.clone()));
    fields.extend(explained.notes.iter().map(|note| ("note", note.clone())));
    Response::new("explain", &[explained], Table::of_fields(fields).to_string())
}
