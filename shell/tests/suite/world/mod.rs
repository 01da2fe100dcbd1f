//! A small host: users, PAM stacks, configuration and store, bound over /etc, /run and /var/lib in a mount
//! namespace of each process. The host's own /etc is never written to.

pub mod pty;
pub mod served;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use testkit::module;

use pty::{Pty, eventually, kill};

/// The password of every user.
pub const PASSWORD: &str = "correct horse";
/// One that no user has until [`World::change_password`].
pub const OTHER_PASSWORD: &str = "battery staple";
const PASSWORD_HASH: &str = "$6$rounds=1000$salt$Op5Pr8IefYjtJFNiLT8d.Xb85v8VtEyyKosvqEUXP9/.f4IC5kMbKoUZwss1ymncWvUZB6QVTmIH88IN1Uc5C.";
const OTHER_PASSWORD_HASH: &str = "$6$rounds=1000$salt$M59eIDWzIyo0EhftRqJvejzmMwfTTiG0PSYGeh4GTfWlMPhXd1O4qLCjQuI3Xn1OJvJXg2auiifP4XjzWQ5KJ/";

/// What the module says at the limit.
pub const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\r\nPlease clear the sessions using shell --clear-sessions\r\n";

/// A small host.
pub struct World {
    directory: TempDir,
}

/// Binds the world's directories, then runs the program in its arguments.
const ENTER: &str = r#"mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && mount --bind "$1/lib" /var/lib && shift && exec "$@""#;

impl World {
    /// Makes a host whose users are admin (of group sudo), alice and bob, all without a limit.
    /// Nothing where this machine does not let us: that is said aloud.
    pub fn new() -> Option<Self> {
        static POSSIBLE: OnceLock<bool> = OnceLock::new();
        let possible = POSSIBLE.get_or_init(|| {
            let tried =
                Command::new("unshare").args(["-m", "mount", "--bind", "/etc", "/etc"]).output();
            let possible = tried.is_ok_and(|output| output.status.success());
            if !possible {
                eprintln!(
                    "SKIPPED: needs root and `unshare -m` to give each process an /etc of its own"
                );
            }
            possible
        });
        possible.then(Self::build)
    }

    fn build() -> Self {
        // `shell` starts it, and finds it beside itself.
        let _ = testkit::program("session-limit-session", "session-limit-session");
        let world = Self { directory: tempfile::tempdir().unwrap() };
        for directory in ["etc/pam.d", "etc/session-limit", "run", "lib"] {
            fs::create_dir_all(world.path(directory)).unwrap();
        }
        fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["ld.so.cache", "ld.so.conf"] {
            let _ = fs::copy(Path::new("/etc").join(name), world.path("etc").join(name));
        }
        let users =
            [("root", 0), ("admin", 3000), ("alice", 3001), ("bob", 3002), ("nobody", 65534)];
        let passwd: String =
            users.map(|(name, id)| format!("{name}:x:{id}:{id}::/:/bin/sh\n")).concat();
        let group: String = users.map(|(name, id)| format!("{name}:x:{id}:\n")).concat();
        world.write("etc/passwd", &passwd);
        world.write("etc/group", &format!("{group}sudo:x:27:admin\nops:x:3100:bob\n"));
        world.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n");
        world.set_shadow(PASSWORD_HASH);
        world.write("etc/pam.d/other", "auth required pam_deny.so\naccount required pam_deny.so\n");
        world.write("etc/pam.d/common-auth", "auth required pam_unix.so nodelay\n");
        world.write("etc/pam.d/common-account", "account required pam_unix.so\n");
        world.write("etc/pam.d/common-password", "password required pam_unix.so sha512\n");
        for service in ["shell", "shell-clear-sessions"] {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pam.d").join(service);
            let text = fs::read_to_string(shipped).unwrap();
            let module = module();
            let text = text.replace("pam_session_limit.so", module.to_str().unwrap());
            world.write(&format!("etc/pam.d/{service}"), &text);
        }
        world
    }

    /// Returns a path inside the host's directory.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside)
    }

    /// Writes a file of the host.
    pub fn write(&self, inside: &str, text: &str) {
        fs::write(self.path(inside), text).unwrap();
    }

    /// As [`World::new`], with stacks that call the module by the name that it is installed under.
    pub fn with_installed_module() -> Option<Self> {
        let world = Self::new()?;
        let installed = "/etc/pam_session_limit.so";
        std::os::unix::fs::symlink(module(), world.path("etc/pam_session_limit.so")).unwrap();
        for service in ["shell", "shell-clear-sessions"] {
            let path = format!("etc/pam.d/{service}");
            let text = fs::read_to_string(world.path(&path)).unwrap();
            world.write(&path, &text.replace(module().to_str().unwrap(), installed));
        }
        Some(world)
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        self.write("etc/session-limit/config.toml", text);
    }

    /// Returns the configuration's text.
    pub fn configuration(&self) -> String {
        fs::read_to_string(self.path("etc/session-limit/config.toml")).unwrap()
    }

    /// Gives every user the other password.
    pub fn change_password(&self) {
        self.set_shadow(OTHER_PASSWORD_HASH);
    }

    fn set_shadow(&self, hash: &str) {
        let line = |name| format!("{name}:{hash}:19000:0:99999:7:::\n");
        self.write("etc/shadow", &["root", "admin", "alice", "bob"].map(line).concat());
        fs::set_permissions(self.path("etc/shadow"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Returns a command that runs a program on this host; its pid is the program's.
    pub fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", ENTER, "sh"]);
        command
            .arg(self.directory.path())
            .args(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TERM", "xterm");
        command
    }

    /// Runs `shell` with arguments and without a terminal.
    pub fn run(&self, arguments: &[&str]) -> Output {
        let program = [&[SHELL], arguments].concat();
        self.command(&program).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs `shell`, which must succeed, and returns what it prints.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// Runs `shell -o json`, which must succeed, and returns the results.
    pub fn results(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.ok(&[&["-o", "json"], arguments].concat());
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["results"].as_array().unwrap().clone()
    }

    /// Starts `shell` on a terminal.
    pub fn pty(&self, arguments: &[&str]) -> Pty {
        let program = [&["setsid", "-w", "-c", SHELL], arguments].concat();
        Pty::start(self.command(&program))
    }

    /// Logs a user in on a terminal.
    pub fn logged_in(&self, user: &str) -> Pty {
        let mut pty = self.pty(&[]);
        pty.log_in(user, PASSWORD);
        pty.expect_prompt(user);
        pty
    }

    /// Ends the session of a user from outside, and returns once its holder is gone.
    pub fn end_session(&self, user: &str, signal: &str) {
        let holder = self.holders(user)[0];
        kill(holder, signal);
        let stat = format!("/proc/{holder}/stat");
        // Its parent, the prompt, has not waited for it: a zombie stays.
        eventually("the holder ends", || {
            fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "))
        });
    }

    /// Returns the pids of the holders of a user's open sessions, oldest first.
    pub fn holders(&self, user: &str) -> Vec<i32> {
        let open = |row: &&Value| row["state"] == "open";
        let pid = |row: &Value| i32::try_from(row["pid"].as_i64().unwrap()).unwrap();
        self.results(&["show", "session", user]).iter().filter(open).map(pid).collect()
    }
}

/// Returns whether this is root; says aloud that a test is skipped where not.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: needs root");
    }
    root
}

/// The program under test.
pub const SHELL: &str = env!("CARGO_BIN_EXE_shell");
