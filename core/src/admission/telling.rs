//! What a user at the limit is told of their sessions. Text only; best effort, for no verdict hangs on it.

use super::live::counted_sessions;
use super::request::SessionChoice;
use crate::fleet::HostCounts;
use crate::model::policy::Tell;
use crate::model::sanitize::shortened;
use crate::model::session::Session;
use crate::model::utc::utc;
use crate::process::table::{Process, all_processes};
use crate::process::terminal::{self, Terminal};
use crate::process::{HostIdentity, Liveness};
use crate::system::clock;

/// Lines that sessions take at most; of more sessions the last line says how many more there are.
pub const MAX_LINES: usize = 10;
/// Characters that are shown of a text from outside.
const MAX_TEXT: usize = 48;

/// Returns what `tell` says of `sessions`, those of a user whose limit has been reached.
#[must_use]
pub fn lines(tell: Tell, sessions: &[Session], limit: u32, host: &HostIdentity) -> Vec<String> {
    match tell {
        Tell::Nothing => Vec::new(),
        Tell::Count => vec![format!("{} of {limit} sessions in use", counted_sessions(sessions))],
        Tell::Sessions => {
            let counted: Vec<&Session> =
                sessions.iter().filter(|session| session.counts_toward_limit()).collect();
            let shown = shown_of(counted.len());
            let now = clock::epoch_seconds();
            let processes = all_processes();
            let mut lines: Vec<String> = counted
                .iter()
                .take(shown)
                .map(|session| line(session, terminal_of(session, host, &processes).as_ref(), now))
                .collect();
            lines.extend(more(counted.len() - shown));
            lines
        }
    }
}

/// Returns a line for each other host that holds slots; the first of `counts` is this one.
#[must_use]
pub fn lines_of_hosts(counts: &HostCounts) -> Vec<String> {
    let others: Vec<_> = counts.0.iter().skip(1).filter(|(_, count)| *count > 0).collect();
    let shown = shown_of(others.len());
    let line = |(host, count): &&(String, u32)| match count {
        1 => format!("1 session on {host}"),
        _ => format!("{count} sessions on {host}"),
    };
    let mut lines: Vec<String> = others.iter().take(shown).map(line).collect();
    if others.len() > shown {
        lines.push(format!("and {} more hosts", others.len() - shown));
    }
    lines
}

/// Returns the open sessions of `sessions` that a user chooses from, and how many more there are.
///
/// Only service and start are said unless `with_origin`: a user who lacks a factor may not be told where
/// another has logged in from.
#[must_use]
pub fn choices(
    sessions: &[Session],
    with_origin: bool,
    host: &HostIdentity,
) -> (Vec<SessionChoice>, usize) {
    let open: Vec<&Session> = sessions.iter().filter(|session| session.is_open()).collect();
    let shown = shown_of(open.len());
    let now = clock::epoch_seconds();
    let processes = if with_origin { all_processes() } else { Vec::new() };
    let line_of = |session: &Session| {
        if with_origin {
            line(session, terminal_of(session, host, &processes).as_ref(), now)
        } else {
            let service = shortened(&session.origin.service, MAX_TEXT);
            format!("{service} since {}", utc(session.since))
        }
    };
    let choices = open
        .iter()
        .take(shown)
        .map(|session| SessionChoice { id: session.id, line: line_of(session) })
        .collect();
    (choices, open.len() - shown)
}

/// Returns how many of `sessions` get a line of their own.
fn shown_of(sessions: usize) -> usize {
    if sessions > MAX_LINES { MAX_LINES - 1 } else { sessions }
}

/// Returns the line for the sessions that have none of their own.
#[must_use]
pub fn more(sessions: usize) -> Option<String> {
    (sessions > 0).then(|| format!("and {sessions} more"))
}

fn terminal_of(session: &Session, host: &HostIdentity, processes: &[Process]) -> Option<Terminal> {
    // Pids of another namespace mean other processes here.
    let is_here = session.is_open() && host.liveness(&session.leader) == Liveness::Alive;
    is_here.then(|| terminal::of_session(&session.leader, session.uid, processes)).flatten()
}

/// Returns one session as a line: `sshd from 192.0.2.7 on pts/3 since 2026-11-25 18:42:05 UTC, idle 12 min`,
/// leaving out what is not known.
fn line(session: &Session, terminal: Option<&Terminal>, now: i64) -> String {
    let origin = &session.origin;
    let mut line = shortened(&origin.service, MAX_TEXT);
    if let Some(rhost) = &origin.rhost {
        line.push_str(&format!(" from {}", shortened(rhost, MAX_TEXT)));
    }
    // sshd calls no terminal but itself by its name: it has none yet when it asks.
    let tty = origin.tty.as_deref().filter(|&tty| tty != "ssh");
    if let Some(tty) = terminal.map(|terminal| terminal.path.as_str()).or(tty) {
        let name = tty.strip_prefix("/dev/").unwrap_or(tty);
        line.push_str(&format!(" on {}", shortened(name, MAX_TEXT)));
    }
    line.push_str(&format!(" since {}", utc(session.since)));
    if !session.is_open() {
        line.push_str(", logging in");
    }
    if let Some(terminal) = terminal {
        line.push_str(&format!(", idle {}", duration(now.saturating_sub(terminal.last_input))));
    }
    line
}

/// Returns a time in its largest unit: `0 min`, `59 min`, `47 h`, `3 d`.
fn duration(seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match minutes {
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::{EvictionRequest, Origin, SessionState, open_session};

    fn session(tty: Option<&str>, rhost: Option<&str>) -> Session {
        let (tty, rhost) = (tty.map(str::to_owned), rhost.map(str::to_owned));
        let origin = Origin { service: "sshd".into(), tty, rhost };
        Session { origin, since: 1_795_632_125, ..open_session() }
    }

    #[test]
    fn a_line_says_what_is_known_and_nothing_else() {
        let terminal = Terminal { path: "/dev/pts/3".into(), last_input: 1_000 };
        let with = |session: &Session| line(session, Some(&terminal), 1_720);
        let without = |session: &Session| line(session, None, 1_720);
        let ssh = session(Some("ssh"), Some("192.0.2.7"));
        let since = "since 2026-11-25 18:42:05 UTC";
        assert_eq!(with(&ssh), format!("sshd from 192.0.2.7 on pts/3 {since}, idle 12 min"));
        assert_eq!(without(&ssh), format!("sshd from 192.0.2.7 {since}"));
        assert_eq!(without(&session(Some("/dev/tty1"), None)), format!("sshd on tty1 {since}"));
        assert_eq!(without(&session(None, None)), format!("sshd {since}"));
        let state =
            SessionState::Reserved { until: 1, eviction: EvictionRequest::None, by_child: false };
        let reserved = Session { state, ..session(None, None) };
        assert_eq!(without(&reserved), format!("sshd {since}, logging in"));
    }

    #[test]
    fn a_long_text_is_cut_short() {
        let hostile = session(Some(&"t".repeat(256)), Some(&"\\u{1b}".repeat(60)));
        let line = line(&hostile, None, 0);
        assert!(line.len() < 180, "{line}");
    }

    #[test]
    fn idle_time_is_in_its_largest_unit() {
        let shown = [-5, 59, 60, 3_599, 3_600, 172_799, 172_800].map(duration);
        assert_eq!(shown, ["0 min", "0 min", "1 min", "59 min", "1 h", "47 h", "2 d"]);
    }

    #[test]
    fn sessions_take_ten_lines_at_most() {
        let host = HostIdentity::current().unwrap();
        let lines_of = |n| {
            let sessions = vec![session(None, None); n];
            lines(Tell::Sessions, &sessions, 2, &host)
        };
        assert_eq!(lines_of(10).len(), 10);
        let many = lines_of(200);
        assert_eq!((many.len(), many.last().unwrap().as_str()), (10, "and 191 more"));
        let sessions = [session(None, None), session(None, None)];
        assert_eq!(lines(Tell::Count, &sessions, 2, &host), ["2 of 2 sessions in use"]);
        assert_eq!(lines(Tell::Nothing, &sessions, 2, &host), Vec::<String>::new());
    }
}
