//! What is counted, in the text form of Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use session_limit_admin::api::statistics::Statistics;

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoginResult {
    /// A session was opened.
    Opened,
    /// The user may not log in; the limit is one of the reasons.
    Refused,
    /// Name or password were wrong.
    Failed,
    /// The login service is out of order.
    Broken,
}

impl LoginResult {
    fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Broken => "broken",
        }
    }
}

/// Counters since the start.
#[derive(Default)]
pub struct Metrics {
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    calls: BTreeMap<u16, u64>,
    logins: BTreeMap<LoginResult, u64>,
    login_time: Duration,
    clears: u64,
}

impl Metrics {
    /// Counts a call.
    pub fn call(&self, status: u16) {
        *self.lock().calls.entry(status).or_default() += 1;
    }

    /// Counts a login.
    pub fn login(&self, result: LoginResult, time: Duration) {
        let mut counters = self.lock();
        *counters.logins.entry(result).or_default() += 1;
        counters.login_time += time;
    }

    /// Counts a call that ended sessions.
    pub fn clear(&self) {
        self.lock().clears += 1;
    }

    /// Writes all down, with the counts of the store where they are known.
    pub fn text(&self, api_sessions: usize, store: Option<&Statistics>) -> String {
        let counters = self.lock();
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: Vec<(String, String)>| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP session_limit_{name} {help}");
            let _ = writeln!(text, "# TYPE session_limit_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "session_limit_{name}{labels} {value}");
            }
        };
        let one = |value: String| vec![(String::new(), value)];
        if let Some(store) = store {
            let open = store.open_sessions.iter();
            let open = open.map(|(service, n)| (label("service", service), n.to_string()));
            family("open_sessions", "gauge", "Open sessions of each PAM service.", open.collect());
            let at_limit = one(store.users_at_limit.to_string());
            family(
                "users_at_limit",
                "gauge",
                "Users who hold as many sessions as they may.",
                at_limit,
            );
        }
        if let Some(fleet) = store.and_then(|store| store.fleet.as_ref()) {
            let is_up = one(u8::from(fleet.hosts_and_sessions.is_some()).to_string());
            family("fleet_up", "gauge", "Whether the agent of this host and etcd answer.", is_up);
            if let Some((hosts, sessions)) = fleet.hosts_and_sessions {
                family("fleet_hosts", "gauge", "Hosts in the fleet.", one(hosts.to_string()));
                let help = "Open sessions on all hosts of the fleet.";
                family("fleet_sessions", "gauge", help, one(sessions.to_string()));
            }
            if let Some(counted) = &fleet.counted {
                let results = [
                    ("granted", counted.granted),
                    ("refused", counted.refused),
                    ("unanswered", counted.unanswered),
                ];
                let results = results.map(|(word, n)| (label("result", word), n.to_string()));
                let help = "Logins of this host by what its agent said.";
                family("fleet_logins_total", "counter", help, results.to_vec());
                let help = "Leases of this host that have expired.";
                let lost = one(counted.leases_lost.to_string());
                family("fleet_leases_lost_total", "counter", help, lost);
            }
        }
        let sessions = one(api_sessions.to_string());
        family("api_sessions", "gauge", "Sessions that are open through this service.", sessions);
        let calls = counters.calls.iter();
        let calls = calls.map(|(status, n)| (label("status", &status.to_string()), n.to_string()));
        family("api_calls_total", "counter", "Calls by the status of the answer.", calls.collect());
        let logins = counters.logins.iter();
        let logins = logins.map(|(result, n)| (label("result", result.word()), n.to_string()));
        family("api_logins_total", "counter", "Logins by how they ended.", logins.collect());
        let seconds = one(format!("{:.6}", counters.login_time.as_secs_f64()));
        family("api_login_seconds_total", "counter", "Time that logins took.", seconds);
        let clears = one(counters.clears.to_string());
        family("api_clears_total", "counter", "Calls that ended sessions.", clears);
        text
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{{{name}=\"{value}\"}}")
}

#[cfg(test)]
mod tests {
    use session_limit_admin::fleet::{FleetCounts, FleetStatistics};

    use super::*;

    #[test]
    fn counts_are_written_in_the_text_form() {
        let metrics = Metrics::default();
        metrics.call(200);
        metrics.call(200);
        metrics.login(LoginResult::Refused, Duration::from_millis(1500));
        let open_sessions = BTreeMap::from([("a\"b".to_owned(), 3)]);
        let counted = FleetCounts { refused: 7, ..FleetCounts::default() };
        let fleet =
            FleetStatistics { hosts_and_sessions: Some((3, 17)), counted: Some(counted.clone()) };
        let mut store = Statistics { open_sessions, users_at_limit: 1, fleet: Some(fleet) };
        let text = metrics.text(4, Some(&store));
        for line in [
            "session_limit_open_sessions{service=\"a\\\"b\"} 3",
            "session_limit_users_at_limit 1",
            "session_limit_fleet_up 1",
            "session_limit_fleet_hosts 3",
            "session_limit_fleet_sessions 17",
            "session_limit_fleet_logins_total{result=\"refused\"} 7",
            "session_limit_api_sessions 4",
            "session_limit_api_calls_total{status=\"200\"} 2",
            "session_limit_api_logins_total{result=\"refused\"} 1",
            "session_limit_api_login_seconds_total 1.500000",
            "session_limit_api_clears_total 0",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
        store.fleet = Some(FleetStatistics { hosts_and_sessions: None, counted: Some(counted) });
        let text = metrics.text(4, Some(&store));
        assert!(
            text.contains("session_limit_fleet_up 0") && !text.contains("fleet_hosts"),
            "{text}"
        );
        store.fleet = None;
        assert!(!metrics.text(4, Some(&store)).contains("fleet"));
    }
}
