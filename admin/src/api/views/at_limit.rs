//! What a login that was refused at the limit may tell its user: which sessions take the slots.

use serde::{Deserialize, Serialize};
use session_limit_core::model::policy::Tell;

use super::shown;
use crate::administration::{Administration, profile_of};
use crate::api::objects::UserSession;
use crate::error::AdminError;
use crate::sessions::takes_slot;

/// Sessions that are listed at most, the oldest first.
const MAX_SESSIONS: usize = 50;
/// Bytes that the list takes at most: it travels in one packet.
const MAX_BYTES: usize = 24 * 1024;

/// What a client needs to offer a choice at the limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AtLimit {
    /// The user's slots in use, on all hosts of the fleet.
    pub concurrent_sessions: usize,
    /// The user's limit.
    pub max_concurrent_sessions: u32,
    /// How many sessions have to end before another can open.
    pub sessions_to_end: usize,
    /// Whether a login with `end_session` can choose which.
    pub end_session: bool,
    /// The user's open sessions on this host, the oldest first, 50 at most; absent where the policy says only how many
    /// there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Vec<UserSession>>,
}

/// Returns what the acting user, whose login was refused at the limit, is told; nothing where the policy has
/// it so. `may_choose`: the module asked which session to end.
///
/// # Errors
/// When configuration or store cannot be read.
pub fn at_limit(admin: &Administration, may_choose: bool) -> Result<Option<AtLimit>, AdminError> {
    let config = admin.read()?;
    let tell = config.policy.tell;
    if tell == Tell::Nothing && !may_choose {
        return Ok(None);
    }
    let limit = profile_of(&config, &admin.user)?.max_concurrent_sessions;
    let seen = admin.sessions_of(Some(&admin.own_name()))?.value;
    // Those of other hosts are not listed: what is chosen here ends sessions of this host.
    let (elsewhere, _) = admin.counted_elsewhere(&config, Some(admin.user.uid));
    let here = seen.iter().filter(|seen| takes_slot(seen)).count();
    let counted = here + elsewhere.len();
    let slots = usize::try_from(limit).unwrap_or(usize::MAX);
    // Over a fleet only the end of all sessions can be chosen.
    let may_choose = may_choose && here >= slots;
    let sessions = (may_choose || tell == Tell::Sessions).then(|| {
        let open = seen.iter().filter(|seen| takes_slot(seen) && seen.session.is_open());
        let mut bytes = 0;
        open.take(MAX_SESSIONS)
            .map(|seen| shown::session(admin, seen))
            .take_while(|session| {
                bytes += serde_json::to_vec(session).map_or(MAX_BYTES, |text| text.len());
                bytes <= MAX_BYTES
            })
            .collect()
    });
    Ok(Some(AtLimit {
        concurrent_sessions: counted,
        max_concurrent_sessions: limit,
        sessions_to_end: (counted + 1).saturating_sub(slots),
        end_session: may_choose,
        sessions,
    }))
}
