//! What would become of a login, by the rules that the phases decide with. Nothing is recorded or ended.

use super::context::{Assessment, assess, is_counted};
use super::eviction::{DenialReason, effective_on_limit, requested_eviction};
use super::live::{LivenessCheck, counted_sessions};
use super::request::{AdmissionError, LoginRequest, LoginSettings};
use crate::config::Config;
use crate::config::assignment::AssignedProfile;
use crate::fleet::{Agent, Answer, Request};
use crate::model::fleet_settings::OnEngineDown;
use crate::model::policy::OnLimit;
use crate::model::profile::{Decision, Limit, decide};
use crate::model::service::service_kind;
use crate::model::session::{EvictionRequest, Session};
use crate::process::HostIdentity;
use crate::store::{Store, StoreContent, StoreError};
use crate::system;

/// What would become of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedOutcome {
    /// The module has no say: the service is not counted.
    NotCounted,
    /// Let in: the profile sets no limit.
    Unlimited,
    /// Let in: a slot is free.
    SlotIsFree,
    /// Let in once sessions have been ended, if that makes room; what is ended.
    AfterEviction(EvictionRequest),
    /// Let in although the limit has been reached, and logged.
    Logged,
    /// The user is asked which of so many sessions to end; refused unless they choose.
    Asked(usize),
    /// Refused: the limit has been reached.
    Refused,
}

/// A login that has not been made.
#[derive(Debug)]
pub struct LoginPreview {
    /// What would become of it.
    pub outcome: ExpectedOutcome,
    /// What it would be checked by.
    pub settings: LoginSettings,
    /// The profile that holds, and what assigns it.
    pub assigned: AssignedProfile,
    /// The user's living sessions and reservations on this host, oldest first.
    pub live: Vec<Session>,
    /// What the fleet says, where there is one and this host alone would let the login in.
    pub fleet: Option<Answer>,
    /// The service switches the user inside a login, or logs in inside one: where it is started inside a
    /// counted session of the same user, it is part of that session and needs no slot.
    pub may_be_nested: bool,
}

/// Returns what would become of the login `request` if it were made now, from outside any session.
///
/// # Errors
///
/// As for the login: an unknown user, name services or a store that cannot be used.
pub fn preview(
    request: &LoginRequest,
    config: &Config,
    store: &Store,
) -> Result<LoginPreview, AdmissionError> {
    let Assessment { settings, assigned } = assess(request, config)?;
    let live = live_sessions_of(settings.user.uid, store)?;
    let outcome = match requested_eviction(request, &settings, None, &live) {
        _ if !is_counted(&request.origin.service, config) => ExpectedOutcome::NotCounted,
        Ok(EvictionRequest::None) if settings.limit == Limit::Off => ExpectedOutcome::Unlimited,
        Ok(EvictionRequest::None)
            if decide(settings.limit, counted_sessions(&live)) == Decision::Deny =>
        {
            ExpectedOutcome::Logged
        }
        Ok(EvictionRequest::None) => ExpectedOutcome::SlotIsFree,
        Ok(eviction) => ExpectedOutcome::AfterEviction(eviction),
        Err(DenialReason::Ask { sessions }) => ExpectedOutcome::Asked(sessions),
        Err(DenialReason::Refuse) => ExpectedOutcome::Refused,
    };
    let asks_fleet = outcome == ExpectedOutcome::SlotIsFree && settings.fleet.is_some();
    let fleet = asks_fleet.then(|| {
        let (uid, limit) = (settings.user.uid, settings.limit.number());
        Agent::beside(&request.state).ask(&Request::Check { uid, limit })
    });
    let outcome = fleet.as_ref().map_or(outcome, |answer| over_fleet(answer, request, &settings));
    let may_be_nested = !service_kind(&request.origin.service).stands_alone();
    Ok(LoginPreview { outcome, settings, assigned, live, fleet, may_be_nested })
}

/// Returns what becomes of a login that this host alone would let in.
fn over_fleet(
    answer: &Answer,
    request: &LoginRequest,
    settings: &LoginSettings,
) -> ExpectedOutcome {
    match (answer, settings.fleet) {
        (Answer::Refused(counts), _) => match effective_on_limit(request, settings) {
            OnLimit::Log => ExpectedOutcome::Logged,
            OnLimit::EvictOldest => ExpectedOutcome::AfterEviction(EvictionRequest::EvictOldest),
            OnLimit::Ask => {
                ExpectedOutcome::Asked(usize::try_from(counts.total()).unwrap_or(usize::MAX))
            }
            OnLimit::Reject => ExpectedOutcome::Refused,
        },
        (Answer::Down(_), Some(OnEngineDown::Refuse)) => ExpectedOutcome::Refused,
        (Answer::Granted(_) | Answer::Down(_), _) => ExpectedOutcome::SlotIsFree,
    }
}

/// Returns the user's living sessions, oldest first, as they stand; stale rows stay where they are.
fn live_sessions_of(uid: u32, store: &Store) -> Result<Vec<Session>, AdmissionError> {
    let unreadable = |reason: &str| Err(StoreError::at(store.path(), reason).into());
    let rows = match store.examine(|content| content.sessions_of(uid))? {
        StoreContent::Absent | StoreContent::Empty => return Ok(Vec::new()),
        StoreContent::Present { value, .. } => value,
        StoreContent::Older(version) => {
            return unreadable(&format!(
                "version {version} of the store, which the next login takes over"
            ));
        }
        StoreContent::Unfinished => {
            return unreadable("a transaction was left unfinished; the next login undoes it");
        }
        StoreContent::Damaged(reason) => {
            return unreadable(&format!("damaged ({reason}); the next login moves it aside"));
        }
    };
    let host = HostIdentity::current()
        .map_err(|error| AdmissionError::System(system::error_text(&error)))?;
    let check = LivenessCheck::new(&host, store);
    Ok(rows.into_iter().filter(|session| !check.is_stale(session)).collect())
}
