//! What is known of a login before the store is opened: configuration, user, limit.

use std::ffi::CStr;

use super::RESERVATION_MS;
use super::request::{AdmissionError, LoginRequest, LoginSettings, SessionToken};
use crate::config::Config;
use crate::config::assignment::{self, AssignedProfile};
use crate::model::profile::Limit;
use crate::process;
use crate::system::users::User;
use crate::system::{self, clock};

/// Returns what a login is checked by; `None` where its service is not counted.
///
/// An earlier phase of the same login has found it out already: `token` has it.
pub fn settings_for(
    request: &LoginRequest,
    token: Option<&SessionToken>,
) -> Result<Option<LoginSettings>, AdmissionError> {
    if let Some(known) = token.map(|token| &token.settings).filter(|known| is_for(known, request)) {
        return Ok(Some(LoginSettings { warnings: Vec::new(), ..known.clone() }));
    }
    let config = match &request.config {
        Some(path) => Config::load(path)?,
        None => Config::load_default()?,
    };
    if !is_counted(&request.origin.service, &config) {
        return Ok(None);
    }
    Ok(Some(assess(request, &config)?.settings))
}

/// Returns whether a login of this process through `service` counts.
#[must_use]
pub fn is_counted(service: &str, config: &Config) -> bool {
    // `machinectl shell` asks for the service of login(1), but only switches the user.
    let is_unit = service == "login" && process::is_becoming_a_unit();
    !is_unit && config.policy.counts(service)
}

/// What a login is checked by, and where that comes from.
#[derive(Debug)]
pub struct Assessment {
    /// What it is checked by.
    pub settings: LoginSettings,
    /// The profile that holds, and what assigns it.
    pub assigned: AssignedProfile,
}

/// Returns what a login is checked by under `config`, if its service is counted.
pub fn assess(request: &LoginRequest, config: &Config) -> Result<Assessment, AdmissionError> {
    let user = user_named(&request.user)?;
    let assigned = assignment::profile_for(config, &user).map_err(|e| {
        AdmissionError::System(format!("group database: {}", system::error_text(&e)))
    })?;
    let settings = LoginSettings {
        user,
        service: request.origin.service.clone(),
        config: request.config.clone(),
        limit: Limit::from(assigned.profile.max_concurrent_sessions),
        on_limit: assigned.profile.on_limit.unwrap_or(config.policy.on_limit),
        on_clear: config.policy.on_clear,
        tell: config.policy.tell,
        hint: config.policy.hint.clone(),
        notice: config.policy.notice,
        fleet: config.fleet.as_ref().map(|fleet| fleet.on_engine_down),
        read_at: clock::boot_ms(),
        warnings: assigned.warnings.clone(),
    };
    Ok(Assessment { settings, assigned })
}

/// Returns whether `known` holds for `request`, and is not older than a reservation gets.
fn is_for(known: &LoginSettings, request: &LoginRequest) -> bool {
    known.user.typed == request.user
        && known.service == request.origin.service
        && known.config == request.config
        && clock::boot_ms().saturating_sub(known.read_at) < RESERVATION_MS
}

fn user_named(name: &CStr) -> Result<User, AdmissionError> {
    User::named(name)
        .map_err(|e| AdmissionError::System(format!("user database: {}", system::error_text(&e))))?
        .ok_or(AdmissionError::UnknownUser)
}
