//! What a session is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The process that opened a session.
///
/// A pid alone identifies no process, for pids are used again. Start time, pid namespace and boot make
/// it unique (proc_pid_stat(5), pid_namespaces(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Process id in the namespace [`Leader::pid_ns`].
    pub pid: i32,
    /// Field 22 of `/proc/PID/stat`: clock ticks after boot.
    pub start_time: u64,
    /// Inode of `/proc/PID/ns/pid`.
    pub pid_ns: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// Where a session came from, as the application told PAM; printable text (see [`super::sanitize`]).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// PAM service, such as `sshd`.
    pub service: String,
    /// Terminal, such as `ssh` or `/dev/tty1`.
    pub tty: Option<String>,
    /// Remote host name or address.
    pub rhost: Option<String>,
}

/// What is to be ended before a session beyond the limit may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EvictionRequest {
    /// Nothing: take a free slot or be refused.
    None,
    /// All of the user's other sessions.
    ClearAll,
    /// As many of the oldest sessions as are over the limit.
    EvictOldest,
    /// The one with this number.
    Session(i64),
}

/// How far a login has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SessionState {
    /// A slot taken in the account phase.
    Reserved {
        /// Milliseconds of `CLOCK_BOOTTIME` after which the slot is free again.
        until: i64,
        /// What the login asked to be ended when it opens.
        eviction: EvictionRequest,
        /// Taken by a child of the process that is going to open, and left to it: sshd's
        /// keyboard-interactive child, when other factors may still be missing.
        by_child: bool,
    },
    /// The session is open.
    Open,
}

/// One row of the store: an open session or a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Number of the session: growing with time, never used again in the same boot.
    pub id: i64,
    /// The user. Sessions are counted by uid and shown by name.
    pub uid: u32,
    /// The user's name, printable.
    pub user: String,
    /// Where it came from.
    pub origin: Origin,
    /// The process that opened it, or that is going to.
    pub leader: Leader,
    /// The leader's process session (setsid(2)), field 6 of its stat.
    pub process_session: i32,
    /// The kernel's audit session of the leader (`/proc/PID/sessionid`), if it has one.
    pub audit_session: Option<u32>,
    /// Reserved or open.
    pub state: SessionState,
    /// The limit had been reached; the login was let in because `on_limit` is `log`.
    pub over_limit: bool,
    /// Seconds after the epoch at which it was opened or reserved; for display only.
    pub since: i64,
}

impl Session {
    /// Returns whether the session is open, not just reserved.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == SessionState::Open
    }

    /// Returns whether the row takes a slot from another login of the user.
    #[must_use]
    pub fn counts_toward_limit(&self) -> bool {
        self.uncounted_reason().is_none()
    }

    /// Returns why the row takes no slot from another login of the user, if it takes none.
    ///
    /// Of reservations only those count that need nothing more. One with an eviction request ends the
    /// others, this login's too, when it opens. One of a keyboard-interactive child may lack a factor: a
    /// user who knows the password alone could keep the owner out with it.
    #[must_use]
    pub fn uncounted_reason(&self) -> Option<&'static str> {
        match self.state {
            SessionState::Reserved { eviction, .. } if eviction != EvictionRequest::None => {
                Some("a login that ends others when it opens")
            }
            SessionState::Reserved { by_child: true, .. } => {
                Some("a login that may lack another factor")
            }
            SessionState::Reserved { .. } | SessionState::Open => None,
        }
    }
}

/// Returns an open session of alice by sshd; tests change what they look at.
#[cfg(test)]
pub(crate) fn open_session() -> Session {
    Session {
        id: 1,
        uid: 1000,
        user: "alice".into(),
        origin: Origin { service: "sshd".into(), tty: None, rhost: None },
        leader: Leader { pid: 1, start_time: 0, pid_ns: 0, boot_id: String::new() },
        process_session: 1,
        audit_session: None,
        state: SessionState::Open,
        over_limit: false,
        since: 0,
    }
}

impl fmt::Display for Origin {
    /// Writes `service sshd, tty ssh, rhost 192.0.2.7`, leaving out what is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {}", self.service)?;
        if let Some(tty) = &self.tty {
            write!(f, ", tty {tty}")?;
        }
        if let Some(rhost) = &self.rhost {
            write!(f, ", rhost {rhost}")?;
        }
        Ok(())
    }
}
