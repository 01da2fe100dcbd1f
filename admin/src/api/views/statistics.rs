//! Counts for monitoring: no names of users.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::administration::Administration;
use crate::error::AdminError;
use crate::fleet::FleetStatistics;
use crate::sessions::is_held;

/// What the store says, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Open sessions of each PAM service.
    pub open_sessions: BTreeMap<String, usize>,
    /// Users who hold as many sessions as they may.
    pub users_at_limit: usize,
    /// The fleet; absent where this host is in none.
    pub fleet: Option<FleetStatistics>,
}

/// Counts the sessions of all users, with the rights of an administrator.
///
/// # Errors
/// When the store or the name services fail.
pub fn collect(admin: &Administration) -> Result<Statistics, AdminError> {
    let mut statistics = Statistics { fleet: admin.fleet_statistics()?, ..Statistics::default() };
    for user in admin.overviews()?.value {
        let limit = user.profile.as_ref().map_or(0, |profile| profile.max_concurrent_sessions);
        let held = user.concurrent_sessions();
        if limit != 0 && held >= usize::try_from(limit).unwrap_or(usize::MAX) {
            statistics.users_at_limit += 1;
        }
        for seen in user.sessions.iter().filter(|seen| is_held(seen)) {
            *statistics.open_sessions.entry(seen.session.origin.service.clone()).or_default() += 1;
        }
    }
    Ok(statistics)
}
