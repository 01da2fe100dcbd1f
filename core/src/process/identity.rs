//! Whose process a pid is, for good, and whether it still lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::read_proc;
use super::{Stat, is_gone, naming};
use crate::model::session::Leader;
use crate::system;

/// The boot and the pid namespace of the calling process: what a leader's identity is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// This boot (random(4)).
    pub boot_id: String,
    /// Inode of the own pid namespace (pid_namespaces(7)).
    pub pid_ns: u64,
}

/// Whether a leader lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It does, or there is doubt.
    Alive,
    /// It is gone, a zombie, another process, or from another boot.
    Dead,
    /// It is in another pid namespace and cannot be tested from here.
    OtherNamespace,
}

impl HostIdentity {
    /// Reads boot and pid namespace.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc`, with the path in the text; a `/proc` of another pid namespace, where
    /// every pid means another process.
    pub fn current() -> io::Result<Self> {
        check_proc()?;
        let file = Path::new("/proc/sys/kernel/random/boot_id");
        let text = read_proc(file).map_err(|e| naming(file, &e))?;
        let boot_id = String::from_utf8_lossy(&text).trim().to_owned();
        if boot_id.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the kernel's boot id is empty",
            ));
        }
        let namespace = Path::new("/proc/self/ns/pid");
        let pid_ns = namespace_of(namespace).map_err(|e| naming(namespace, &e))?;
        Ok(Self { boot_id, pid_ns })
    }

    /// Returns boot and pid namespace, the identity of the living process `pid`, and its process session.
    ///
    /// Where `known`, found out by an earlier phase of the same login, is `pid` and the calling process, all
    /// but the process session is known: a process stays in its boot and in its pid namespace, and a
    /// `/proc` that shows it under its own number with its own start time is that of its namespace.
    ///
    /// # Errors
    ///
    /// Those of [`HostIdentity::current`] and [`HostIdentity::leader`].
    pub fn with_leader(pid: i32, known: Option<&Leader>) -> io::Result<(Self, Leader, i32)> {
        if let Some(known) = known.filter(|known| known.pid == pid && pid == system::own_pid()) {
            if let Ok(stat) = Stat::of(pid) {
                if stat.start_time == known.start_time {
                    let host = Self { boot_id: known.boot_id.clone(), pid_ns: known.pid_ns };
                    return Ok((host, known.clone(), stat.process_session));
                }
            }
        }
        let host = Self::current()?;
        let (leader, process_session) = host.leader(pid)?;
        Ok((host, leader, process_session))
    }

    /// Returns the identity of the living process `pid`, and its process session.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc/PID/stat`.
    pub fn leader(&self, pid: i32) -> io::Result<(Leader, i32)> {
        let stat =
            Stat::of(pid).map_err(|e| naming(&PathBuf::from(format!("/proc/{pid}/stat")), &e))?;
        let leader = Leader {
            pid,
            start_time: stat.start_time,
            pid_ns: self.pid_ns,
            boot_id: self.boot_id.clone(),
        };
        Ok((leader, stat.process_session))
    }

    /// Returns whether `leader` lives. Doubt (a `/proc` that cannot be read just now) is life.
    #[must_use]
    pub fn liveness(&self, leader: &Leader) -> Liveness {
        if leader.boot_id != self.boot_id {
            return Liveness::Dead;
        }
        if leader.pid_ns != self.pid_ns {
            return Liveness::OtherNamespace;
        }
        match Stat::of(leader.pid) {
            Ok(stat) if stat.is_dead() || stat.start_time != leader.start_time => Liveness::Dead,
            Ok(_) => Liveness::Alive,
            Err(e) if is_gone(&e) => Liveness::Dead,
            Err(_) => Liveness::Alive,
        }
    }

    /// Returns whether `leader`, of this boot and of another pid namespace, started before the first
    /// process of the present one.
    #[must_use]
    pub fn is_older_than_namespace(leader: &Leader) -> bool {
        Stat::of(1).is_ok_and(|init| leader.start_time < init.start_time)
    }
}

/// Checks that `/proc` shows the pid namespace of the calling process: a process started by
/// `unshare --pid` without a mount of its own sees its parent's.
fn check_proc() -> io::Result<()> {
    let file = Path::new("/proc/self/status");
    let status = read_proc(file).map_err(|e| naming(file, &e))?;
    let own = system::own_pid();
    if pids_in(&status) == [own] {
        return Ok(());
    }
    let text = format!("/proc is that of another pid namespace: /proc/self is not process {own}");
    Err(io::Error::other(text))
}

/// Reads the pids of a process: one for each pid namespace from that of the mount down to its own
/// (`NSpid`, proc_pid_status(5)). Linux before 4.1 tells the first one only.
fn pids_in(status: &[u8]) -> Vec<i32> {
    let line = |name: &[u8]| status.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(name));
    let pids = line(b"NSpid:").or_else(|| line(b"Pid:")).unwrap_or_default();
    let pids = std::str::from_utf8(pids).unwrap_or_default();
    pids.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Reads the inode of a namespace from the link that stands for it, `pid:[4026531836]` (namespaces(7)).
fn namespace_of(link: &Path) -> io::Result<u64> {
    let target = fs::read_link(link)?;
    let number = target.to_str().and_then(|text| text.split_once('[')?.1.strip_suffix(']'));
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "is not understood"))
}

/// Returns whether the calling process is `leader`.
///
/// # Errors
///
/// Those of reading `/proc/PID/stat`.
pub fn is_self(leader: &Leader) -> io::Result<bool> {
    Ok(leader.pid == system::own_pid() && leader.start_time == Stat::of(leader.pid)?.start_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn own_leader(host: &HostIdentity) -> Leader {
        host.leader(system::own_pid()).unwrap().0
    }

    #[test]
    fn the_own_process_is_alive_and_a_waited_child_is_dead() {
        let host = HostIdentity::current().unwrap();
        let own = own_leader(&host);
        assert_eq!(host.liveness(&own), Liveness::Alive);
        assert!(is_self(&own).unwrap());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (leader, _) = host.leader(i32::try_from(child.id()).unwrap()).unwrap();
        assert_eq!(host.liveness(&leader), Liveness::Alive);
        assert!(!is_self(&leader).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(host.liveness(&leader), Liveness::Dead);
    }

    #[test]
    fn what_is_known_of_the_own_process_is_used_and_of_another_one_is_not() {
        let host = HostIdentity::current().unwrap();
        let own = own_leader(&host);
        let with = |pid, known: &Leader| {
            let (found, leader, _) = HostIdentity::with_leader(pid, Some(known)).unwrap();
            (found, leader)
        };
        let marked = Leader { boot_id: "as known".into(), ..own.clone() };
        let known = HostIdentity { boot_id: "as known".into(), pid_ns: own.pid_ns };
        assert_eq!(with(own.pid, &marked), (known, marked.clone()));
        let recycled = Leader { start_time: own.start_time - 1, ..marked.clone() };
        assert_eq!(with(own.pid, &recycled), (host.clone(), own.clone()));
        let parent = host.leader(system::parent_pid()).unwrap().0;
        let of_parent = Leader { boot_id: "as known".into(), ..parent.clone() };
        assert_eq!(with(parent.pid, &of_parent), (host.clone(), parent));
    }

    #[test]
    fn a_zombie_a_recycled_pid_and_another_boot_are_dead() {
        let host = HostIdentity::current().unwrap();
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let (leader, _) = host.leader(pid).unwrap();
        while Stat::of(pid).unwrap().state != b'Z' {
            std::thread::yield_now();
        }
        assert_eq!(host.liveness(&leader), Liveness::Dead, "zombie");
        child.wait().unwrap();
        let own = own_leader(&host);
        let recycled = Leader { start_time: own.start_time - 1, ..own.clone() };
        assert_eq!(host.liveness(&recycled), Liveness::Dead, "recycled");
        assert!(!is_self(&recycled).unwrap());
        let booted = Leader { boot_id: "another".into(), ..own.clone() };
        assert_eq!(host.liveness(&booted), Liveness::Dead, "another boot");
        let elsewhere = Leader { pid_ns: 1, ..own };
        assert_eq!(host.liveness(&elsewhere), Liveness::OtherNamespace);
    }

    #[test]
    fn a_process_that_proc_shows_under_two_pids_is_in_another_namespace() {
        assert_eq!(pids_in(b"Name:\tsshd\nPid:\t7\nNSpid:\t7\n"), [7]);
        assert_eq!(pids_in(b"Pid:\t7\nNSpid:\t7\t1\n"), [7, 1]);
        assert_eq!(pids_in(b"Pid:\t7\n"), [7]);
        assert_eq!(pids_in(b""), [0; 0]);
    }

    #[test]
    fn init_is_older_than_this_process() {
        let host = HostIdentity::current().unwrap();
        assert!(!HostIdentity::is_older_than_namespace(&own_leader(&host)));
    }
}
