//! What a host's programs and its agent say to each other: one line of words each, the first of them the
//! version. Names have no spaces; a text comes last.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::model::fleet_settings::is_host_name;

/// The version of the lines.
pub const VERSION: &str = "1";
/// Bytes of the longest line that is read.
pub const MAX_LINE: usize = 64 * 1024;
/// The agent's socket, beside the store.
pub const SOCKET: &str = "fleet.sock";

/// What a program asks its host's agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A slot for the session with this number in the local store.
    Take {
        /// The user.
        uid: u32,
        /// The session's number.
        id: i64,
        /// How many sessions the user may hold over the fleet.
        limit: u32,
        /// Who logs in, and from where; for display.
        login: LoginText,
    },
    /// Whether a slot is free; none is taken.
    Check {
        /// The user.
        uid: u32,
        /// How many sessions the user may hold over the fleet.
        limit: u32,
    },
    /// The session is over.
    Free {
        /// The user.
        uid: u32,
        /// The session's number.
        id: i64,
    },
    /// Sessions of the user are to be ended.
    Clear {
        /// The user.
        uid: u32,
        /// Which of them.
        sessions: ClearedSessions,
        /// Who does it: what the terminals of the sessions say.
        by: String,
    },
    /// The sessions of all hosts, or of one user.
    Sessions {
        /// The user.
        uid: Option<u32>,
    },
    /// The hosts of the fleet.
    Hosts,
    /// How the agent stands, and what it has counted.
    Status,
}

/// Which sessions of a user [`Request::Clear`] means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearedSessions {
    /// All on the other hosts: the host that asks has ended its own already.
    Elsewhere,
    /// So many over all hosts, the oldest first.
    Oldest(u32),
    /// One.
    One(HostSession),
}

/// A session and its host, written `HOST:ID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSession {
    /// The name of the host.
    pub host: String,
    /// The number of the session on that host.
    pub id: i64,
}

impl HostSession {
    /// Reads `HOST:ID`; `None` for what is not so.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, id) = text.split_once(':').filter(|(host, _)| is_host_name(host))?;
        Some(Self { host: host.to_owned(), id: id.parse().ok().filter(|&id| id > 0)? })
    }
}

impl fmt::Display for HostSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.id)
    }
}

impl fmt::Display for ClearedSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str("all"),
            Self::Oldest(count) => write!(f, "{count}"),
            Self::One(session) => write!(f, "{session}"),
        }
    }
}

impl ClearedSessions {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::Elsewhere),
            _ => text
                .parse()
                .ok()
                .map(Self::Oldest)
                .or_else(|| HostSession::parse(text).map(Self::One)),
        }
    }
}

/// Who logs in, and from where: printable texts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginText {
    /// The user's name.
    pub user: String,
    /// PAM service.
    pub service: String,
    /// Terminal.
    pub tty: Option<String>,
    /// Remote host.
    pub rhost: Option<String>,
}

impl fmt::Display for LoginText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        let (tty, rhost) = (or_nothing(&self.tty), or_nothing(&self.rhost));
        for text in [&self.user, &self.service, &tty, &rhost] {
            // A tab would begin the next one; no printable text has any.
            write!(f, "\t{}", text.replace(['\t', '\n'], " "))?;
        }
        Ok(())
    }
}

impl LoginText {
    fn parse(text: &str) -> Self {
        let mut texts = text.split('\t').map(str::to_owned);
        let mut next = || texts.next().unwrap_or_default();
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let (user, service) = (next(), next());
        Self { user, service, tty: given(next()), rhost: given(next()) }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} ")?;
        match self {
            Self::Take { uid, id, limit, login } => write!(f, "take {uid} {id} {limit}{login}"),
            Self::Check { uid, limit } => write!(f, "check {uid} {limit}"),
            Self::Free { uid, id } => write!(f, "free {uid} {id}"),
            Self::Clear { uid, sessions, by } => write!(f, "clear {uid} {sessions} {by}"),
            Self::Sessions { uid: None } => f.write_str("sessions"),
            Self::Sessions { uid: Some(uid) } => write!(f, "sessions {uid}"),
            Self::Hosts => f.write_str("hosts"),
            Self::Status => f.write_str("status"),
        }
    }
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let (line, login) = line.split_once('\t').unwrap_or((line, ""));
        let mut words = line.splitn(5, ' ');
        if words.next() != Some(VERSION) {
            return Err("expected version 1 of the protocol");
        }
        let verb = words.next().unwrap_or_default();
        let rest: Vec<&str> = words.collect();
        let uid = |word: &str| word.parse().map_err(|_| "expected a user id");
        let id = |word: &str| word.parse().map_err(|_| "expected a session's number");
        let limit = |word: &str| word.parse().map_err(|_| "expected a number of sessions");
        match (verb, rest.as_slice()) {
            ("take", [u, i, l]) => Ok(Self::Take {
                uid: uid(u)?,
                id: id(i)?,
                limit: limit(l)?,
                login: LoginText::parse(login),
            }),
            ("check", [u, l]) => Ok(Self::Check { uid: uid(u)?, limit: limit(l)? }),
            ("free", [u, i]) => Ok(Self::Free { uid: uid(u)?, id: id(i)? }),
            ("clear", [u, sessions, by]) => Ok(Self::Clear {
                uid: uid(u)?,
                sessions: ClearedSessions::parse(sessions)
                    .ok_or("expected all, a number of sessions, or HOST:ID")?,
                by: (*by).to_owned(),
            }),
            ("sessions", []) => Ok(Self::Sessions { uid: None }),
            ("sessions", [u]) => Ok(Self::Sessions { uid: Some(uid(u)?) }),
            ("hosts", []) => Ok(Self::Hosts),
            ("status", []) => Ok(Self::Status),
            _ => Err("expected take, check, free, clear, sessions, hosts or status"),
        }
    }
}

/// How many slots of a user each host holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostCounts(pub Vec<(String, u32)>);

impl HostCounts {
    /// Returns the sum.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Returns what holds the slots: `2 on web1, 1 on web3, 4 on other hosts`.
    #[must_use]
    pub fn holders(&self) -> String {
        const NAMED: usize = 3;
        let holding: Vec<_> = self.0.iter().filter(|(_, count)| *count > 0).collect();
        let named = holding.iter().take(NAMED).map(|(host, count)| format!("{count} on {host}"));
        let others: u32 = holding.iter().skip(NAMED).map(|(_, count)| *count).sum();
        let others = (others > 0).then(|| format!("{others} on other hosts"));
        named.chain(others).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for HostCounts {
    /// Writes `web1 2, web3 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (host, count)) in self.0.iter().enumerate() {
            write!(f, "{}{host} {count}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What the agent says to [`Request::Take`] and [`Request::Check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The slot is the session's; so many are in use now.
    Granted(u32),
    /// The user's slots are all in use.
    Refused(HostCounts),
    /// The fleet cannot be asked; says why.
    Down(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} ")?;
        match self {
            Self::Granted(in_use) => write!(f, "granted {in_use}"),
            Self::Refused(counts) => {
                let mut line = String::from("refused");
                for (host, count) in &counts.0 {
                    write!(line, " {host}={count}")?;
                }
                f.write_str(&line)
            }
            Self::Down(why) => write!(f, "down {why}"),
        }
    }
}

impl Answer {
    /// Reads a line; `None` for one that is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(VERSION)?.strip_prefix(' ')?;
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "granted" => rest.parse().ok().map(Self::Granted),
            "down" => Some(Self::Down(rest.to_owned())),
            "refused" => {
                let count = |word: &str| {
                    let (host, count) = word.split_once('=')?;
                    is_host_name(host).then_some(())?;
                    Some((host.to_owned(), count.parse().ok()?))
                };
                let words = rest.split(' ').filter(|word| !word.is_empty());
                words.map(count).collect::<Option<_>>().map(HostCounts).map(Self::Refused)
            }
            _ => None,
        }
    }
}

/// What a host has done for [`Request::Clear`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostCleared {
    /// Its name.
    pub host: String,
    /// Sessions ended by SIGTERM or SIGHUP.
    pub terminated: u32,
    /// Sessions ended by SIGKILL.
    pub killed: u32,
    /// Records wiped without ending anything.
    pub forgotten: u32,
    /// Left alone: their process holds sessions of others, or more than one.
    pub skipped: u32,
    /// Still there.
    pub failed: u32,
}

/// What the agent says to [`Request::Clear`], a line for each host and one at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClearAnswer {
    /// A host has done its part.
    Host(HostCleared),
    /// This host has not answered in time.
    Silent(String),
    /// The other hosts cannot be asked; says why. Nothing follows.
    Down(String),
    /// All hosts have been named.
    End,
}

impl fmt::Display for ClearAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} ")?;
        match self {
            Self::Host(HostCleared { host, terminated, killed, forgotten, skipped, failed }) => {
                write!(f, "host {host} {terminated} {killed} {forgotten} {skipped} {failed}")
            }
            Self::Silent(host) => write!(f, "silent {host}"),
            Self::Down(why) => write!(f, "down {why}"),
            Self::End => f.write_str("end"),
        }
    }
}

impl ClearAnswer {
    /// Reads a line; `None` for one that is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix(VERSION)?.strip_prefix(' ')?;
        let (verb, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "end" => Some(Self::End),
            "down" => Some(Self::Down(rest.to_owned())),
            "silent" => is_host_name(rest).then(|| Self::Silent(rest.to_owned())),
            "host" => {
                let mut words = rest.split(' ');
                let host = words.next().filter(|host| is_host_name(host))?.to_owned();
                let mut count = || words.next()?.parse().ok();
                Some(Self::Host(HostCleared {
                    host,
                    terminated: count()?,
                    killed: count()?,
                    forgotten: count()?,
                    skipped: count()?,
                    failed: count()?,
                }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_clearing_are_read_as_they_are_written() {
        let host = HostCleared {
            host: "web1".into(),
            terminated: 1,
            killed: 2,
            failed: 3,
            ..HostCleared::default()
        };
        for answer in [
            ClearAnswer::Host(host),
            ClearAnswer::Silent("web2".into()),
            ClearAnswer::Down("no answer".into()),
            ClearAnswer::End,
        ] {
            assert_eq!(ClearAnswer::parse(&answer.to_string()), Some(answer));
        }
        assert_eq!(ClearAnswer::parse("1 host web1 1"), None);
    }

    #[test]
    fn requests_are_read_as_they_are_written() {
        let clear = |sessions, by: &str| Request::Clear { uid: 1, sessions, by: by.to_owned() };
        for request in [
            Request::Take { uid: 4001, id: i64::MAX, limit: 2, login: LoginText::default() },
            Request::Take {
                uid: 4001,
                id: 1,
                limit: 2,
                login: LoginText {
                    user: "al ice".into(),
                    service: "sshd".into(),
                    tty: None,
                    rhost: Some("192.0.2.7".into()),
                },
            },
            Request::Check { uid: u32::MAX, limit: 0 },
            Request::Free { uid: 0, id: 1 },
            clear(ClearedSessions::Elsewhere, "a new login of alice (sshd)"),
            clear(ClearedSessions::Oldest(3), "root"),
            clear(
                ClearedSessions::One(HostSession { host: "web-2.example".into(), id: 7 }),
                "root",
            ),
            Request::Sessions { uid: None },
            Request::Sessions { uid: Some(1) },
            Request::Hosts,
            Request::Status,
        ] {
            assert_eq!(Request::parse(&request.to_string()), Ok(request));
        }
        for bad in [
            "",
            "2 hosts",
            "1",
            "1 take 1 2",
            "1 take 1 2 3 4",
            "1 take -1 2 3",
            "1 free 1 x",
            "1 clear 1 web2 root",
            "1 clear 1 web2:0 root",
            "1 clear 1 we b:1",
            "1 nothing",
        ] {
            assert!(Request::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let counts = HostCounts(vec![("web1".into(), 2), ("web-3.example".into(), 1)]);
        assert_eq!((counts.total(), counts.to_string().as_str()), (3, "web1 2, web-3.example 1"));
        assert_eq!(counts.holders(), "2 on web1, 1 on web-3.example");
        for answer in [
            Answer::Granted(1),
            Answer::Refused(counts),
            Answer::Refused(HostCounts::default()),
            Answer::Down("no answer within 300 ms".into()),
        ] {
            assert_eq!(Answer::parse(&answer.to_string()), Some(answer));
        }
        for bad in [
            "",
            "1",
            "2 granted 1",
            "1 granted",
            "1 granted x",
            "1 refused a",
            "1 refused \u{1b}=1",
        ] {
            assert_eq!(Answer::parse(bad), None, "{bad:?}");
        }
    }
}
