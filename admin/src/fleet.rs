//! The fleet as an administrator sees it: hosts, their sessions, and clearing on all of them. The agent of this host
//! is asked; without a `[fleet]` table there is nothing to ask.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::admission::clear_fleet;
use session_limit_core::config::Config;
use session_limit_core::fleet::{self, Agent, ClearedSessions, HostSession, Request};
use session_limit_core::model::fleet_settings::Fleet;

use crate::administration::{Administration, Found};
use crate::authorization::Permission;
use crate::error::{AdminError, AdminErrorKind};

/// How long the agent is waited for: etcd may have to be asked once for each host.
const DEADLINE: Duration = Duration::from_secs(10);
/// The same for counts, which do without an answer, and for monitoring, which asks again.
const MONITORING: Duration = Duration::from_secs(2);

/// A session on any host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetSession {
    /// The host.
    pub host: String,
    /// Its number in the store of that host.
    pub id: i64,
    /// User id.
    pub uid: u32,
    /// Name of the user.
    pub user: String,
    /// PAM service.
    pub service: String,
    /// Terminal.
    pub tty: Option<String>,
    /// Address of the client.
    pub rhost: Option<String>,
    /// Seconds after the epoch, by the clock of the host.
    pub since: i64,
}

/// The sessions of the other hosts, beside this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The name of this host.
    pub own_host: String,
    /// The sessions of the others, the oldest first.
    pub sessions: Vec<FleetSession>,
}

/// A host of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetHost {
    /// Its name.
    pub host: String,
    /// When its agent joined, in seconds after the epoch, by its own clock.
    pub since: i64,
    /// Seconds since its agent was last heard of.
    pub renewed: u32,
    /// How many sessions it has.
    pub sessions: usize,
    /// The version of its agent.
    pub version: String,
    /// Whether it is the host that was asked.
    pub is_self: bool,
}

/// How the agent of this host stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct AgentStatus {
    /// Whether etcd answers.
    answers: bool,
    #[serde(flatten)]
    counted: FleetCounts,
}

/// A fleet in numbers, as one host sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetStatistics {
    /// The hosts, and the sessions of all; absent while the agent or etcd cannot be asked.
    pub hosts_and_sessions: Option<(usize, usize)>,
    /// What the agent has counted since it was started; absent where there is none.
    pub counted: Option<FleetCounts>,
}

/// What an agent has counted since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetCounts {
    /// Logins of this host that were granted a slot.
    pub granted: u64,
    /// Logins that found none.
    pub refused: u64,
    /// Logins that could not be answered.
    pub unanswered: u64,
    /// Leases of this host that have expired.
    pub leases_lost: u64,
}

/// Asks the agent for numbers. What is not known is absent.
fn statistics(state: &Path) -> FleetStatistics {
    let Ok(status) = objects::<AgentStatus>(state, &Request::Status, MONITORING) else {
        return FleetStatistics::default();
    };
    let Some(status) = status.into_iter().next() else { return FleetStatistics::default() };
    let hosts = status.answers.then(|| objects::<FleetHost>(state, &Request::Hosts, MONITORING));
    let hosts = hosts.and_then(Result::ok);
    FleetStatistics {
        hosts_and_sessions: hosts
            .map(|hosts| (hosts.len(), hosts.iter().map(|host| host.sessions).sum())),
        counted: Some(status.counted),
    }
}

/// Returns the hosts of the fleet.
///
/// # Errors
/// When the agent or etcd cannot be asked.
fn hosts(state: &Path) -> Result<Vec<FleetHost>, AdminError> {
    objects(state, &Request::Hosts, DEADLINE)
}

/// Returns the sessions of the other hosts, or those of one user; the oldest first.
///
/// # Errors
/// When the agent or etcd cannot be asked.
fn sessions_elsewhere(
    state: &Path,
    fleet: &Fleet,
    uid: Option<u32>,
    within: Duration,
) -> Result<Elsewhere, AdminError> {
    let own_host = fleet::own_host(fleet);
    let mut sessions: Vec<FleetSession> = objects(state, &Request::Sessions { uid }, within)?;
    sessions.retain(|session| session.host != own_host);
    Ok(Elsewhere { own_host, sessions })
}

fn objects<T: DeserializeOwned>(
    state: &Path,
    request: &Request,
    within: Duration,
) -> Result<Vec<T>, AdminError> {
    let failed = |why: String| AdminError::new(AdminErrorKind::Fleet, format!("fleet: {why}"));
    let lines = Agent::beside(state).lines(request, Instant::now() + within).map_err(failed)?;
    let object = |line: &String| serde_json::from_str(line);
    lines.iter().map(object).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))
}

impl Administration {
    /// Returns the sessions of the other hosts of the fleet, or those of one user; `None` without a fleet.
    ///
    /// # Errors
    /// When the acting user may not see them, or the agent cannot be asked.
    pub fn fleet_sessions(&self, name: Option<&str>) -> Result<Option<Elsewhere>, AdminError> {
        let known = self.known()?;
        let Some(fleet) = &known.config.fleet else { return Ok(None) };
        let uid = self.visible_uid(&known.config, name)?;
        sessions_elsewhere(self.sessions.path(), fleet, uid, DEADLINE).map(Some)
    }

    /// Returns the sessions on other hosts, of one user or of all, for a count that goes on without them: if they are
    /// not known, with the reason. There are none without a fleet.
    pub(crate) fn counted_elsewhere(
        &self,
        config: &Config,
        uid: Option<u32>,
    ) -> (Vec<FleetSession>, Option<String>) {
        let Some(fleet) = &config.fleet else { return (Vec::new(), None) };
        match sessions_elsewhere(self.sessions.path(), fleet, uid, MONITORING) {
            Ok(elsewhere) => (elsewhere.sessions, None),
            Err(error) => (
                Vec::new(),
                Some(format!("sessions on other hosts are not counted: {}", error.message)),
            ),
        }
    }

    /// Returns whether a host of the fleet is this one.
    ///
    /// # Errors
    /// When there is no fleet.
    pub(crate) fn is_own_host(&self, host: &str) -> Result<bool, AdminError> {
        let known = self.known()?;
        let fleet = known.config.fleet.as_ref().ok_or_else(no_fleet)?;
        Ok(host == fleet::own_host(fleet))
    }

    /// Ends a session on any host of the fleet.
    ///
    /// # Errors
    /// When there is none there that the acting user may see, or it could not be ended.
    pub fn clear_session_of(&self, one: &HostSession) -> Result<Found<ClearSummary>, AdminError> {
        let known = self.known()?;
        let fleet = known.config.fleet.as_ref().ok_or_else(no_fleet)?;
        if one.host == fleet::own_host(fleet) {
            return self.clear_session(one.id);
        }
        let visible = self.visible_uid(&known.config, None)?;
        let all = sessions_elsewhere(self.sessions.path(), fleet, visible, DEADLINE)?.sessions;
        let is_it = |session: &FleetSession| session.host == one.host && session.id == one.id;
        let Some(session) = all.into_iter().find(is_it) else {
            let message = format!("session {one}: there is none");
            return Err(AdminError::new(AdminErrorKind::NotFound, message));
        };
        self.reach(&known.config)?.check(Permission::Clear(session.uid))?;
        let mut cleared = ClearSummary::default();
        let target = ClearedSessions::One(one.clone());
        let state = self.sessions.path();
        let warnings = clear_fleet(state, session.uid, &target, &self.ended_by(), &mut cleared);
        if let Some(warning) = warnings.into_iter().next() {
            return Err(AdminError::new(AdminErrorKind::Fleet, format!("fleet: {warning}")));
        }
        self.report_cleared(&cleared, &format!("session {one} of {}", session.user))?;
        Ok(known.found(cleared))
    }

    /// Returns the hosts of the fleet.
    ///
    /// # Errors
    /// When the acting user may not see them, there is no fleet, or the agent cannot be asked.
    pub fn fleet_hosts(&self) -> Result<Vec<FleetHost>, AdminError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::SeeOthers)?;
        if config.fleet.is_none() {
            return Err(no_fleet());
        }
        hosts(self.sessions.path())
    }

    /// Returns the fleet in numbers; `None` where this host is in none.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub(crate) fn fleet_statistics(&self) -> Result<Option<FleetStatistics>, AdminError> {
        let is_in_fleet = self.known()?.config.fleet.is_some();
        Ok(is_in_fleet.then(|| statistics(self.sessions.path())))
    }
}

/// The error of what asks for a fleet where there is none.
pub(crate) fn no_fleet() -> AdminError {
    let message = "this host is in no fleet: the configuration has no [fleet] table";
    AdminError::new(AdminErrorKind::NotFound, message)
}

/// Adds to what a clearing of this host came to what it comes to on the others.
///
/// # Errors
/// That of this host; the others have been asked all the same.
pub(crate) fn clear_too(
    admin: &Administration,
    uid: u32,
    ended: Result<Found<ClearSummary>, AdminError>,
) -> Result<Found<ClearSummary>, AdminError> {
    let mut elsewhere = ClearSummary::default();
    let (state, by) = (admin.sessions.path(), admin.ended_by());
    let warnings = clear_fleet(state, uid, &ClearedSessions::Elsewhere, &by, &mut elsewhere);
    let mut ended = ended?;
    ended.value.add_all(&elsewhere);
    ended.warnings.extend(warnings);
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_the_agent_says_is_read_to_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("x.db");
        assert!(hosts(&state).unwrap_err().message.contains("session-limit-agent is not running"));
        let listener = UnixListener::bind(Agent::beside(&state).socket()).unwrap();
        let server = std::thread::spawn(move || {
            for answer in [
                "{\"host\":\"web1\",\"since\":1,\"renewed\":2,\"sessions\":3,\"version\":\"0.1.0\",\"is_self\":true}\n1 end\n",
                "1 down etcd gave no answer\n",
                "1 host web2 1 1 0 0 0\n1 silent web3\n1 end\n",
            ] {
                let (mut socket, _) = listener.accept().unwrap();
                BufReader::new(&socket).read_line(&mut String::new()).unwrap();
                socket.write_all(answer.as_bytes()).unwrap();
            }
        });
        let found = hosts(&state).unwrap();
        assert_eq!((found[0].host.as_str(), found[0].sessions), ("web1", 3));
        let fleet = "[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\n";
        let fleet = Config::parse(fleet).unwrap().fleet.unwrap();
        let refused = sessions_elsewhere(&state, &fleet, None, DEADLINE).unwrap_err();
        assert_eq!(refused.message, "fleet: etcd gave no answer");
        let mut summary = ClearSummary::default();
        let warnings = clear_fleet(&state, 1, &ClearedSessions::Elsewhere, "root", &mut summary);
        assert_eq!((summary.terminated, summary.killed), (1, 1));
        assert_eq!(
            warnings,
            ["host web3 has not answered: sessions there may not have been ended"]
        );
        server.join().unwrap();
    }
}
