//! The history as points at equal distances.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

/// Points that are asked for at once, at most.
pub const MAX_POINTS: i64 = 400;
/// Services that a point names; the others are counted together.
const MAX_SERVICES: i64 = 8;
/// What they are called.
const OTHERS: &str = "other";

/// What part of the history is asked for; seconds since the epoch, and between two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first second.
    pub from: i64,
    /// The second after the last.
    pub to: i64,
    /// Seconds of a point.
    pub step: i64,
}

/// What was in one stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Point {
    /// Its first second.
    pub time: i64,
    /// The most open sessions at once; nothing where no sample was taken.
    pub sessions: Option<i64>,
    /// The most users who held one.
    pub users: Option<i64>,
    /// The most users who held as many as they may.
    pub users_at_limit: Option<i64>,
    /// The most open sessions of each PAM service.
    pub services: BTreeMap<String, i64>,
    /// Logins that were refused.
    pub refused: i64,
    /// Logins that were let in although the limit had been reached.
    pub would_be_refused: i64,
}

/// Returns the points of a span that something is known of.
pub fn points(connection: &Connection, span: Span) -> rusqlite::Result<Vec<Point>> {
    let Span { from, to, step } = span;
    let mut points: BTreeMap<i64, Point> = BTreeMap::new();
    let mut samples = connection.prepare(
        "SELECT (time - ?1) / ?3, max(sessions), max(users), max(users_at_limit) \
         FROM sample WHERE time >= ?1 AND time < ?2 GROUP BY 1",
    )?;
    let mut rows = samples.query(params![from, to, step])?;
    while let Some(row) = rows.next()? {
        let point = point_at(&mut points, span, row.get(0)?);
        (point.sessions, point.users, point.users_at_limit) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
    }
    let mut services = connection.prepare(
        "WITH named AS (SELECT service FROM service_sample WHERE time >= ?1 AND time < ?2 \
           GROUP BY service ORDER BY sum(sessions) DESC, service LIMIT ?4), \
         at_once AS (SELECT time, CASE WHEN service IN named THEN service END AS service, \
           sum(sessions) AS sessions FROM service_sample WHERE time >= ?1 AND time < ?2 GROUP BY 1, 2) \
         SELECT (time - ?1) / ?3, coalesce(name, ?5), max(sessions) \
         FROM at_once LEFT JOIN service ON service.id = at_once.service GROUP BY 1, 2",
    )?;
    let mut rows = services.query(params![from, to, step, MAX_SERVICES, OTHERS])?;
    while let Some(row) = rows.next()? {
        let point = point_at(&mut points, span, row.get(0)?);
        point.services.insert(row.get(1)?, row.get(2)?);
    }
    let mut refusals = connection.prepare(
        "SELECT (minute - ?1) / ?3, admitted, sum(logins) FROM refusal \
         WHERE minute >= ?1 AND minute < ?2 GROUP BY 1, 2",
    )?;
    let mut rows = refusals.query(params![from, to, step])?;
    while let Some(row) = rows.next()? {
        let point = point_at(&mut points, span, row.get(0)?);
        match row.get(1)? {
            true => point.would_be_refused = row.get(2)?,
            false => point.refused = row.get(2)?,
        }
    }
    Ok(points.into_values().collect())
}

fn point_at(points: &mut BTreeMap<i64, Point>, span: Span, number: i64) -> &mut Point {
    points
        .entry(number)
        .or_insert_with(|| Point { time: span.from + number * span.step, ..Point::default() })
}
