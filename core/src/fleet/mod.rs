//! The fleet as a login sees it: one question to the agent on this host, and a deadline.
//!
//! The agent (`session-limit-agent`) speaks with etcd; a login speaks with nothing but the agent's socket.
#![forbid(unsafe_code)]

pub mod protocol;

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use protocol::{Answer, ClearAnswer, ClearedSessions, HostCounts, HostSession, Request};

use crate::model::fleet_settings::Fleet;
use crate::system;
use crate::system::socket::{self, LineReader};

/// How long a login waits for the agent.
pub const DEADLINE: Duration = Duration::from_millis(500);
/// How long a clearing of all hosts is waited for. A session is killed after 3 s.
pub const CLEAR_DEADLINE: Duration = Duration::from_secs(8);
/// Exists while the fleet cannot be asked, so that this is logged once and not by every login.
const DOWN: &str = "fleet.down";

/// Returns the name of this host in its fleet: the configured one, or the kernel's.
#[must_use]
pub fn own_host(fleet: &Fleet) -> String {
    fleet.host.clone().unwrap_or_else(|| {
        let kernel = fs::read_to_string("/proc/sys/kernel/hostname");
        kernel.unwrap_or_default().trim().to_owned()
    })
}

/// The agent of this host, beside the store at one path.
#[derive(Debug)]
pub struct Agent {
    directory: PathBuf,
}

impl Agent {
    /// Names the agent that serves the store at `state`; nothing is touched yet.
    #[must_use]
    pub fn beside(state: &Path) -> Self {
        Self { directory: state.parent().unwrap_or(Path::new("/")).to_owned() }
    }

    /// Returns the path of its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join(protocol::SOCKET)
    }

    /// Asks for a slot, or whether there is one. Waits for [`DEADLINE`] at most.
    #[must_use]
    pub fn ask(&self, request: &Request) -> Answer {
        let deadline = Instant::now() + DEADLINE;
        let asked = self.send(request).and_then(|socket| {
            let line = LineReader::new(socket).next_line(protocol::MAX_LINE, deadline)?;
            Answer::parse(&line).ok_or_else(|| io::ErrorKind::InvalidData.into())
        });
        asked.unwrap_or_else(|error| Answer::Down(reason(&error)))
    }

    /// Tells the agent that a session is over. A message that is lost costs a second: the agent compares its
    /// slots with the store.
    pub fn free(&self, uid: u32, id: i64) {
        let _made_good_by_the_agent = self.send(&Request::Free { uid, id });
    }

    /// Asks for objects, a line each; the last line, which says that it is the last, is left out.
    ///
    /// # Errors
    ///
    /// Why the agent, or the fleet, cannot be asked.
    pub fn lines(&self, request: &Request, deadline: Instant) -> Result<Vec<String>, String> {
        let failed = |error: io::Error| reason(&error);
        let mut reader = LineReader::new(self.send(request).map_err(failed)?);
        let mut lines = Vec::new();
        loop {
            let line = reader.next_line(protocol::MAX_LINE, deadline).map_err(failed)?;
            match ClearAnswer::parse(&line) {
                Some(ClearAnswer::End) => return Ok(lines),
                Some(ClearAnswer::Down(why)) => return Err(why),
                _ => lines.push(line),
            }
        }
    }

    /// Has sessions of the user ended; returns what became of it, host by host. Waits for [`CLEAR_DEADLINE`] at most.
    #[must_use]
    pub fn clear(&self, uid: u32, sessions: &ClearedSessions, by: &str) -> Vec<ClearAnswer> {
        let deadline = Instant::now() + CLEAR_DEADLINE;
        let mut answers = Vec::new();
        let mut ask = || {
            let socket =
                self.send(&Request::Clear { uid, sessions: sessions.clone(), by: by.to_owned() })?;
            let mut lines = LineReader::new(socket);
            loop {
                let line = lines.next_line(protocol::MAX_LINE, deadline)?;
                let answer = ClearAnswer::parse(&line).ok_or(io::ErrorKind::InvalidData)?;
                let is_last = matches!(answer, ClearAnswer::End | ClearAnswer::Down(_));
                answers.push(answer);
                if is_last {
                    return Ok(());
                }
            }
        };
        let asked: io::Result<()> = ask();
        answers.extend(asked.err().map(|error| ClearAnswer::Down(reason(&error))));
        answers
    }

    fn send(&self, request: &Request) -> io::Result<UnixStream> {
        let socket = socket::connect_without_waiting(&self.socket())?;
        socket::send_without_signal(&socket, format!("{request}\n").as_bytes())?;
        Ok(socket)
    }

    /// Keeps in mind whether the fleet can be asked; returns whether that has changed, so that it is to be
    /// logged.
    #[must_use]
    pub fn note(&self, is_down: bool) -> bool {
        let mark = self.directory.join(DOWN);
        if is_down {
            let made = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(mark);
            made.is_ok()
        } else {
            fs::remove_file(mark).is_ok()
        }
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "session-limit-agent is not running".to_owned()
        }
        io::ErrorKind::TimedOut => "session-limit-agent gave no answer in time".to_owned(),
        io::ErrorKind::WouldBlock => "session-limit-agent accepts no connections".to_owned(),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => "session-limit-agent closed the connection".to_owned(),
        io::ErrorKind::InvalidData => "session-limit-agent answers in an unknown way".to_owned(),
        _ => format!("session-limit-agent: {}", system::error_text(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn answered(answer: &'static str) -> (Answer, Duration) {
        let directory = tempfile::tempdir().unwrap();
        let agent = Agent::beside(&directory.path().join("x.db"));
        let listener = UnixListener::bind(agent.socket()).unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            for byte in answer.bytes() {
                let _ = socket.write_all(&[byte]);
            }
            if answer.ends_with('…') {
                // Ends when the client gives up.
                let _ = socket.read_to_end(&mut Vec::new());
            }
        });
        let began = Instant::now();
        let answer = agent.ask(&Request::Check { uid: 1, limit: 1 });
        let took = began.elapsed();
        server.join().unwrap();
        (answer, took)
    }

    #[test]
    fn an_agent_is_waited_for_until_the_deadline_and_no_longer() {
        assert_eq!(answered("1 granted 1\n").0, Answer::Granted(1));
        let down = |answer| match answered(answer).0 {
            Answer::Down(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(down("").contains("closed the connection"));
        assert!(down("9 granted\n").contains("unknown way"));
        let (answer, took) = answered("1 granted …");
        assert!(matches!(answer, Answer::Down(why) if why.contains("no answer in time")));
        assert!(took >= DEADLINE && took < DEADLINE * 2, "{took:?}");
    }

    #[test]
    fn an_agent_that_is_not_there_costs_no_time() {
        let directory = tempfile::tempdir().unwrap();
        let agent = Agent::beside(&directory.path().join("x.db"));
        let began = Instant::now();
        let answer = agent.ask(&Request::Check { uid: 1, limit: 1 });
        assert_eq!(answer, Answer::Down("session-limit-agent is not running".into()));
        agent.free(1, 1);
        assert!(began.elapsed() < Duration::from_millis(100));
    }

    #[test]
    fn a_change_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let agent = Agent::beside(&directory.path().join("x.db"));
        let noted: Vec<bool> =
            [false, true, true, false, false, true].map(|down| agent.note(down)).to_vec();
        assert_eq!(noted, [false, true, false, true, false, true]);
    }
}
