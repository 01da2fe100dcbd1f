//! A test host: a machine with the module installed, and what the scenarios do with it.

use std::cell::Cell;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Client, Ended};
use crate::machine::Machine;
use crate::machine::root::Release;
use crate::ssh::Ssh;
use crate::terminal::Terminal;
use crate::wait::{seconds, until, within};

const CONFIG: &str = "/etc/session-limit/config.toml";
const DATABASE: &str = "/run/session-limit/live-sessions.db";

pub struct Host {
    pub release: Release,
    /// What the machine's disk is a copy of.
    pub root: PathBuf,
    machine: Machine,
    /// Where the journal ended when the scenario began.
    since: Cell<String>,
}

/// Limits and policy of a scenario, as the text of a configuration file.
#[derive(Default)]
pub struct Rules {
    profiles: String,
    policy: String,
}

impl Rules {
    /// Limits a user to `limit` sessions.
    pub fn user(mut self, name: &str, limit: u32) -> Self {
        write!(
            self.profiles,
            "[[useraccountprofile]]\nname = \"limit-of-{name}\"\nmax_concurrent_sessions = {limit}\n\
             [[user]]\nusername = \"{name}\"\nuser_profile = \"limit-of-{name}\"\n"
        )
        .unwrap();
        self
    }

    /// Limits each member of a group to `limit` sessions.
    pub fn group(mut self, name: &str, limit: u32) -> Self {
        write!(
            self.profiles,
            "[[useraccountprofile]]\nname = \"limit-of-group-{name}\"\nmax_concurrent_sessions = {limit}\n\
             [[group]]\nname = \"{name}\"\nuser_profile = \"limit-of-group-{name}\"\n"
        )
        .unwrap();
        self
    }

    /// A line of the `[policy]` table.
    pub fn policy(mut self, line: &str) -> Self {
        writeln!(self.policy, "{line}").unwrap();
        self
    }
}

impl Host {
    /// Boots a copy of `root` with the module installed and enabled as an administrator would do it.
    pub fn boot(release: Release, root: &Path) -> Self {
        let host = Self {
            release,
            root: root.to_owned(),
            machine: Machine::boot(release, root, &install_into("/mnt/root")),
            since: Cell::default(),
        };
        host.await_up();
        host.run("pam-auth-update --enable session-limit").ok();
        host
    }

    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Waits until systemd has nothing left to start and sshd answers.
    fn await_up(&self) {
        until("the host is up", seconds(60), || {
            let state = self.run("systemctl is-system-running").stdout;
            matches!(state.trim(), "running" | "degraded")
                && self.run("ssh -o BatchMode=yes root@127.0.0.1 true").status == 0
        });
    }

    /// The host loses its memory, keeps its disk and comes back. Nothing is told to stop.
    pub fn power_cycle(&mut self) {
        self.machine.power_cycle();
        self.await_up();
    }

    /// Brings a used host back to where a scenario starts: no user is logged in, no limit is set.
    pub fn reset(&self) {
        self.write(CONFIG, "");
        // Where a scenario that failed has left no sshd the next one says so.
        self.reload_sshd("rm -f /etc/ssh/sshd_config.d/10-scenario.conf");
        self.run("systemctl stop 'container-getty@*' sshd-clear-sessions 2>/dev/null; systemctl reset-failed");
        // Again and again: a login that was on its way may still get through.
        until("no user is logged in before the scenario", seconds(60), || {
            self.run(
                "for user in alice bob carol; do
                     pgrep -u $user >/dev/null || continue
                     loginctl disable-linger $user; loginctl terminate-user $user; pkill -KILL -u $user
                 done 2>/dev/null",
            );
            self.run("pgrep -u alice,bob,carol").status != 0 && self.connections("") == 0
        });
        let end = self.run("journalctl --quiet -n 0 --show-cursor").stdout;
        self.since.set(end.trim().trim_start_matches("-- cursor: ").to_owned());
    }

    /// `make install` once more, into the running host.
    pub fn install_again(&self) {
        let directory = self.machine.path("/");
        let status = Command::new("sh")
            .args(["-c", &install_into(&directory.display().to_string())])
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    // The vocabulary of the scenarios.

    /// Replaces all limits.
    pub fn rules(&self, rules: Rules) {
        self.write(CONFIG, &format!("{}[policy]\n{}", rules.profiles, rules.policy));
    }

    /// One limit for one user, everything else by default.
    pub fn limit(&self, user: &str, limit: u32) {
        self.rules(Rules::default().user(user, limit));
    }

    /// sshd_config lines that hold for this scenario.
    pub fn sshd(&self, lines: &str) {
        self.write("/etc/ssh/sshd_config.d/10-scenario.conf", lines);
        assert!(self.reload_sshd("sshd -t"), "sshd is not back");
    }

    /// Has sshd read its configuration again after `script`; returns whether it listens again. It does so a moment
    /// after the reload, with another socket: until then the old one accepts connections.
    fn reload_sshd(&self, script: &str) -> bool {
        let listener =
            || self.run("awk '$2 ~ /:0016$/ && $4 == \"0A\" { print $10 }' /proc/net/tcp").stdout;
        let before = listener();
        if self.run(&format!("{script} && systemctl reload-or-restart ssh")).status != 0 {
            return false;
        }
        let is_new = || Some(listener()).filter(|now| !now.trim().is_empty() && *now != before);
        within(seconds(20), is_new).is_some()
    }

    pub fn ssh(&self, user: &str) -> Ssh<'_> {
        Ssh::new(self, user)
    }

    /// Runs shell text as root to its end.
    pub fn run(&self, script: &str) -> Ended {
        self.start(script).log_out()
    }

    /// Runs shell text as root and returns its trimmed output.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn ok(&self, script: &str) -> String {
        self.run(script).ok().stdout.trim().to_owned()
    }

    /// Starts shell text as root.
    pub fn start(&self, script: &str) -> Client {
        Client::start(self.machine.enter(&["timeout", "120", "bash", "-c", script]), "")
    }

    /// A terminal with a getty on it, as on the machine's console.
    pub fn console(&self) -> Terminal {
        let terminal = Terminal::open(&self.machine);
        self.ok(&format!("systemctl start container-getty@{}", terminal.number));
        terminal
    }

    pub fn write(&self, path: &str, text: &str) {
        std::fs::write(self.machine.path(path), text)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.machine.path(path))
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// How many sessions of the user the module has on record.
    pub fn recorded(&self, user: &str) -> usize {
        let query = format!(
            "test ! -s {DATABASE} || sqlite3 -readonly -cmd '.timeout 3000' {DATABASE} \
             \"SELECT count(*) FROM session WHERE state = 'open' AND uid = $(id -u {user})\""
        );
        self.ok(&query).parse().unwrap_or(0)
    }

    /// How many ssh connections of the user are open (of any user: ""), by sshd's processes.
    pub fn connections(&self, user: &str) -> usize {
        self.run(&format!("pgrep -c -f '^sshd[a-z-]*: {user}.*\\[priv\\]'"))
            .stdout
            .trim()
            .parse()
            .unwrap_or(0)
    }

    /// What the module has logged since the scenario began.
    pub fn log(&self) -> Vec<String> {
        let cursor = self.since.take();
        let text = self.ok(&format!(
            "journalctl --quiet --no-pager --output=short --after-cursor='{cursor}' --grep=pam_session_limit || true"
        ));
        self.since.set(cursor);
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for a line of the module's that holds all of these words, and returns it.
    pub fn logs(&self, words: &[&str]) -> String {
        let line = within(seconds(5), || {
            self.log().into_iter().find(|line| words.iter().all(|word| line.contains(word)))
        });
        line.unwrap_or_else(|| panic!("no log line with {words:?} in {:#?}", self.log())).0
    }

    /// Waits until the user can log in again and returns how long that took.
    pub fn until_admitted(&self, user: &str, limit: Duration) -> Duration {
        let start = Instant::now();
        until("the user is admitted again", limit, || self.ssh(user).run("true").status == 0);
        start.elapsed()
    }
}

/// `make build`: the newest module, as it is shipped, whatever profile this test was built with.
pub fn build() -> bool {
    Command::new("make")
        .args(["--silent", "-C", env!("CARGO_MANIFEST_DIR"), "build"])
        .env("CARGO_TARGET_DIR", target_dir())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns the root again when `shell`, as it was built here, runs there.
///
/// # Errors
///
/// One line of why not: what is built on Debian 13 needs a newer C library than Debian 12 has.
pub fn runs_in(root: PathBuf) -> Result<PathBuf, String> {
    let ran = Command::new("unshare")
        .args(["--mount", "--propagation=private", "sh", "-ec"])
        .arg("mount --bind \"$1\" \"$2/mnt\"; exec chroot \"$2\" /mnt/shell --version")
        .arg("runs_in")
        .arg(target_dir().join("release"))
        .arg(&root)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare: {error}"))?;
    if ran.status.success() {
        return Ok(root);
    }
    let errors = String::from_utf8_lossy(&ran.stderr);
    Err(format!(
        "what was built on this system does not run in {} (run these tests on Debian 12): {}",
        root.display(),
        errors.lines().next().unwrap_or("no reason given")
    ))
}

/// `make install` of what was built for this run.
fn install_into(directory: &str) -> String {
    format!(
        "make --silent --no-print-directory -C '{}' install DESTDIR='{directory}' TARGET_DIR='{}'",
        env!("CARGO_MANIFEST_DIR"),
        target_dir().display()
    )
}

/// The directory that this test was built in: three levels above it.
pub fn target_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().to_owned()
}
