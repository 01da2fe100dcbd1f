//! What all calls share: sessions, counters, the settings in use.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::StatusCode;
use session_limit_core::model::service_settings::Service;

use super::banner;
use super::failure::Failure;
use super::metrics::Metrics;
use crate::sessions::{Attempt, Attempts, Pending, Table, settings};

/// What all calls share.
#[derive(Clone, Default)]
pub struct App {
    /// The open sessions.
    pub table: Table,
    /// Failed logins.
    pub attempts: Attempts,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Logins of the console that wait for an answer.
    pub pending: Pending,
    settings: Arc<Mutex<Settings>>,
}

/// The settings in use, and why the file behind them is refused, if it is.
#[derive(Clone, Default)]
pub struct Settings {
    /// The `[service]` table; the defaults while the file is refused.
    pub service: Service,
    /// The line that says what is wrong with the file.
    pub mistake: Option<String>,
}

impl App {
    /// Returns the settings in use.
    pub fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a login attempt of a client; nothing where there were too many.
    pub fn begin_attempt(&self, address: IpAddr) -> Option<Attempt> {
        let service = self.settings().service;
        let (each, all) = (service.login_attempts_per_address, service.login_attempts);
        self.attempts.begin(address, each, all, Instant::now())
    }

    /// Takes settings into use. Those of a file that is refused change nothing but what is said.
    pub fn configure(&self, read: Result<Service, String>) {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(service) = &read {
            banner::read(service.banner.as_deref());
        }
        match read {
            Ok(service) => *settings = Settings { service, mistake: None },
            Err(mistake) => settings.mistake = Some(mistake),
        }
    }
}

/// While the configuration is refused no user is let in; it is asked for again, for it may be valid by now.
pub async fn refuse_while_broken(app: &App) -> Result<(), Failure> {
    if app.settings().mistake.is_none() {
        return Ok(());
    }
    let unavailable = |reason| Failure::new(StatusCode::SERVICE_UNAVAILABLE, reason);
    app.configure(settings::ask().await.map_err(unavailable)?);
    app.settings().mistake.map_or(Ok(()), |mistake| Err(unavailable(mistake)))
}
