//! Ending sessions: the processes of a session get SIGTERM and SIGHUP, then time, then SIGKILL.
//!
//! All by `/proc` and pidfds; logind is not asked, so a stuck D-Bus delays no login.

use std::collections::HashSet;
use std::time::Duration;

use crate::model::policy::{Habit, habit};
use crate::model::session::Session;
use crate::process::{self, Connections, Here, Life, Stat};
use crate::system;

/// Milliseconds before what is left gets SIGKILL.
const GRACE_MS: i64 = 3_000;
/// Milliseconds before a leader that ignores SIGTERM gets SIGHUP as well.
///
/// Not at once: the kernel delivers the lower number first, and a session leader such as sshd's
/// monitor of root closes its PAM session on SIGTERM only.
const LEADER_HANGUP_MS: i64 = 300;
/// Milliseconds after which a process that survives SIGKILL (in uninterruptible sleep) is given up.
const GIVE_UP_MS: i64 = 4_500;

/// What became of a session that was to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its processes are gone.
    Ended,
    /// They are gone, but needed SIGKILL.
    Killed,
    /// It was left alone: the caller runs inside it.
    Spared,
    /// Its leader is still there.
    Survived,
}

/// The processes that must live on: the caller, its ancestors, and the session it runs in.
#[derive(Debug, Clone)]
pub struct Spare {
    pids: Vec<i32>,
    audit_session: Option<u32>,
    scope: Option<String>,
}

impl Spare {
    /// Returns what the calling process needs.
    #[must_use]
    pub fn caller() -> Self {
        let own = system::own_pid();
        let mut pids = process::ancestors(own);
        pids.push(own);
        pids.push(1);
        Self {
            pids,
            audit_session: process::audit_session(own),
            scope: process::session_scope(own),
        }
    }

    /// Returns whether the caller runs inside `session`.
    #[must_use]
    pub fn covers(&self, session: &Session) -> bool {
        self.pids.contains(&session.leader.pid)
            || (habit(&session.origin.service) == Habit::Login
                && (is_same(self.audit_session, session.audit_session)
                    || is_same(
                        self.scope.as_ref(),
                        process::session_scope(session.leader.pid).as_ref(),
                    )))
    }
}

fn is_same<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
    a.is_some() && a == b
}

/// Ends `sessions` and waits until they are gone, at most about 4.5 s for all of them together.
///
/// Returns the fate of each, in the same order.
#[must_use]
pub fn end(sessions: &[Session], here: &Here, spare: &Spare) -> Vec<Fate> {
    let mut hunts: Vec<Hunt> =
        sessions.iter().map(|session| Hunt::of(session, here, spare)).collect();
    let began = system::boot_ms();
    loop {
        let waited = system::boot_ms().saturating_sub(began);
        let processes = all_processes();
        let mut left = false;
        for hunt in hunts.iter_mut().filter(|hunt| !hunt.spared) {
            left |= hunt.turn(&processes, spare, waited);
        }
        if !left || waited >= GIVE_UP_MS {
            break;
        }
        std::thread::sleep(Duration::from_millis(if waited < 100 { 5 } else { 25 }));
    }
    hunts.iter().map(|hunt| hunt.fate(here)).collect()
}

/// How a session's processes are found.
enum Reach {
    /// All of a logind scope.
    Scope(String),
    /// All of an audit session, as far as they are the user's own or the leader's children.
    ///
    /// root's daemons, started by hand in a session of root's, keep its audit session.
    Audit(u32),
    /// The leader and its descendants. For a user switch, or a login opened inside another, nothing
    /// else belongs to it.
    Tree,
}

/// One process at one moment.
#[derive(Clone, Copy)]
struct Process {
    pid: i32,
    stat: Stat,
}

impl Process {
    /// What makes it itself.
    fn identity(self) -> (i32, u64) {
        (self.pid, self.stat.start_time)
    }
}

/// Returns the processes that can be seen, without zombies.
fn all_processes() -> Vec<Process> {
    process::all_pids()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|pid| Some(Process { pid, stat: Stat::of(pid).ok()? }))
        .filter(|process| !process.stat.is_dead())
        .collect()
}

/// The ending of one session.
struct Hunt<'a> {
    session: &'a Session,
    reach: Reach,
    spared: bool,
    /// Processes that were found to belong to it, dead ones too.
    known: HashSet<(i32, u64)>,
    hung_up: bool,
    killed: bool,
}

impl<'a> Hunt<'a> {
    fn of(session: &'a Session, here: &Here, spare: &Spare) -> Self {
        let leader = &session.leader;
        let reach = match habit(&session.origin.service) {
            Habit::Login => match (process::session_scope(leader.pid), session.audit_session) {
                (Some(scope), _) => Reach::Scope(scope),
                (None, Some(id)) => Reach::Audit(id),
                (None, None) => Reach::Tree,
            },
            Habit::Switch | Habit::SwitchJudgedAtOpen | Habit::Inner => Reach::Tree,
        };
        // The scope was read by pid: only now is it sure to be the leader's.
        let is_there = match here.life(leader) {
            Life::Alive => true,
            // Its connection may have outlived it.
            Life::Dead => Connections::now().serve(session),
            Life::Elsewhere => false,
        };
        let spared = !is_there || spare.covers(session);
        Self { session, reach, spared, known: HashSet::new(), hung_up: false, killed: false }
    }

    /// Finds the session's processes and sends what is due; returns whether any is left.
    fn turn(&mut self, processes: &[Process], spare: &Spare, waited: i64) -> bool {
        let leader = (self.session.leader.pid, self.session.leader.start_time);
        let members = self.members(processes, spare);
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

    fn members(&self, processes: &[Process], spare: &Spare) -> Vec<Process> {
        let leader = (self.session.leader.pid, self.session.leader.start_time);
        let tree = descendants(processes, |process| {
            process.identity() == leader || self.known.contains(&process.identity())
        });
        processes
            .iter()
            .copied()
            .filter(|process| !spare.pids.contains(&process.pid))
            .filter(|process| {
                let in_tree = tree.contains(&process.pid);
                match &self.reach {
                    Reach::Scope(scope) => {
                        process.identity() == leader
                            || process::session_scope(process.pid).as_ref() == Some(scope)
                    }
                    Reach::Audit(id) => {
                        process.identity() == leader
                            || (process::audit_session(process.pid) == Some(*id)
                                && (in_tree || self.is_users_own(process.pid)))
                    }
                    Reach::Tree => in_tree,
                }
            })
            .collect()
    }

    fn is_users_own(&self, pid: i32) -> bool {
        self.session.uid != 0 && process::real_uid(pid) == Some(self.session.uid)
    }

    fn fate(&self, here: &Here) -> Fate {
        match here.life(&self.session.leader) {
            Life::Dead if self.killed => Fate::Killed,
            Life::Dead => Fate::Ended,
            Life::Alive | Life::Elsewhere if self.spared => Fate::Spared,
            Life::Alive | Life::Elsewhere => Fate::Survived,
        }
    }
}

/// Returns the pids of the roots and everything below them.
fn descendants(processes: &[Process], is_root: impl Fn(&Process) -> bool) -> HashSet<i32> {
    let mut tree: HashSet<i32> =
        processes.iter().filter(|p| is_root(p)).map(|process| process.pid).collect();
    loop {
        let before = tree.len();
        for process in processes {
            if tree.contains(&process.stat.parent) {
                tree.insert(process.pid);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}

/// Sends a signal to exactly this process: the pidfd is opened first, its start time checked after.
///
/// A process that is gone needs no signal, and one that may not be signalled is found again in the
/// next turn: errors are no news.
fn signal(process: Process, signal: i32) {
    let is_unchanged = || is_unchanged(process);
    match system::pidfd_open(process.pid) {
        Ok(pidfd) if is_unchanged() => drop(system::pidfd_signal(&pidfd, signal)),
        // Linux before 5.3, or the host process has no descriptor left.
        Err(e)
            if matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EMFILE | libc::ENFILE))
                && is_unchanged() =>
        {
            drop(system::kill(process.pid, signal));
        }
        _ => {}
    }
}

fn is_unchanged(process: Process) -> bool {
    Stat::of(process.pid).is_ok_and(|now| now.start_time == process.stat.start_time)
}
