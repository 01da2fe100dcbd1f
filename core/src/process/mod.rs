//! Processes, from `/proc` (proc_pid_stat(5)): identity, liveness, ancestry, what they run in.
#![forbid(unsafe_code)]

pub mod cgroup;
pub mod client;
pub mod identity;
pub mod ssh;
pub mod table;
pub mod terminal;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

pub use identity::{HostIdentity, Liveness};

use crate::model::sanitize::printable;
use crate::system;

/// `/proc/PID/sessionid` of a process without an audit session: (uid_t)-1.
const NO_AUDIT_SESSION: u32 = u32::MAX;

/// What `/proc/PID/stat` says that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Field 3: one letter; `Z` and `X` are dead, `T` is stopped by a signal.
    pub state: u8,
    /// Field 4: parent.
    pub parent: i32,
    /// Field 6: process session (setsid(2)).
    pub process_session: i32,
    /// Field 7: device number of the controlling terminal; 0 is none.
    pub terminal: i32,
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
        let process_session = fields.nth(1)?.parse().ok()?;
        let terminal = fields.next()?.parse().ok()?;
        let start_time = fields.nth(14)?.parse().ok()?;
        Some(Self { state, parent, process_session, terminal, start_time })
    }

    /// Reads the stat of the process `pid`.
    ///
    /// # Errors
    ///
    /// Those of reading the file; `InvalidData` where it is not such a line.
    pub fn of(pid: i32) -> io::Result<Self> {
        let line = read_proc(format!("/proc/{pid}/stat"))?;
        Self::parse(&line).ok_or_else(|| {
            let text = format!("/proc/{pid}/stat is not understood");
            io::Error::new(io::ErrorKind::InvalidData, text)
        })
    }

    /// Returns whether the process has ended: a zombie only waits for its parent.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Returns whether a signal has stopped the process.
    #[must_use]
    pub fn is_stopped(self) -> bool {
        self.state == b'T'
    }
}

/// Reads a file of `/proc` that is one record, as all are that this program reads: the kernel makes it as a whole,
/// and fills what it is given to read into (seq_file). So a page that it does not fill is the last one, and takes one
/// system call where reading by the size, of which these files have none, takes eight.
fn read_proc(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut text = Vec::new();
    let mut page = [0; 4096];
    loop {
        match file.read(&mut page) {
            Ok(length) => {
                text.extend_from_slice(page.get(..length).unwrap_or_default());
                if length < page.len() {
                    return Ok(text);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns whether a read of `/proc/PID` failed because there is no such process.
#[must_use]
pub fn is_gone(error: &io::Error) -> bool {
    // ESRCH: it ended between open and read.
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
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
    let text = read_proc(format!("/proc/{pid}/sessionid")).ok()?;
    let id = std::str::from_utf8(&text).ok()?.trim().parse().ok()?;
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
    let status = read_proc(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns the name of the calling program as the kernel keeps it (`/proc/self/comm`), printable.
#[must_use]
pub fn own_name() -> String {
    let name = read_proc("/proc/self/comm").unwrap_or_default();
    printable(name.trim_ascii_end())
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {}", path.display(), system::error_text(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_the_last_parenthesis() {
        let line = b"4242 (a) R 1 1 (b)) S 17 4242 4240 34817 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.state, stat.parent, stat.process_session), (b'S', 17, 4240));
        assert_eq!((stat.terminal, stat.start_time), (34_817, 987_654));
        for broken in
            [&b""[..], b"1", b"1 (x", b"1 (x)", b"1 (x) S", b"1 (x) S 1 2 3", b"1 (x) S z 1"]
        {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn the_own_process_session_is_the_one_of_the_kernel() {
        let stat = Stat::of(system::own_pid()).unwrap();
        assert_eq!(stat.process_session, system::own_process_session());
        assert_eq!(stat.parent, system::parent_pid());
    }

    #[test]
    fn ancestors_end_before_init() {
        let line = ancestors(system::own_pid());
        assert_eq!(line.first(), Some(&system::parent_pid()).filter(|&&p| p > 1));
        assert!(!line.contains(&1));
    }
}
