//! How the hosts of a fleet and their sessions are shown.

use serde::Serialize;
use session_limit_admin::fleet::{Elsewhere, FleetHost};
use session_limit_admin::sessions::SessionView;

use super::response::{Response, timestamp};
use super::table::Table;
use super::views::SessionRow;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HostRow<'a> {
    host: &'a str,
    since: String,
    last_seen_seconds: u32,
    sessions: usize,
    version: &'a str,
    is_self: bool,
}

/// Lists the hosts of a fleet.
#[must_use]
pub fn hosts(hosts: &[FleetHost]) -> Response {
    let mut table = Table::new(&["host", "since", "last_seen", "sessions", "version"]);
    let mut rows = Vec::new();
    for host in hosts {
        let row = HostRow {
            host: &host.host,
            since: timestamp(host.since),
            last_seen_seconds: host.renewed,
            sessions: host.sessions,
            version: &host.version,
            is_self: host.is_self,
        };
        table.row([
            if row.is_self { format!("{} (this host)", row.host) } else { row.host.to_owned() },
            row.since.clone(),
            format!("{} s ago", row.last_seen_seconds),
            row.sessions.to_string(),
            row.version.to_owned(),
        ]);
        rows.push(row);
    }
    Response::new("fleet", &rows, table.to_string())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum AnyRow<'a> {
    Here {
        host: &'a str,
        #[serde(flatten)]
        row: SessionRow<'a>,
    },
    Elsewhere {
        host: &'a str,
        id: i64,
        user: &'a str,
        uid: u32,
        service: &'a str,
        tty: Option<&'a str>,
        rhost: Option<&'a str>,
        since: String,
        state: &'static str,
    },
}

/// Lists the sessions of this host, as its store has them, and those of the others, as the fleet knows them.
#[must_use]
pub fn sessions(here: &[SessionView], fleet: &Elsewhere) -> Response {
    let header = ["host", "id", "user", "service", "tty", "rhost", "pid", "since", "state"];
    let mut table = Table::new(&header);
    let mut rows = Vec::new();
    for seen in here {
        let row = SessionRow::from(seen);
        let [id, user, service, tty, rhost, pid, since, state] = row.cells();
        table.row([fleet.own_host.clone(), id, user, service, tty, rhost, pid, since, state]);
        rows.push(AnyRow::Here { host: &fleet.own_host, row });
    }
    for session in &fleet.sessions {
        let since = timestamp(session.since);
        let (tty, rhost) = (session.tty.as_deref(), session.rhost.as_deref());
        table.row([
            session.host.clone(),
            session.id.to_string(),
            session.user.clone(),
            session.service.clone(),
            tty.unwrap_or_default().to_owned(),
            rhost.unwrap_or_default().to_owned(),
            String::new(),
            since.clone(),
            "open".to_owned(),
        ]);
        rows.push(AnyRow::Elsewhere {
            host: &session.host,
            id: session.id,
            user: &session.user,
            uid: session.uid,
            service: &session.service,
            tty,
            rhost,
            since,
            state: "open",
        });
    }
    Response::new("session", &rows, table.to_string())
}
