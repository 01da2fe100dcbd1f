//! The hosts of the fleet and the sessions of all hosts as objects.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shown::{self, absent, found, value, values};
use crate::administration::Administration;
use crate::api::objects::{timestamp, url};
use crate::api::{ListQuery, Resource};
use crate::error::AdminError;
use crate::fleet::{self, Elsewhere, no_fleet};
use crate::sessions::SessionView;

/// A host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetHost {
    /// Path of the object.
    pub url: String,
    /// Name of the host.
    pub name: String,
    /// When its agent joined, as RFC 3339 writes it, by the clock of the host.
    pub since: String,
    /// Seconds since its agent was last heard of.
    pub last_seen_seconds: u32,
    /// Its sessions.
    pub sessions: usize,
    /// The version of its agent.
    pub version: String,
    /// Whether it is the host that answers.
    pub is_self: bool,
}

/// A session on any host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FleetSession {
    /// Number of the session on its host.
    pub id: i64,
    /// Path of the object.
    pub url: String,
    /// Name of the host.
    pub host: String,
    /// Name of the user.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// PAM service.
    pub service: String,
    /// Terminal.
    pub tty: Option<String>,
    /// Address of the client.
    pub rhost: Option<String>,
    /// The process that leads the session; absent for those of other hosts.
    pub pid: Option<i32>,
    /// When it began, as RFC 3339 writes it, by the clock of the host.
    pub since: String,
    /// `open`; for sessions of the host that answers also `reserved`, `stale` or `elsewhere`.
    pub state: String,
    /// Whether it is the session of this very request.
    pub is_current: bool,
    /// Whether it is on the host that answers.
    pub is_on_self: bool,
}

/// Returns the hosts.
///
/// # Errors
/// See [`Administration::fleet_hosts`].
pub fn hosts(admin: &Administration) -> Result<Vec<Value>, AdminError> {
    values(admin.fleet_hosts()?.iter().map(host))
}

/// Returns the sessions of all hosts; users who are no administrators see their own.
///
/// # Errors
/// When there is no fleet, or the agent cannot be asked.
pub fn sessions(admin: &Administration, query: &ListQuery) -> Result<Vec<Value>, AdminError> {
    let name = query.name.as_deref();
    match found(admin.fleet_sessions(name))? {
        Some(Some(elsewhere)) => values(of_all_hosts(admin, name, &elsewhere)?),
        Some(None) => Err(no_fleet()),
        // The host knows no user of this name.
        None => Ok(Vec::new()),
    }
}

/// Returns one host.
///
/// # Errors
/// When there is none of that name.
pub fn one_host(admin: &Administration, name: &str) -> Result<Value, AdminError> {
    let all = admin.fleet_hosts()?;
    let found = all.iter().find(|host| host.host == name);
    value(host(found.ok_or_else(|| absent(Resource::FleetHost, name))?))
}

/// Returns one session: `HOST:ID`.
///
/// # Errors
/// When there is none.
pub fn one_session(admin: &Administration, id: &str) -> Result<Value, AdminError> {
    let url = url(Resource::FleetSession, id);
    let elsewhere = admin.fleet_sessions(None)?.ok_or_else(no_fleet)?;
    let all = of_all_hosts(admin, None, &elsewhere)?;
    let found = all.into_iter().find(|session| session.url == url);
    value(found.ok_or_else(|| absent(Resource::FleetSession, id))?)
}

/// Those of this host as its store has them, and those of the others as the fleet knows them.
fn of_all_hosts(
    admin: &Administration,
    name: Option<&str>,
    elsewhere: &Elsewhere,
) -> Result<Vec<FleetSession>, AdminError> {
    let here = admin.sessions_of(name)?.value;
    let here = here.iter().map(|seen| on_self(admin, seen, &elsewhere.own_host));
    Ok(here.chain(elsewhere.sessions.iter().map(on_other)).collect())
}

/// Shows a session of this host.
pub fn on_self(admin: &Administration, seen: &SessionView, host: &str) -> FleetSession {
    let session = shown::session(admin, seen);
    FleetSession {
        id: session.id,
        url: session_url(host, session.id),
        host: host.to_owned(),
        name: session.name,
        uid: session.uid,
        service: session.service,
        tty: session.tty,
        rhost: session.rhost,
        pid: Some(session.pid),
        since: session.since,
        state: session.state,
        is_current: session.is_current,
        is_on_self: true,
    }
}

/// Shows a session of another host.
pub fn on_other(session: &fleet::FleetSession) -> FleetSession {
    FleetSession {
        id: session.id,
        url: session_url(&session.host, session.id),
        host: session.host.clone(),
        name: session.user.clone(),
        uid: session.uid,
        service: session.service.clone(),
        tty: session.tty.clone(),
        rhost: session.rhost.clone(),
        pid: None,
        since: timestamp(session.since),
        state: "open".to_owned(),
        is_current: false,
        is_on_self: false,
    }
}

fn session_url(host: &str, id: i64) -> String {
    url(Resource::FleetSession, &format!("{host}:{id}"))
}

fn host(host: &fleet::FleetHost) -> FleetHost {
    FleetHost {
        url: url(Resource::FleetHost, &host.host),
        name: host.host.clone(),
        since: timestamp(host.since),
        last_seen_seconds: host.renewed,
        sessions: host.sessions,
        version: host.version.clone(),
        is_self: host.is_self,
    }
}
