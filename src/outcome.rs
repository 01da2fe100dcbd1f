//! The one table: outcome -> PAM code, log lines, message.
//!
//! Whether an error lets the login pass is decided in the PAM stack, where it belongs; see the control
//! list in the README.
#![forbid(unsafe_code)]

use std::fmt;

use pam::constants::PamResultCode;
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::admission::{
    AdmissionError, FleetSlot, LoginRequest, Outcome, Question, WARNING,
};
use session_limit_core::fleet::HostCounts;
use session_limit_core::log::Level;
use session_limit_core::model::refusal::Refusal;
use session_limit_core::model::sanitize::printable;
use session_limit_core::model::service::{may_be_notified, wants_one_line};
use session_limit_core::model::session::{EvictionRequest, Session};
use session_limit_core::store::StoreError;

/// What the application, the administrator and the user are told.
#[derive(Debug, PartialEq, Eq)]
pub struct PamResponse {
    /// For the application.
    pub code: PamResultCode,
    /// For the log.
    pub lines: Vec<(Level, String)>,
    /// For the user.
    pub message: Option<String>,
    /// For a user who is let in.
    pub notice: Option<String>,
}

impl PamResponse {
    /// Looks an outcome up; a line that is not `is_enabled` is not made.
    pub fn to(
        decided: &Result<Outcome, AdmissionError>,
        request: &LoginRequest,
        is_enabled: impl Fn(Level) -> bool,
    ) -> Self {
        let user = printable(request.user.to_bytes());
        let origin = &request.origin;
        let line =
            |level, text: fmt::Arguments| is_enabled(level).then(|| (level, text.to_string()));
        let respond = |code, lines: Vec<Option<(Level, String)>>| Self {
            code,
            lines: lines.into_iter().flatten().collect(),
            message: None,
            notice: None,
        };
        let refuse =
            |lines: Vec<Option<(Level, String)>>, blocked_by: &[Session], told: &[String]| Self {
                message: Some(warning(&origin.service, blocked_by, told)),
                ..respond(PamResultCode::PAM_PERM_DENIED, lines)
            };
        let cleared_line = |cleared: &ClearSummary| {
            (!cleared.is_empty()).then(|| {
                (Level::Notice, format!("sessions of user {user} cleared: {cleared}, {origin}"))
            })
        };
        match decided {
            Ok(Outcome::NotCounted(why)) => respond(
                PamResultCode::PAM_IGNORE,
                vec![line(Level::Debug, format_args!("user {user}: {why}"))],
            ),
            Ok(Outcome::Unlimited { token }) => {
                let mut lines = warnings(&token.settings.warnings);
                lines.push(line(Level::Debug, format_args!("user {user}: the check is off")));
                respond(PamResultCode::PAM_SUCCESS, lines)
            }
            Ok(Outcome::AlreadyOpen) => respond(
                PamResultCode::PAM_SUCCESS,
                vec![line(Level::Debug, format_args!("user {user}: the session is open already"))],
            ),
            Ok(Outcome::Nested { cleared }) => {
                let part = "the session is part of the login that it was opened in";
                respond(
                    PamResultCode::PAM_SUCCESS,
                    vec![
                        cleared_line(cleared),
                        line(Level::Debug, format_args!("user {user}: {part}")),
                    ],
                )
            }
            Ok(Outcome::Reserved { token, held, limit, eviction }) => {
                let eviction = match eviction {
                    EvictionRequest::None => "",
                    EvictionRequest::ClearAll => ", other sessions will be cleared",
                    EvictionRequest::EvictOldest => ", the oldest sessions will be ended",
                    EvictionRequest::Session(_) => ", one session will be ended",
                };
                let mut lines = warnings(&token.settings.warnings);
                lines.push(line(
                    Level::Debug,
                    format_args!(
                        "slot reserved for user {user}: {held} of {limit}{eviction}, {origin}"
                    ),
                ));
                respond(PamResultCode::PAM_SUCCESS, lines)
            }
            Ok(Outcome::Opened { token, held, limit, over_limit, cleared }) => {
                let slot = token.slot.as_ref().and_then(|slot| slot.fleet);
                let over = match slot {
                    Some(FleetSlot::Held(_)) => " over the fleet",
                    Some(FleetSlot::Down) => " on this host",
                    Some(FleetSlot::NotAsked) | None => "",
                };
                let of = match limit {
                    0 => ", the check is off".to_owned(),
                    limit => format!(" of {limit}{over}"),
                };
                let mut lines = warnings(&token.settings.warnings);
                lines.push(cleared_line(cleared));
                if let Some(Refusal { held, limit, .. }) = over_limit.as_deref() {
                    let would_be = "session would be refused for user";
                    lines.push(line(
                        Level::Notice,
                        format_args!("{would_be} {user}: {held} of {limit}{over}, {origin}"),
                    ));
                }
                lines.push(line(
                    Level::Info,
                    format_args!("session opened for user {user}: {held}{of}, {origin}"),
                ));
                let is_last = token.settings.notice && u32::try_from(*held) == Ok(*limit);
                Self {
                    notice: (is_last && may_be_notified(&origin.service))
                        .then(|| format!("This is session {held} of {limit}.")),
                    ..respond(PamResultCode::PAM_SUCCESS, lines)
                }
            }
            Ok(Outcome::Unrecorded(error)) => respond(
                PamResultCode::PAM_SUCCESS,
                vec![line(
                    code_and_level(error).1,
                    format_args!(
                        "session of user {user} is not recorded, the check is off: {}",
                        error_text(error)
                    ),
                )],
            ),
            // Still asking after an answer: the user cannot be asked.
            Ok(Outcome::Ask(Question { choices, more, .. })) => refuse(
                vec![line(
                    Level::Notice,
                    format_args!(
                        "session refused for user {user}: {} open, {origin}",
                        choices.len() + more
                    ),
                )],
                &[],
                &[],
            ),
            Ok(Outcome::Refused { refusal, cleared, blocked_by, told, fleet }) => {
                let Refusal { held, limit, .. } = &**refusal;
                let over = over_fleet(fleet.as_ref());
                let mut lines = vec![
                    cleared_line(cleared),
                    line(
                        Level::Notice,
                        format_args!(
                            "session refused for user {user}: {held} of {limit}{over}, {origin}"
                        ),
                    ),
                ];
                lines.extend(blocked_by.iter().map(|session| {
                    line(Level::Notice, format_args!("user {user}: {}", blocker(session)))
                }));
                refuse(lines, blocked_by, told)
            }
            Ok(Outcome::FleetDown { why }) => {
                let told =
                    ["Sessions cannot be counted at the moment. Please try again later."
                        .to_owned()];
                let news = why.as_ref().and_then(|why| {
                    line(
                        Level::Warning,
                        format_args!(
                            "the fleet cannot be asked, users with a limit are refused: {why}"
                        ),
                    )
                });
                let refused = line(
                    Level::Notice,
                    format_args!(
                        "session refused for user {user}: the fleet cannot be asked, {origin}"
                    ),
                );
                Self {
                    message: Some(message_of(&origin.service, &told)),
                    ..respond(PamResultCode::PAM_PERM_DENIED, vec![news, refused])
                }
            }
            Err(error) => {
                let (code, level) = code_and_level(error);
                respond(code, vec![line(level, format_args!("{}", error_text(error)))])
            }
        }
    }
}

/// Returns ` over the fleet (web1 1, web2 1)` where the slots of a fleet have decided.
fn over_fleet(counts: Option<&HostCounts>) -> String {
    counts.map(|counts| format!(" over the fleet ({counts})")).unwrap_or_default()
}

fn warnings(texts: &[String]) -> Vec<Option<(Level, String)>> {
    texts.iter().map(|text| Some((Level::Warning, text.clone()))).collect()
}

/// Returns what a refused user reads: the two documented lines, where clearing was asked for but could not
/// make room what holds the slots, and what the policy tells. One line for callers that show or hand on one.
fn warning(service: &str, blocked_by: &[Session], told: &[String]) -> String {
    let mut lines = WARNING.map(str::to_owned).to_vec();
    lines.extend(blocked_by.iter().map(blocker));
    lines.extend_from_slice(told);
    message_of(service, &lines)
}

/// Returns lines as one message: one line of sentences for callers that show or hand on one.
pub fn message_of(service: &str, lines: &[String]) -> String {
    if wants_one_line(service) { in_one_line(lines) } else { lines.join("\n") }
}

/// Returns lines as the sentences of one line.
fn in_one_line(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        if !text.is_empty() {
            text.push_str(if text.ends_with(['.', '!', '?', ':']) { " " } else { ". " });
        }
        text.push_str(line);
    }
    text
}

fn blocker(session: &Session) -> String {
    format!("A slot is held by a session that cannot be ended: {}.", session.origin)
}

/// Returns what an error is to PAM, and to the log.
fn code_and_level(error: &AdmissionError) -> (PamResultCode, Level) {
    match error {
        AdmissionError::UnknownUser => (PamResultCode::PAM_USER_UNKNOWN, Level::Notice),
        AdmissionError::Config(_) => (PamResultCode::PAM_SERVICE_ERR, Level::Error),
        AdmissionError::Store(StoreError::NotPermitted(_)) => {
            (PamResultCode::PAM_IGNORE, Level::Debug)
        }
        // No user is limited then: an administrator must be able to see it.
        AdmissionError::Store(StoreError::ReadOnly(_)) => {
            (PamResultCode::PAM_IGNORE, Level::Warning)
        }
        AdmissionError::Store(StoreError::Broken(_) | StoreError::Newer(_))
        | AdmissionError::System(_) => (PamResultCode::PAM_SYSTEM_ERR, Level::Error),
    }
}

/// Returns an error as one line.
pub fn error_text(error: &AdmissionError) -> String {
    match error {
        // Not named: people type their password where the name belongs.
        AdmissionError::UnknownUser => "the user is not known to this host".to_owned(),
        AdmissionError::Config(error) => error.to_string(),
        AdmissionError::Store(error) => error.to_string(),
        AdmissionError::System(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests;
