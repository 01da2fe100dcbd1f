//! The processes of OpenSSH around a login.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use super::{Stat, all_pids, audit_session, real_uid, runs_program};
use crate::model::service::{ServiceKind, service_kind};
use crate::model::session::Session;
use crate::system;

/// Returns the process that a reservation belongs to: the calling one, but for sshd's
/// keyboard-interactive child its parent.
///
/// OpenSSH runs authentication and account phase of keyboard-interactive logins in a child of the
/// monitor that exits by `_exit`; the monitor opens the session. That child, and no other caller,
/// belongs to the process session its parent leads (daemon and `sshd -i` alike) and runs the parent's
/// program.
#[must_use]
pub fn reservation_owner_pid() -> i32 {
    let (own, parent) = (system::own_pid(), system::parent_pid());
    let is_child = system::own_process_session() == parent && parent != own;
    if is_child && is_same_sshd(parent) { parent } else { own }
}

fn is_same_sshd(parent: i32) -> bool {
    let program = |pid: i32| {
        let meta = fs::metadata(format!("/proc/{pid}/exe")).ok()?;
        Some((meta.dev(), meta.ino()))
    };
    let own = system::own_pid();
    // sshd, since OpenSSH 9.8 sshd-session.
    runs_program(own, b"sshd") && program(own).is_some_and(|own| program(parent) == Some(own))
}

/// The users' halves of the ssh connections of this host.
///
/// sshd's monitor leads the session. Killed alone (by an administrator, or for want of memory) it
/// leaves the user's half behind, which goes on serving the connection.
#[derive(Debug)]
pub struct SshConnections(HashSet<(u32, u32, i32)>);

impl SshConnections {
    /// Looks for them now, in all of `/proc`.
    #[must_use]
    pub fn current() -> Self {
        let halves = all_pids().unwrap_or_default().into_iter().filter_map(|pid| {
            if !runs_program(pid, b"sshd") {
                return None;
            }
            let stat = Stat::of(pid).ok().filter(|stat| !stat.is_dead())?;
            // root's cannot be told from a listener that was started by hand.
            let uid = real_uid(pid).filter(|&uid| uid != 0)?;
            Some((audit_session(pid)?, uid, stat.process_session))
        });
        Self(halves.collect())
    }

    /// Returns whether one of them belongs to `session`.
    ///
    /// A nested login, or a user switch, has the audit session of the connection around it: that
    /// connection is not its own. The connection's half stays in the process session of its monitor;
    /// what the user starts, an sshd of their own for example, cannot get into it (setsid(2)).
    #[must_use]
    pub fn has_connection_of(&self, session: &Session) -> bool {
        session.is_open()
            && service_kind(&session.origin.service) == ServiceKind::Login
            && session
                .audit_session
                .is_some_and(|id| self.0.contains(&(id, session.uid, session.process_session)))
    }
}
