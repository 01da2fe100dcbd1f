//! The processes that must live on when sessions are ended.

use std::collections::HashSet;

use super::SkipReason;
use crate::model::service::{ServiceKind, service_kind};
use crate::model::session::Session;
use crate::process::{self, cgroup};
use crate::system;

/// The caller, its client, their ancestors, the session it runs in, and the leaders of sessions that stay.
#[derive(Debug, Clone)]
pub struct ProtectedProcesses {
    caller: Vec<i32>,
    audit_session: Option<u32>,
    scope: Option<String>,
    /// Pid and start time of each.
    leaders_of_others: HashSet<(i32, u64)>,
}

impl ProtectedProcesses {
    /// Returns what must live on where `ended` are the sessions to be ended, of `all` on the host.
    #[must_use]
    pub fn new(ended: &[Session], all: &[Session]) -> Self {
        let (own, acting) = (system::own_pid(), process::client::acting_pid());
        let mut caller = process::ancestors(acting);
        caller.extend([1, own, acting]);
        let stays =
            |session: &&Session| session.is_open() && ended.iter().all(|one| one.id != session.id);
        Self {
            caller,
            audit_session: process::audit_session(acting),
            scope: cgroup::session_scope(acting),
            leaders_of_others: all
                .iter()
                .filter(stays)
                .map(|session| (session.leader.pid, session.leader.start_time))
                .collect(),
        }
    }

    /// Returns why `session` cannot be ended, if so.
    #[must_use]
    pub fn skip_reason(&self, session: &Session) -> Option<SkipReason> {
        if self.is_own_login(session) {
            Some(SkipReason::OwnLogin)
        } else if self.leads_other_session((session.leader.pid, session.leader.start_time)) {
            Some(SkipReason::SharedProcess)
        } else {
            None
        }
    }

    /// Returns whether the caller runs inside `session`.
    fn is_own_login(&self, session: &Session) -> bool {
        self.is_caller(session.leader.pid)
            || (service_kind(&session.origin.service) == ServiceKind::Login
                && (is_same(self.audit_session, session.audit_session)
                    || is_same(
                        self.scope.as_ref(),
                        cgroup::session_scope(session.leader.pid).as_ref(),
                    )))
    }

    pub(super) fn is_caller(&self, pid: i32) -> bool {
        self.caller.contains(&pid)
    }

    pub(super) fn leads_other_session(&self, process: (i32, u64)) -> bool {
        self.leaders_of_others.contains(&process)
    }
}

fn is_same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_some() && a == b
}
