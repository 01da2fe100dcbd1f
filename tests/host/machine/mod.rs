//! A throwaway machine: an overlay over a root, booted in systemd-nspawn.
//!
//! Nothing of it can outlive this process. The overlay's upper half is a tmpfs in a private mount
//! namespace, and every process is in a private pid namespace whose first process dies with the
//! thread that booted it, so the kernel takes both back. Only the empty control groups need a hand:
//! a guardian in a session of its own waits for our end of a pipe to close and removes them.

pub mod root;
pub mod sys;

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::wait::{seconds, until, until_some};
use root::Release;

/// Puts the overlay together, runs `$PREPARE` on it, and becomes the machine. `$1` is the root.
/// 133 is how a machine asks to be started again: a reboot keeps its disk and loses its memory.
const LAUNCH: &str = r#"
set -e
for group in $GROUPS_TO_JOIN; do mkdir -p "$group"; echo 0 >"$group/cgroup.procs"; done
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
sh -c "$PREPARE"
set +e
while
    systemd-nspawn --quiet --directory=/mnt/root --boot --register=no --keep-unit \
        --private-network --console=pipe --machine=host --link-journal=no
    [ $? = 133 ]
do :; done
"#;

/// `$1` names the control groups. A process outside the machine's groups would confuse its systemd.
const ENTER: &str = r#"
for group in $1; do
    if [ -d "$group/payload/init.scope" ]; then echo 0 >"$group/payload/init.scope/cgroup.procs"; fi
done
shift
exec nsenter "$@"
"#;

/// `$@` are the control groups. rmdir only: a group that still holds a process is not ours to take.
const GUARD: &str = r#"
cat >/dev/null
for try in $(seq 60); do
    left=
    for group in "$@"; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ ! -d "$group" ] || left=1
    done
    [ -n "$left" ] || exit 0
    sleep 0.2
done
"#;

pub struct Machine {
    launcher: Child,
    /// Its standard input is the pipe whose end tells it that we are gone.
    guardian: Child,
    /// What the console said: a file without a name.
    console: File,
    groups: Vec<PathBuf>,
}

impl Machine {
    /// Boots a copy of `root`. `prepare` is shell text that may change the copy at /mnt/root first.
    pub fn boot(release: Release, root: &Path, prepare: &str) -> Self {
        let groups = control_groups();
        let mut guardian = Command::new("sh");
        guardian
            .args(["-c", GUARD, "guard"])
            .args(&groups)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let guardian = sys::in_own_session(&mut guardian).spawn().unwrap();

        let console = tempfile::tempfile().unwrap();
        let mut launcher = Command::new("unshare");
        launcher
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL"])
            .args(["--mount-proc", "--propagation=private"])
            .args(["sh", "-c", LAUNCH, "launch"])
            .arg(root)
            .env("PREPARE", prepare)
            .env("GROUPS_TO_JOIN", joined(&groups))
            .stdin(Stdio::null())
            .stdout(console.try_clone().unwrap())
            .stderr(console.try_clone().unwrap());
        if release == Release::Debian13 {
            // systemd 257 runs on the unified hierarchy only; 252 takes what the machine has.
            launcher.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1");
        }
        let launcher = sys::die_with_this_thread(&mut launcher).spawn().unwrap();
        let mut machine = Self { launcher, guardian, console, groups };
        machine.await_init(None);
        machine
    }

    /// Waits for a first process other than `previous`.
    fn await_init(&mut self, previous: Option<u32>) -> u32 {
        until_some("a first process of the machine", seconds(60), || {
            if let Ok(Some(status)) = self.launcher.try_wait() {
                panic!("the machine ended with {status}:\n{}", self.console_text());
            }
            self.find_init().filter(|init| Some(*init) != previous)
        })
        .0
    }

    /// Pid of the machine's first process as this process sees it.
    pub fn init(&self) -> u32 {
        self.find_init().unwrap_or_else(|| panic!("the machine is down:\n{}", self.console_text()))
    }

    fn find_init(&self) -> Option<u32> {
        let mut waiting = vec![self.launcher.id()];
        while let Some(pid) = waiting.pop() {
            // Two namespaces below ours, and the first process in its own.
            let namespaces = pids_in_namespaces(pid);
            if namespaces.len() > 2 && namespaces.last() == Some(&1) {
                return Some(pid);
            }
            waiting.extend(children(pid));
        }
        None
    }

    /// Reboots without telling any process: no unit is stopped, no session closed.
    pub fn power_cycle(&mut self) {
        let init = self.init();
        // The answer is lost with the machine.
        let _ = self.enter(&["systemctl", "reboot", "--force", "--force"]).status();
        self.await_init(Some(init));
    }

    /// A command inside the machine, in all its namespaces, as root with a plain environment.
    pub fn enter(&self, program: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", ENTER, "enter"])
            .arg(joined(&self.groups))
            .arg(format!("--target={}", self.init()))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/"])
            .arg("--")
            .args(program)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .env("TERM", "linux");
        sys::die_with_this_thread(&mut command);
        command
    }

    /// The machine's file system as seen from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init())).join(inside.trim_start_matches('/'))
    }

    pub fn console_text(&self) -> String {
        let mut text = Vec::new();
        let mut file = &self.console;
        if file.rewind().is_ok() {
            // The text is for the analysis of a failure; a part of it is better than none.
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The first process of the pid namespace dies with the launcher, and all others with it.
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
        drop(self.guardian.stdin.take());
        let _ = self.guardian.wait();
        if !std::thread::panicking() {
            let groups = &self.groups;
            until("the control groups are gone", seconds(3), || {
                groups.iter().all(|group| !group.exists())
            });
        }
    }
}

const GROUP_PREFIX: &str = "session-limit-test";

/// Control groups for one machine: two machines in one group would take each other's units.
fn control_groups() -> Vec<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{GROUP_PREFIX}-{}-{number}", std::process::id());
    hierarchies().into_iter().map(|hierarchy| hierarchy.join(&name)).collect()
}

/// The control groups that a run of these tests has, or has left.
pub fn control_groups_of(run: u32) -> Vec<PathBuf> {
    let prefix = format!("{GROUP_PREFIX}-{run}-");
    hierarchies()
        .into_iter()
        .flat_map(|hierarchy| fs::read_dir(hierarchy).into_iter().flatten().flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// Where systemd keeps its groups: version 1, version 2 beside it, or version 2 alone.
fn hierarchies() -> Vec<PathBuf> {
    let base = Path::new("/sys/fs/cgroup");
    let mixed: Vec<PathBuf> = ["systemd", "unified"]
        .into_iter()
        .map(|hierarchy| base.join(hierarchy))
        .filter(|hierarchy| hierarchy.join("cgroup.procs").exists())
        .collect();
    if mixed.is_empty() { vec![base.to_owned()] } else { mixed }
}

/// Removes what a run left that was killed together with its guardian.
pub fn sweep_control_groups() {
    for hierarchy in hierarchies() {
        for entry in fs::read_dir(hierarchy).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let run = name.strip_prefix(GROUP_PREFIX).and_then(|rest| rest.split('-').nth(1));
            if run.is_some_and(|run| !Path::new("/proc").join(run).exists()) {
                // What is still in use stays, and nothing depends on it.
                let _ = Command::new("find")
                    .arg(entry.path())
                    .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", "+"])
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }
}

fn joined(groups: &[PathBuf]) -> String {
    let names: Vec<String> = groups.iter().map(|group| group.display().to_string()).collect();
    names.join(" ")
}

/// Kills a process and everything below it, the youngest first.
pub fn kill_tree(pid: u32) {
    for pid in descendants(pid).into_iter().rev() {
        sys::kill(pid, libc::SIGKILL);
    }
}

/// A process and everything below it.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(&pid) = all.get(at) {
        all.extend(children(pid));
        at += 1;
    }
    all
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

/// The pid in each namespace, the outermost first; empty when the process is gone.
fn pids_in_namespaces(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
