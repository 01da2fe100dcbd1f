//! The refused logins as objects.

use serde_json::Value;
use session_limit_core::refusals::Recorded;

use super::shown::{absent, value};
use crate::administration::Administration;
use crate::api::Resource;
use crate::api::objects::{Refusal, timestamp, url};
use crate::error::AdminError;

/// Returns one.
///
/// # Errors
/// See [`crate::api::answer`].
pub fn get(admin: &Administration, id: &str) -> Result<Value, AdminError> {
    let absent = || absent(Resource::Refusal, id);
    let wanted: i64 = id.parse().map_err(|_| absent())?;
    let found = admin.refusals_of(None)?.value;
    value(object(found.iter().find(|one| one.id == wanted).ok_or_else(absent)?))
}

/// Shows one.
pub fn object(recorded: &Recorded) -> Refusal {
    let Recorded { id, refusal } = recorded;
    Refusal {
        id: *id,
        url: url(Resource::Refusal, &id.to_string()),
        name: refusal.user.clone(),
        uid: refusal.uid,
        time: timestamp(refusal.time),
        service: refusal.origin.service.clone(),
        tty: refusal.origin.tty.clone(),
        rhost: refusal.origin.rhost.clone(),
        max_concurrent_sessions: refusal.limit,
        concurrent_sessions: refusal.held,
        held_by: refusal.held_by.clone(),
        is_admitted: refusal.admitted,
    }
}
