//! What a limit would have meant for the logins of the last days, as far as that is known.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use session_limit_core::refusals::{Recorded, Refusals};
use session_limit_core::system::clock;

use super::History;
use super::database::Database;
use crate::administration::Administration;
use crate::error::{AdminError, AdminErrorKind};

/// Days that are looked at.
pub const RECENT_DAYS: i64 = 7;

/// What is known of the logins of the last days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    /// When the oldest sample in these days was taken; nothing where no history is kept.
    pub sampled_since: Option<i64>,
    /// Of each user id: logins that would have been refused, at least.
    pub refused: BTreeMap<u32, i64>,
}

/// Counts the logins of the last days that a limit would have refused. There may have been more.
///
/// Two sources are exact where they apply: a recorded refusal, and a login let in because `on_limit` is `log`, are
/// logins of a user who held so many sessions; they would be beyond every limit up to that number. Other logins
/// are known by samples: where a user held more sessions than the limit, and more than in the sample before, at
/// least that many logins were made beyond the limit.
///
/// # Errors
/// When the refusals or the history cannot be read.
pub fn recent(admin: &Administration, limit: u32) -> Result<Recent, AdminError> {
    let store = admin.sessions.path();
    let refusals = Refusals::beside(store).read(None);
    let refusals =
        refusals.map_err(|error| AdminError::new(AdminErrorKind::Store, error.to_string()))?;
    let since = clock::epoch_seconds() - RECENT_DAYS * 86_400;
    recent_of(&History::beside(store), &refusals, since, limit)
}

/// As [`recent`], since a moment.
pub(super) fn recent_of(
    history: &History,
    refusals: &[Recorded],
    since: i64,
    limit: u32,
) -> Result<Recent, AdminError> {
    if limit == 0 {
        return Ok(Recent::default());
    }
    let mut known = Known::default();
    let mut not_sampled = since;
    if let Some(database) = Database::open(&history.path)? {
        known = database.run(|connection| read(connection, since, i64::from(limit)))?;
        not_sampled = not_sampled.max(known.last_sample.unwrap_or(since));
    }
    for refusal in refusals.iter().map(|recorded| &recorded.refusal) {
        if refusal.time >= not_sampled && refusal.held >= limit {
            let logins = if refusal.admitted { &mut known.admitted } else { &mut known.refused };
            *logins.entry(refusal.uid).or_default() += 1;
        }
    }
    let mut refused = known.refused;
    // A login that was let in beyond the limit is seen by the samples as well.
    for (uid, logins) in &mut known.admitted {
        *logins = (*logins).max(known.rises.remove(uid).unwrap_or(0));
    }
    for (uid, logins) in known.admitted.into_iter().chain(known.rises) {
        *refused.entry(uid).or_default() += logins;
    }
    Ok(Recent { sampled_since: known.first_sample, refused })
}

#[derive(Default)]
struct Known {
    first_sample: Option<i64>,
    last_sample: Option<i64>,
    refused: BTreeMap<u32, i64>,
    admitted: BTreeMap<u32, i64>,
    rises: BTreeMap<u32, i64>,
}

fn read(connection: &Connection, since: i64, limit: i64) -> rusqlite::Result<Known> {
    let mut known = Known::default();
    (known.first_sample, known.last_sample) = connection.query_row(
        "SELECT min(time), max(time) FROM sample WHERE time >= ?1",
        [since],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let first_of_all: Option<i64> =
        connection.query_row("SELECT min(time) FROM sample", [], |row| row.get(0))?;
    let mut refusals = connection.prepare(
        "SELECT uid, admitted, sum(logins) FROM refusal WHERE minute >= ?1 AND held >= ?2 GROUP BY 1, 2",
    )?;
    let mut rows = refusals.query(params![since, limit])?;
    while let Some(row) = rows.next()? {
        let logins = if row.get(1)? { &mut known.admitted } else { &mut known.refused };
        logins.insert(row.get(0)?, row.get(2)?);
    }
    let mut changes =
        connection.prepare("SELECT uid, time, sessions FROM user_sample ORDER BY uid, time")?;
    let mut rows = changes.query([])?;
    let mut before: Option<(u32, i64)> = None;
    while let Some(row) = rows.next()? {
        let (uid, time, sessions): (u32, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let held = before.filter(|&(user, _)| user == uid).map(|(_, held)| held);
        // The first that is known of a user says nothing of when the logins were, unless samples were taken
        // before it.
        let is_first_sample = first_of_all == Some(time);
        let beyond = sessions - held.unwrap_or(0).max(limit);
        if time >= since && beyond > 0 && !(held.is_none() && is_first_sample) {
            *known.rises.entry(uid).or_default() += beyond;
        }
        before = Some((uid, sessions));
    }
    Ok(known)
}
