//! Identity, liveness and kinship of processes, from `/proc` (proc_pid_stat(5)).

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::last::Last;
use crate::model::policy::{Habit, habit};
use crate::model::session::{Leader, Session};
use crate::system;

/// `/proc/PID/sessionid` of a process without an audit session: (uid_t)-1.
const NO_AUDIT_SESSION: u32 = u32::MAX;

/// What `/proc/PID/stat` says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Field 3: one letter; `Z` and `X` are dead.
    pub state: u8,
    /// Field 4: parent.
    pub parent: i32,
    /// Field 22: start, in clock ticks after boot.
    pub start_time: u64,
}

impl Stat {
    /// Reads the line of a `/proc/PID/stat`.
    ///
    /// The command's name, field 2, may hold spaces and parentheses: fields are counted after the
    /// last `)`.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let after_name = line.iter().rposition(|&b| b == b')')?.checked_add(1)?;
        let mut fields =
            std::str::from_utf8(line.get(after_name..)?).ok()?.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        let start_time = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, start_time })
    }

    /// Reads the stat of the process `pid`.
    ///
    /// # Errors
    ///
    /// Those of reading the file; `InvalidData` where it is not such a line.
    pub fn of(pid: i32) -> io::Result<Self> {
        let mut room = SHORT;
        let line = read_short(&format!("/proc/{pid}/stat"), &mut room)?;
        Self::parse(line).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/proc/{pid}/stat is not understood"),
            )
        })
    }

    /// Returns whether the process has ended: a zombie only waits for its parent.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Where the calling process is: what a leader's identity is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// This boot.
    pub boot_id: String,
    /// Inode of the own pid namespace.
    pub pid_ns: u64,
}

/// Whether a leader lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does, or there is doubt.
    Alive,
    /// It is gone, a zombie, another process, or from another boot.
    Dead,
    /// It is in another pid namespace and cannot be tested from here.
    Elsewhere,
}

impl Here {
    /// Reads the boot id and the own pid namespace.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc`, with the path in the text.
    pub fn now() -> io::Result<Self> {
        let boot_id = boot_id()?;
        // By its number, as the other files of this process are: the kernel then walks to it once.
        let namespace = PathBuf::from(format!("/proc/{}/ns/pid", system::own_pid()));
        let pid_ns = namespace_of(&namespace).map_err(|e| naming(&namespace, &e))?;
        Ok(Self { boot_id, pid_ns })
    }

    /// Returns where `leader` is, who is the calling process.
    #[must_use]
    pub fn of(leader: &Leader) -> Self {
        Self { boot_id: leader.boot_id.clone(), pid_ns: leader.pid_ns }
    }

    /// Returns the identity of the living process `pid`.
    ///
    /// # Errors
    ///
    /// Those of reading `/proc/PID/stat`.
    pub fn leader(&self, pid: i32) -> io::Result<Leader> {
        let stat = if pid == system::own_pid() { own_stat() } else { Stat::of(pid) };
        let stat = stat.map_err(|e| naming(Path::new(&format!("/proc/{pid}/stat")), &e))?;
        Ok(Leader {
            pid,
            start_time: stat.start_time,
            pid_ns: self.pid_ns,
            boot_id: self.boot_id.clone(),
        })
    }

    /// Returns whether `leader` lives. Doubt (a `/proc` that cannot be read just now) is life.
    #[must_use]
    pub fn life(&self, leader: &Leader) -> Life {
        if leader.boot_id != self.boot_id {
            return Life::Dead;
        }
        if leader.pid_ns != self.pid_ns {
            return Life::Elsewhere;
        }
        match Stat::of(leader.pid) {
            Ok(stat) if stat.is_dead() || stat.start_time != leader.start_time => Life::Dead,
            Ok(_) => Life::Alive,
            Err(e) if is_gone(&e) => Life::Dead,
            Err(_) => Life::Alive,
        }
    }
}

/// This boot, once it is known.
static BOOT: Last<String> = Last::none();

/// Returns the kernel's name of this boot (random(4)), read once.
///
/// # Errors
///
/// Those of reading the file, with its path in the text; `InvalidData` where it is empty.
pub fn boot_id() -> io::Result<String> {
    if let Some(known) = BOOT.look(|known| Some(known.clone())) {
        return Ok(known);
    }
    let file = "/proc/sys/kernel/random/boot_id";
    let mut room = SHORT;
    let read = read_short(file, &mut room).map_err(|e| naming(Path::new(file), &e))?;
    let boot_id = String::from_utf8_lossy(read).trim().to_owned();
    if boot_id.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's boot id is empty"));
    }
    BOOT.keep(boot_id.clone());
    Ok(boot_id)
}

/// Takes over what another process has read of [`boot_id`] in this boot.
pub fn know_boot_id(boot_id: &str) {
    BOOT.keep(boot_id.to_owned());
}

/// Reads the inode of a namespace from the link that stands for it, `pid:[4026531836]`
/// (namespaces(7)): cheaper than a stat, for which the kernel makes the inode.
fn namespace_of(link: &Path) -> io::Result<u64> {
    let target = fs::read_link(link)?;
    let number = target.to_str().and_then(|text| text.split_once('[')?.1.strip_suffix(']'));
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "is not understood"))
}

/// Returns whether the calling process is `leader`, whose ticket it holds or inherited.
///
/// # Errors
///
/// Those of reading `/proc/PID/stat`.
pub fn is_self(leader: &Leader) -> io::Result<bool> {
    Ok(leader.pid == system::own_pid() && leader.start_time == own_start()?)
}

/// Pid, parent and start time of this process, as it last looked.
static OWN: Last<(i32, i32, u64)> = Last::none();

/// Returns the start time of the calling process, for the question whether a ticket is its own. What is
/// recorded is read anew.
fn own_start() -> io::Result<u64> {
    // A child inherits what is known, and has another pid as long as its parent lives; the first process
    // of a pid namespace may have the same one there, but no parent.
    let (own, parent) = (system::own_pid(), system::parent_pid());
    let known =
        OWN.look(|&(pid, of, start)| ((pid, of) == (own, parent) && of != 0).then_some(start));
    known.map_or_else(|| own_stat().map(|stat| stat.start_time), Ok)
}

/// Reads the stat of the calling process, for [`own_start`] to know.
fn own_stat() -> io::Result<Stat> {
    let own = system::own_pid();
    let stat = Stat::of(own)?;
    OWN.keep((own, stat.parent, stat.start_time));
    Ok(stat)
}

/// Returns whether a read of `/proc/PID` failed because there is no such process.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    // ESRCH: it ended between open and read.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Returns the pid that a login's place hangs on: the calling process, but for sshd's
/// keyboard-interactive child its parent.
///
/// OpenSSH runs authentication and account phase of keyboard-interactive logins in a child of the
/// monitor that leaves by `_exit`; the monitor opens the session. That child, and no other caller,
/// belongs to the session its parent leads (daemon and `sshd -i` alike) and runs the parent's program.
#[must_use]
pub fn anchor() -> i32 {
    let (own, parent) = (system::own_pid(), system::parent_pid());
    if system::own_sid() == parent && parent != own && is_same_sshd(parent) { parent } else { own }
}

fn is_same_sshd(parent: i32) -> bool {
    let own_exe = Path::new("/proc/self/exe");
    let parent_exe = PathBuf::from(format!("/proc/{parent}/exe"));
    // sshd, since OpenSSH 9.8 sshd-session.
    runs_program(system::own_pid(), b"sshd")
        && system::device_and_inode(own_exe).is_ok_and(|own| {
            system::device_and_inode(&parent_exe).is_ok_and(|parent| parent == own)
        })
}

/// Returns whether the name of the program that `pid` runs begins so; " (deleted)" follows it after
/// an upgrade.
fn runs_program(pid: i32, name: &[u8]) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
        exe.file_name().is_some_and(|file| file.as_encoded_bytes().starts_with(name))
    })
}

/// Returns whether the calling process is systemd on its way to become a unit with `PAMName=`.
#[must_use]
pub fn is_becoming_a_unit() -> bool {
    // systemd, since 254 systemd-executor.
    runs_program(system::own_pid(), b"systemd")
}

/// Returns the audit session of `pid` (set by pam_loginuid, inherited by every child), if it has one.
#[must_use]
pub fn audit_session(pid: i32) -> Option<u32> {
    let mut room = SHORT;
    let text = read_short(&format!("/proc/{pid}/sessionid"), &mut room).ok()?;
    let id = std::str::from_utf8(text).ok()?.trim().parse().ok()?;
    (id != NO_AUDIT_SESSION).then_some(id)
}

/// Returns the ancestors of `pid`, nearest first, without init.
#[must_use]
pub fn ancestors(pid: i32) -> Vec<i32> {
    let mut line = Vec::new();
    let mut current = pid;
    while let Ok(stat) = Stat::of(current) {
        // A pid that shows up twice was used again while we walked.
        if stat.parent <= 1 || line.contains(&stat.parent) {
            break;
        }
        line.push(stat.parent);
        current = stat.parent;
    }
    line
}

/// Returns the path of the logind scope (`session-N.scope`) that `pid` runs in, if it does.
///
/// Any other cgroup holds more than one session: `ssh.service` holds everybody's.
#[must_use]
pub fn session_scope(pid: i32) -> Option<String> {
    let text = fs::read(format!("/proc/{pid}/cgroup")).ok()?;
    scope_in(&String::from_utf8_lossy(&text))
}

/// Reads cgroups(7) `/proc/PID/cgroup`: lines of `ID:CONTROLLERS:PATH`, version 1, 2 or both.
fn scope_in(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?;
        let leaf = path.rsplit('/').next()?;
        let name = leaf.strip_prefix("session-")?.strip_suffix(".scope")?;
        (!name.is_empty()).then(|| path.to_owned())
    })
}

/// Returns the pids of all processes that can be seen.
///
/// # Errors
///
/// Those of reading `/proc`.
pub fn all_pids() -> io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// Returns the real uid of the process `pid`.
#[must_use]
pub fn real_uid(pid: i32) -> Option<u32> {
    // Not the owner of /proc/PID: that is root for what may not be dumped, sshd among it.
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_ascii_whitespace().next()?.parse().ok()
}

/// The users' halves of the ssh connections of this host.
///
/// sshd's monitor leads the session. Killed alone (by an administrator, or for want of memory) it
/// leaves the user's half behind, which serves the connection on.
#[derive(Debug)]
pub struct Connections(HashSet<(u32, u32)>);

impl Connections {
    /// Looks for them now, in all of `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let halves = all_pids().unwrap_or_default().into_iter().filter_map(|pid| {
            if !runs_program(pid, b"sshd") || Stat::of(pid).ok()?.is_dead() {
                return None;
            }
            // root's cannot be told from a listener that somebody started by hand.
            let uid = real_uid(pid).filter(|&uid| uid != 0)?;
            Some((audit_session(pid)?, uid))
        });
        Self(halves.collect())
    }

    /// Returns whether one of them belongs to `session`.
    ///
    /// A login inside a login, or a switch, has the audit session of the connection around it: that
    /// connection is not its own.
    #[must_use]
    pub fn serve(&self, session: &Session) -> bool {
        session.is_open()
            && habit(&session.origin.service) == Habit::Login
            && session.audit_session.is_some_and(|id| self.0.contains(&(id, session.uid)))
    }
}

/// Returns the name of the calling program as the kernel keeps it (`/proc/self/comm`).
#[must_use]
pub fn own_name() -> String {
    match system::name_of_main_thread() {
        Some(name) => crate::model::sanitize::printable(name.to_bytes()),
        None => {
            let mut room = SHORT;
            let name = read_short("/proc/self/comm", &mut room).unwrap_or_default();
            crate::model::sanitize::printable(name.trim_ascii_end())
        }
    }
}

/// Reads a file of `/proc` that the kernel makes when it is read, and hands out whole: with one
/// system call, where `fs::read` feels its way in many.
fn read_short<'a>(path: &str, room: &'a mut Short) -> io::Result<&'a [u8]> {
    let mut file = File::open(path)?;
    loop {
        match file.read(room) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
            Ok(length) => return Ok(room.get(..length).unwrap_or_default()),
        }
    }
}

/// Room for the longest of them: a `stat` has 52 numbers and a name.
type Short = [u8; 1280];
const SHORT: Short = [0; 1280];

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {}", path.display(), system::reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_not_the_leader_that_its_parent_is() {
        let parent = Here::now().unwrap().leader(system::own_pid()).unwrap();
        assert!(is_self(&parent).unwrap());
        // A clock tick has 10 ms.
        std::thread::sleep(std::time::Duration::from_millis(50));
        // SAFETY: the child reads a file of /proc and leaves.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // As if it had its parent's pid, which it could have in a namespace of its own.
            let same_pid = Leader { pid: system::own_pid(), ..parent.clone() };
            let wrong = is_self(&parent).unwrap_or(true) || is_self(&same_pid).unwrap_or(true);
            // SAFETY: _exit ends the child without anything of the parent's being run.
            unsafe { libc::_exit(i32::from(wrong)) };
        }
        let mut status = -1;
        // SAFETY: `status` is valid to write to.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert!(is_self(&parent).unwrap());
    }

    #[test]
    fn fields_are_counted_after_the_last_parenthesis() {
        let line = b"4242 (a) R 1 1 (b)) S 17 4242 4242 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        assert_eq!(Stat::parse(line), Some(Stat { state: b'S', parent: 17, start_time: 987_654 }));
        for broken in
            [&b""[..], b"1", b"1 (x", b"1 (x)", b"1 (x) S", b"1 (x) S 1 2 3", b"1 (x) S z 1"]
        {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn the_own_process_is_alive_and_a_waited_child_is_dead() {
        let here = Here::now().unwrap();
        let me = here.leader(system::own_pid()).unwrap();
        assert_eq!(here.life(&me), Life::Alive);
        assert!(is_self(&me).unwrap());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let leader = here.leader(i32::try_from(child.id()).unwrap()).unwrap();
        assert_eq!(here.life(&leader), Life::Alive);
        assert!(!is_self(&leader).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(here.life(&leader), Life::Dead);
    }

    #[test]
    fn a_zombie_a_recycled_pid_and_another_boot_are_dead() {
        let here = Here::now().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let leader = here.leader(pid).unwrap();
        while Stat::of(pid).unwrap().state != b'Z' {
            std::thread::yield_now();
        }
        assert_eq!(here.life(&leader), Life::Dead, "zombie");
        child.wait().unwrap();
        let me = here.leader(system::own_pid()).unwrap();
        let recycled = Leader { start_time: me.start_time - 1, ..me.clone() };
        assert_eq!(here.life(&recycled), Life::Dead, "recycled");
        let booted = Leader { boot_id: "another".into(), ..me.clone() };
        assert_eq!(here.life(&booted), Life::Dead, "another boot");
        let elsewhere = Leader { pid_ns: 1, ..me };
        assert_eq!(here.life(&elsewhere), Life::Elsewhere);
    }

    #[test]
    fn only_a_session_scope_is_a_session_scope() {
        let scope = |text| scope_in(text);
        assert_eq!(
            scope("0::/user.slice/user-1000.slice/session-3.scope\n").as_deref(),
            Some("/user.slice/user-1000.slice/session-3.scope")
        );
        assert_eq!(
            scope("4:memory:/x\n1:name=systemd:/user.slice/user-0.slice/session-c12.scope\n0::/\n")
                .as_deref(),
            Some("/user.slice/user-0.slice/session-c12.scope")
        );
        for other in [
            "0::/system.slice/ssh.service\n",
            "0::/user.slice/user-1000.slice/session-.scope\n",
            "0::/user.slice/user-1000.slice/session-3.scope/child\n",
            "0::/\n",
            "",
        ] {
            assert_eq!(scope(other), None, "{other}");
        }
    }

    #[test]
    fn ancestors_end_before_init() {
        let line = ancestors(system::own_pid());
        assert_eq!(line.first(), Some(&system::parent_pid()).filter(|&&p| p > 1));
        assert!(!line.contains(&1));
    }
}
