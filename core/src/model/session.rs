//! What a session is: pure data, no clock, no path, no system call.

use std::fmt;

/// The process that opened a session.
///
/// A pid alone names nobody, for pids are used again. Start time, pid namespace and boot make it
/// unique (proc_pid_stat(5), pid_namespaces(7)).
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Where a session came from, as the application told PAM; printable text (see [`crate::model::sanitize`]).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// PAM service, such as `sshd`.
    pub service: String,
    /// Terminal, such as `ssh` or `/dev/tty1`.
    pub tty: Option<String>,
    /// Remote host name or address.
    pub rhost: Option<String>,
}

/// What is to be ended before a session beyond the limit may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: take a free place or be refused.
    None,
    /// All of the user's other sessions.
    ClearAll,
    /// As many of the oldest sessions as are in the way.
    EvictOldest,
}

/// How far a login has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A place taken in the account phase.
    Reserved {
        /// Milliseconds of `CLOCK_BOOTTIME` after which the place is free again.
        expires: i64,
        /// What the login asked to be ended when it opens.
        wish: Wish,
        /// Taken by a child of the process that is going to open, and left to it.
        by_child: bool,
    },
    /// The session is open.
    Open,
}

/// One row of the store: an open session or a reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Number of the session: unique within one boot, growing with time, never used again.
    pub id: i64,
    /// Whose session it is. Sessions are counted by uid and shown by name.
    pub uid: u32,
    /// The user's name, printable.
    pub user: String,
    /// Where it came from.
    pub origin: Origin,
    /// Who opened it, or for a reservation its anchor.
    pub leader: Leader,
    /// The kernel's audit session of the leader (`/proc/PID/sessionid`), if it has one.
    pub audit_session: Option<u32>,
    /// Reserved or open.
    pub state: State,
    /// Seconds after the epoch at which it was opened or reserved; for display only.
    pub since: i64,
}

impl Session {
    /// Returns whether the session is open, not just reserved.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Returns whether the row takes a place from a login that is about to open.
    ///
    /// A reservation with a wish does not: its own opening ends the others, this one too.
    #[must_use]
    pub fn holds_a_place(&self) -> bool {
        !matches!(self.state, State::Reserved { wish: Wish::ClearAll | Wish::EvictOldest, .. })
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
