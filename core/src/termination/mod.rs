//! Ending sessions: the processes of a session get SIGTERM and SIGHUP, then time, then SIGKILL.
//!
//! All by `/proc` and pidfds; logind is not asked, so a stuck D-Bus delays no login.
#![forbid(unsafe_code)]

mod notice;
mod protection;

use std::collections::HashSet;
use std::time::Duration;

pub use protection::ProtectedProcesses;

use crate::model::service::{ServiceKind, service_kind};
use crate::model::session::Session;
use crate::process::ssh::SshConnections;
use crate::process::table::{Process, all_processes, descendants};
use crate::process::{self, HostIdentity, Liveness, Stat, cgroup};
use crate::system::{clock, pidfd};

/// Milliseconds before what is left gets SIGKILL.
const GRACE_MS: i64 = 3_000;
/// Milliseconds before a leader that ignores SIGTERM gets SIGHUP as well.
///
/// Not at once: the kernel delivers the lower number first, and a session leader such as sshd's
/// monitor of root closes its PAM session on SIGTERM only.
const LEADER_HANGUP_MS: i64 = 300;
/// Milliseconds after which a process that survives SIGKILL (in uninterruptible sleep) is given up.
const GIVE_UP_MS: i64 = 4_500;

/// How long sessions go on after their terminals have been told, once for all of them.
const TIME_TO_READ: Duration = Duration::from_millis(100);

/// What became of a session that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminationResult {
    /// Its processes are gone.
    Terminated,
    /// They are gone, but needed SIGKILL.
    Killed,
    /// It was left alone.
    Skipped(SkipReason),
    /// Its leader is still there.
    Failed,
}

/// Why a session is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The caller runs inside it.
    OwnLogin,
    /// Its process holds other sessions, too.
    SharedProcess,
    /// Its process is in another pid namespace, or cannot be found.
    OutOfReach,
}

/// Ends `sessions` and waits until they are gone, at most about 4.5 s for all of them together.
///
/// Their terminals say that `ended_by` did it. Returns the result for each, in the same order.
#[must_use]
pub fn end(
    sessions: &[Session],
    host: &HostIdentity,
    protected: &ProtectedProcesses,
    ended_by: &str,
) -> Vec<TerminationResult> {
    let connections = std::cell::LazyCell::new(SshConnections::current);
    let mut endings: Vec<SessionTermination> = sessions
        .iter()
        .map(|session| {
            SessionTermination::new(session, host, protected, || {
                connections.has_connection_of(session)
            })
        })
        .collect();
    let processes = all_processes();
    let mut is_told = false;
    for ending in endings.iter().filter(|ending| ending.skipped.is_none()) {
        let members = ending.members(&processes, protected);
        let terminals = members.iter().map(|member| member.stat.terminal);
        is_told |= notice::write(ending.session, terminals, ended_by);
    }
    if is_told {
        // What sshd has not sent to the client when it is ended is lost.
        std::thread::sleep(TIME_TO_READ);
    }
    let began = clock::boot_ms();
    loop {
        let waited = clock::boot_ms().saturating_sub(began);
        let processes = all_processes();
        let mut left = false;
        for ending in endings.iter_mut().filter(|ending| ending.skipped.is_none()) {
            left |= ending.signal_round(&processes, protected, waited);
        }
        if !left || waited >= GIVE_UP_MS {
            break;
        }
        std::thread::sleep(Duration::from_millis(if waited < 100 { 5 } else { 25 }));
    }
    endings.iter().map(|ending| ending.result(host)).collect()
}

/// How a session's processes are found.
enum ProcessSelector {
    /// All of a logind scope.
    LogindScope(String),
    /// All of an audit session, as far as they are the user's own or the leader's children.
    ///
    /// root's daemons, started by hand in a session of root's, keep its audit session.
    AuditSession(u32),
    /// The leader and its descendants. For a user switch, or a login opened inside another, nothing
    /// else belongs to it.
    ProcessTree,
}

/// The ending of one session.
struct SessionTermination<'a> {
    session: &'a Session,
    selector: ProcessSelector,
    skipped: Option<SkipReason>,
    /// Processes that were found to belong to it, dead ones too.
    known: HashSet<(i32, u64)>,
    hung_up: bool,
    killed: bool,
}

impl<'a> SessionTermination<'a> {
    fn new(
        session: &'a Session,
        host: &HostIdentity,
        protected: &ProtectedProcesses,
        has_connection: impl FnOnce() -> bool,
    ) -> Self {
        let leader = &session.leader;
        let selector = match service_kind(&session.origin.service) {
            ServiceKind::Login => {
                match (cgroup::session_scope(leader.pid), session.audit_session) {
                    (Some(scope), _) => ProcessSelector::LogindScope(scope),
                    (None, Some(id)) => ProcessSelector::AuditSession(id),
                    (None, None) => ProcessSelector::ProcessTree,
                }
            }
            ServiceKind::UserSwitch
            | ServiceKind::UserSwitchCheckedAtOpen
            | ServiceKind::NestedLogin
            | ServiceKind::ServiceLogin => ProcessSelector::ProcessTree,
        };
        // The scope was read by pid: only now is it sure to be the leader's.
        let is_there = match host.liveness(leader) {
            Liveness::Alive => true,
            // Its connection may have outlived it.
            Liveness::Dead => has_connection(),
            Liveness::OtherNamespace => false,
        };
        let skipped =
            protected.skip_reason(session).or((!is_there).then_some(SkipReason::OutOfReach));
        Self { session, selector, skipped, known: HashSet::new(), hung_up: false, killed: false }
    }

    /// Finds the session's processes and sends what is due; returns whether any is left.
    fn signal_round(
        &mut self,
        processes: &[Process],
        protected: &ProtectedProcesses,
        waited: i64,
    ) -> bool {
        let leader = (self.session.leader.pid, self.session.leader.start_time);
        let members = self.members(processes, protected);
        let followers_left = members.iter().any(|member| member.identity() != leader);
        for member in &members {
            let is_leader = member.identity() == leader;
            if self.known.insert(member.identity()) {
                signal(*member, libc::SIGTERM);
                if !is_leader {
                    signal(*member, libc::SIGHUP);
                }
            } else if is_leader && !self.hung_up && waited >= LEADER_HANGUP_MS {
                self.hung_up = true;
                signal(*member, libc::SIGHUP);
            }
            // The leader last: a connection without its monitor would live on.
            if waited >= GRACE_MS && !(is_leader && followers_left) {
                self.killed = true;
                signal(*member, libc::SIGKILL);
            }
        }
        !members.is_empty()
    }

    /// Returns the session's processes that may be signalled.
    fn members(&self, processes: &[Process], protected: &ProtectedProcesses) -> Vec<Process> {
        let leader = (self.session.leader.pid, self.session.leader.start_time);
        let tree = descendants(processes, |process| {
            process.identity() == leader || self.known.contains(&process.identity())
        });
        let mut members: Vec<Process> = processes
            .iter()
            .copied()
            .filter(|process| match &self.selector {
                ProcessSelector::LogindScope(scope) => {
                    process.identity() == leader
                        || cgroup::session_scope(process.pid).as_ref() == Some(scope)
                }
                ProcessSelector::AuditSession(id) => {
                    process.identity() == leader
                        || (process::audit_session(process.pid) == Some(*id)
                            && (tree.contains(&process.pid) || self.is_users_own(process.pid)))
                }
                ProcessSelector::ProcessTree => tree.contains(&process.pid),
            })
            .collect();
        // What leads another session, inside this one, stays with all that it has started.
        let others: HashSet<i32> = members
            .iter()
            .filter(|member| protected.leads_other_session(member.identity()))
            .map(|member| member.pid)
            .collect();
        let kept = descendants(processes, |process| others.contains(&process.pid));
        members.retain(|member| !kept.contains(&member.pid) && !protected.is_caller(member.pid));
        members
    }

    fn is_users_own(&self, pid: i32) -> bool {
        self.session.uid != 0 && process::real_uid(pid) == Some(self.session.uid)
    }

    fn result(&self, host: &HostIdentity) -> TerminationResult {
        match (host.liveness(&self.session.leader), self.skipped) {
            (Liveness::Dead, _) if self.killed => TerminationResult::Killed,
            (Liveness::Dead, _) => TerminationResult::Terminated,
            (_, Some(reason)) => TerminationResult::Skipped(reason),
            (_, None) => TerminationResult::Failed,
        }
    }
}

/// Sends a signal to exactly this process: the pidfd is opened first, its start time checked after.
///
/// A process that is gone needs no signal, and one that may not be signalled is found again in the
/// next round: errors are no news.
fn signal(process: Process, signal: i32) {
    let is_unchanged = || is_unchanged(process);
    match pidfd::pidfd_open(process.pid) {
        Ok(pidfd) if is_unchanged() => drop(pidfd::pidfd_signal(&pidfd, signal)),
        // Linux before 5.3, or the host process has no descriptor left.
        Err(e)
            if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EMFILE | libc::ENFILE))
                && is_unchanged() =>
        {
            drop(pidfd::kill(process.pid, signal));
        }
        _ => {}
    }
}

fn is_unchanged(process: Process) -> bool {
    Stat::of(process.pid).is_ok_and(|now| now.start_time == process.stat.start_time)
}
