//! The history as points for a picture.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_limit_core::system::clock;

use super::shown::value;
use crate::administration::Administration;
use crate::api::objects::{History, HistoryPoint, timestamp};
use crate::authorization::Permission;
use crate::error::AdminError;
use crate::history::{self, INTERVAL, MAX_POINTS, Point, Span};

/// Seconds that are shown unless a beginning is named: a day.
const DEFAULT_SPAN: i64 = 86_400;
/// Points that are aimed at unless a distance is named: for a day, one every five minutes.
const DEFAULT_POINTS: i64 = 288;
/// Seconds of the longest span: ten years and a bit.
const MAX_SPAN: i64 = 3_660 * 86_400;

/// Which part of the history is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryQuery {
    /// The beginning, as RFC 3339 writes it or as seconds since the epoch; a day before the end by default.
    pub from: Option<String>,
    /// The end, likewise; now by default.
    pub to: Option<String>,
    /// Seconds of a point.
    pub step: Option<String>,
}

impl HistoryQuery {
    /// Returns the span at a moment.
    ///
    /// # Errors
    /// When a parameter is not valid.
    pub fn span(&self, now: i64) -> Result<Span, AdminError> {
        let to = self.to.as_deref().map_or(Ok(now), |text| time("to", text))?;
        let from = self.from.as_deref().map_or(Ok(to - DEFAULT_SPAN), |text| time("from", text))?;
        let length = to.saturating_sub(from);
        if length <= 0 {
            return Err(AdminError::field("from", "expected a time before `to`"));
        }
        if length > MAX_SPAN {
            return Err(AdminError::field("from", "expected at most ten years before `to`"));
        }
        let whole = |seconds: i64| (seconds + INTERVAL - 1) / INTERVAL * INTERVAL;
        let shortest = whole((length + MAX_POINTS - 1) / MAX_POINTS);
        let step = match &self.step {
            None => whole((length + DEFAULT_POINTS - 1) / DEFAULT_POINTS),
            Some(text) => match i64::from_str(text) {
                Ok(step) if step >= shortest && step <= MAX_SPAN => step,
                _ => {
                    let expected = format!(
                        "expected a number of seconds from {shortest}, for at most {MAX_POINTS} points"
                    );
                    return Err(AdminError::field("step", &expected));
                }
            },
        };
        Ok(Span { from, to, step })
    }
}

/// Reads a time: RFC 3339, or seconds since the epoch.
fn time(field: &str, text: &str) -> Result<i64, AdminError> {
    let expected = "expected a time such as 2026-11-25T18:42:05Z, or seconds since the epoch";
    let seconds = match i64::from_str(text) {
        Ok(seconds) => jiff::Timestamp::from_second(seconds),
        Err(_) => jiff::Timestamp::from_str(text),
    };
    seconds.map(jiff::Timestamp::as_second).map_err(|_| AdminError::field(field, expected))
}

/// Returns the history, for those who see all users.
///
/// # Errors
/// When the acting user may not see it, a parameter is not valid, or the file cannot be read.
pub fn read(admin: &Administration, query: &HistoryQuery) -> Result<Value, AdminError> {
    let known = admin.known()?;
    admin.reach(&known.config)?.check(Permission::SeeOthers)?;
    let span = query.span(clock::epoch_seconds())?;
    let points = history::History::beside(admin.sessions.path()).points(span)?;
    value(History {
        from: timestamp(span.from),
        to: timestamp(span.to),
        step: span.step,
        history_days: known.mistake.is_none().then_some(known.config.service.history_days),
        points: points.into_iter().map(point).collect(),
    })
}

fn point(point: Point) -> HistoryPoint {
    HistoryPoint {
        time: timestamp(point.time),
        sessions: point.sessions,
        users: point.users,
        users_at_limit: point.users_at_limit,
        services: point.services,
        refused: point.refused,
        would_be_refused: point.would_be_refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(from: &str, to: &str, step: &str) -> Result<Span, String> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let query = HistoryQuery { from: given(from), to: given(to), step: given(step) };
        query.span(1_000_000_000).map_err(|error| error.message)
    }

    #[test]
    fn a_span_is_a_day_unless_it_is_named() {
        let day = Span { from: 1_000_000_000 - 86_400, to: 1_000_000_000, step: 300 };
        assert_eq!(query("", "", ""), Ok(day));
        let hour = Span { from: 0, to: 3_600, step: 60 };
        assert_eq!(query("1970-01-01T00:00:00Z", "1970-01-01T02:00:00+01:00", ""), Ok(hour));
        assert_eq!(query("0", "3600", "60"), Ok(hour));
        assert_eq!(query("0", "2592000", "").unwrap().step, 9_000);
    }

    #[test]
    fn what_is_not_valid_is_named() {
        for (from, to, step, expected) in [
            ("x", "", "", "from: expected a time such as"),
            ("", "2026-13-01T00:00:00Z", "", "to: expected a time such as"),
            ("10", "10", "", "from: expected a time before `to`"),
            ("0", "400000000", "", "from: expected at most ten years"),
            ("0", "3600", "0", "step: expected a number of seconds from 60"),
            ("0", "86400", "60", "step: expected a number of seconds from 240"),
            ("0", "3600", "x", "step: expected"),
            ("-9223372036854775808", "0", "", "from: expected a time such as"),
            ("", "9223372036854775807", "", "to: expected a time such as"),
        ] {
            let error = query(from, to, step).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
