//! One look at the host, and keeping it.

use std::collections::BTreeMap;

use session_limit_core::config::Config;
use session_limit_core::model::refusal::Refusal;
use session_limit_core::refusals::Refusals;
use session_limit_core::system::clock;

use super::History;
use crate::administration::{Administration, profile_of, user_named};
use crate::error::{AdminError, AdminErrorKind};
use crate::sessions::is_held;

/// What there was at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Seconds since the epoch.
    pub time: i64,
    /// Open sessions of each PAM service.
    pub services: BTreeMap<String, i64>,
    /// Open sessions of each user, by user id.
    pub users: BTreeMap<u32, i64>,
    /// Users who hold as many sessions as they may.
    pub users_at_limit: i64,
    /// Refusals that are recorded; those that the history has already count once.
    pub refusals: Vec<Refusal>,
}

/// Takes a sample, with the rights of an administrator.
///
/// # Errors
/// When the store or the name services fail.
pub fn take(admin: &Administration) -> Result<Sample, AdminError> {
    let config = admin.known()?.config;
    // The time first: a refusal that is recorded after the look is counted by the next sample.
    let mut sample = Sample { time: clock::epoch_seconds(), ..Sample::default() };
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for seen in admin.sessions.seen(None)?.iter().filter(|seen| is_held(seen)) {
        let session = &seen.session;
        *sample.services.entry(session.origin.service.clone()).or_default() += 1;
        *sample.users.entry(session.uid).or_default() += 1;
        names.entry(session.uid).or_insert_with(|| session.user.clone());
    }
    for (&uid, name) in &names {
        let held = sample.users.get(&uid).copied().unwrap_or(0);
        if limit_of(&config, name, uid)?.is_some_and(|limit| held >= limit) {
            sample.users_at_limit += 1;
        }
    }
    let refusals = Refusals::beside(admin.sessions.path()).read(None);
    let refusals =
        refusals.map_err(|error| AdminError::new(AdminErrorKind::Store, error.to_string()))?;
    sample.refusals = refusals.into_iter().map(|recorded| recorded.refusal).collect();
    Ok(sample)
}

/// Returns the limit of a user; nothing where there is none, or the account is gone.
fn limit_of(config: &Config, name: &str, uid: u32) -> Result<Option<i64>, AdminError> {
    let user = match user_named(name) {
        Ok(user) if user.uid == uid => user,
        Err(error) if error.kind != AdminErrorKind::NotFound => return Err(error),
        _ => return Ok(None),
    };
    let limit = i64::from(profile_of(config, &user)?.max_concurrent_sessions);
    Ok((limit > 0).then_some(limit))
}

/// Takes a sample and keeps it for as long as the configuration says; with 0 days none is taken. Returns a line
/// for the log where a damaged file had to be given up.
///
/// # Errors
/// When the store, the name services or the file of the history fail, or the configuration is refused.
pub fn keep(admin: &Administration) -> Result<Option<String>, AdminError> {
    match admin.read()?.service.history_days {
        0 => Ok(None),
        days => History::beside(admin.sessions.path()).add(&take(admin)?, days),
    }
}
