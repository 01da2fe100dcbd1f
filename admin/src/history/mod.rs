//! How many sessions there were, and which logins were refused: sampled every minute for `session-limitd` into a
//! file of its own.
//!
//! No login reads or writes it. Without the service no sample is taken; without the file there is no history,
//! and nothing else changes.

mod database;
mod past;
mod sample;
mod series;

use std::path::{Path, PathBuf};

use session_limit_core::store::DEFAULT_PATH;

pub use past::{RECENT_DAYS, Recent, recent};
pub use sample::{Sample, keep, take};
pub use series::{MAX_POINTS, Point, Span};

use database::Database;

use crate::error::AdminError;

/// Where it is unless the store is at another path; then it is `history.db` beside it.
pub const DEFAULT_FILE: &str = "/var/lib/session-limit/history.db";
/// Seconds between two samples.
pub const INTERVAL: i64 = 60;
/// Bytes that the file takes at most; then the oldest samples go before their time.
pub const MAX_BYTES: i64 = 64 * 1024 * 1024;

/// The history that belongs to a store of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    path: PathBuf,
}

impl History {
    /// Names the file that belongs to a store; nothing is touched yet.
    #[must_use]
    pub fn beside(store: &Path) -> Self {
        let path = if store == Path::new(DEFAULT_PATH) {
            PathBuf::from(DEFAULT_FILE)
        } else {
            store.with_file_name("history.db")
        };
        Self { path }
    }

    /// Adds a sample, and removes what is older than `days`. Returns a line for the log where a damaged file had
    /// to be given up.
    ///
    /// # Errors
    /// When the file is not safe or cannot be written.
    pub fn add(&self, sample: &Sample, days: u32) -> Result<Option<String>, AdminError> {
        Database::add(&self.path, sample, days)
    }

    /// Returns the points of a span, oldest first: those that something is known of.
    ///
    /// # Errors
    /// When the file is damaged, not safe or cannot be read.
    pub fn points(&self, span: Span) -> Result<Vec<Point>, AdminError> {
        match Database::open(&self.path)? {
            None => Ok(Vec::new()),
            Some(database) => database.run(|connection| series::points(connection, span)),
        }
    }
}

#[cfg(test)]
mod tests;
