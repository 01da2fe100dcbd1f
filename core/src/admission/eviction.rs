//! What a login asks to be ended, and what becomes of one that finds no slot: the rule of both phases, and
//! of the preview of a login.

use super::live::counted_sessions;
use super::request::{Answer, LoginRequest, LoginSettings};
use crate::model::policy::OnLimit;
use crate::model::profile::{Decision, decide};
use crate::model::session::{EvictionRequest, Session, SessionState};

/// What becomes of a login that finds no slot and asks for no eviction.
#[derive(Debug)]
pub enum DenialReason {
    /// The user is asked which of so many sessions to end.
    Ask {
        /// How many sessions there are to choose from.
        sessions: usize,
    },
    /// It is refused.
    Refuse,
}

/// Returns what a login asks to be ended, or how it ends because there is no slot. `own` is its row, if it
/// has one, `others` are the user's other living sessions.
pub fn requested_eviction(
    request: &LoginRequest,
    settings: &LoginSettings,
    own: Option<&Session>,
    others: &[Session],
) -> Result<EvictionRequest, DenialReason> {
    let requested = match own.map(|own| own.state) {
        // What the stack asks for, however many sessions there are.
        _ if request.clear_sessions => EvictionRequest::ClearAll,
        Some(SessionState::Reserved { eviction, .. }) => eviction,
        _ => EvictionRequest::None,
    };
    let is_permitted = decide(settings.limit, counted_sessions(others)) == Decision::Permit;
    if requested != EvictionRequest::None {
        return Ok(requested);
    }
    if is_permitted {
        // Who was asked all the same was so for the fleet, which has no slot.
        let is_for_fleet = settings.fleet.is_some()
            && effective_on_limit(request, settings) == OnLimit::Ask
            && request.answer == Some(Answer::All);
        return Ok(if is_for_fleet { EvictionRequest::ClearAll } else { EvictionRequest::None });
    }
    let sessions = others.iter().filter(|session| session.is_open()).count();
    let on_limit = match effective_on_limit(request, settings) {
        // Reservations cannot be ended: they are logins that have not shown every factor yet.
        OnLimit::Ask | OnLimit::EvictOldest if sessions == 0 => OnLimit::Reject,
        on_limit => on_limit,
    };
    match (on_limit, request.answer) {
        (OnLimit::Log, _) => Ok(EvictionRequest::None),
        (OnLimit::EvictOldest, _) => Ok(EvictionRequest::EvictOldest),
        (OnLimit::Ask, Some(Answer::All)) => Ok(EvictionRequest::ClearAll),
        (OnLimit::Ask, Some(Answer::Session(id))) => Ok(EvictionRequest::Session(id)),
        (OnLimit::Ask, None) => Err(DenialReason::Ask { sessions }),
        (OnLimit::Reject, _) | (OnLimit::Ask, Some(Answer::Nothing)) => Err(DenialReason::Refuse),
    }
}

/// Returns what happens beyond the limit: the stack's argument overrides the configuration.
pub fn effective_on_limit(request: &LoginRequest, settings: &LoginSettings) -> OnLimit {
    request.on_limit.unwrap_or(settings.on_limit)
}
