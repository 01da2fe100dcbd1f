//! A scratch host: users, stacks, configuration and store in one directory.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::login::Login;

/// The shipped control list, which fails open: an error or a missing module locks no user out, a refusal ends
/// the stack.
pub const FAIL_OPEN: &str = "[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore \
                                perm_denied=die default=ignore]";
/// The control list that fails closed: a login that cannot be checked is denied.
pub const FAIL_CLOSED: &str = "[success=ok new_authtok_reqd=ok ignore=ignore default=die]";

/// A user of the scratch host; the primary group has the same name and number.
#[derive(Debug, Clone, Copy)]
pub struct User {
    /// Login name.
    pub name: &'static str,
    /// User id and primary group id.
    pub uid: u32,
    /// Supplementary groups.
    pub groups: &'static [&'static str],
}

const USERS: &[User] = &[
    User { name: "root", uid: 0, groups: &[] },
    User { name: "alice", uid: 4001, groups: &[] },
    User { name: "bob", uid: 4002, groups: &["operators"] },
    User { name: "carol", uid: 4003, groups: &["operators", "auditors"] },
    User { name: "dave", uid: 4004, groups: &[] },
];

/// The lines of this module in one PAM stack.
#[derive(Debug, Clone)]
pub struct Stack {
    control: String,
    account: Option<String>,
    session: Option<String>,
    after: String,
}

impl Stack {
    /// Account and session line.
    #[must_use]
    pub fn both() -> Self {
        Self {
            control: FAIL_OPEN.to_owned(),
            account: Some(String::new()),
            session: Some(String::new()),
            after: String::new(),
        }
    }

    /// Only the account line.
    #[must_use]
    pub fn account_only() -> Self {
        Self { session: None, ..Self::both() }
    }

    /// Only the session line.
    #[must_use]
    pub fn session_only() -> Self {
        Self { account: None, ..Self::both() }
    }

    /// Adds module arguments to the lines there are.
    #[must_use]
    pub fn with(mut self, arguments: &str) -> Self {
        for line in [&mut self.account, &mut self.session].into_iter().flatten() {
            let _ = write!(line, " {arguments}");
        }
        self
    }

    /// Sets the control list.
    #[must_use]
    pub fn control(mut self, control: &str) -> Self {
        control.clone_into(&mut self.control);
        self
    }

    /// Adds lines after the module's own.
    #[must_use]
    pub fn followed_by(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.after);
        self
    }
}

/// A scratch host; removed when dropped.
pub struct Host {
    scratch: TempDir,
    actor: PathBuf,
    module: PathBuf,
    environment: Vec<(String, String)>,
}

impl Host {
    /// Makes a host whose stacks use `module`; `actor` is the program of [`crate::actor`].
    ///
    /// Its stacks `login` and `sshd` have both lines.
    #[must_use]
    pub fn new(actor: PathBuf, module: PathBuf) -> Self {
        assert!(module.exists(), "{}: the module is not built", module.display());
        let scratch = scratch_directory();
        let host = Self { scratch, actor, module, environment: Vec::new() };
        for directory in ["etc", "pam.d", "state"] {
            fs::create_dir(host.path(directory)).unwrap();
        }
        fs::set_permissions(host.path("state"), fs::Permissions::from_mode(0o700)).unwrap();
        // The scratch directory itself must be passable for tests that drop their rights.
        fs::set_permissions(host.scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        host.write_users();
        host.configure("");
        for service in ["login", "sshd"] {
            host.stack(service, &Stack::both());
        }
        host
    }

    /// A path below the scratch directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The module under test.
    #[must_use]
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// The store.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.path("state/sessions.db")
    }

    /// Writes the configuration.
    pub fn configure(&self, toml: &str) {
        fs::write(self.config(), toml).unwrap();
        fs::set_permissions(self.config(), fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Gives all users a limit.
    pub fn limit(&self, limit: u32) {
        self.configure(&default_limit(limit));
    }

    /// Writes the stack of a service.
    pub fn stack(&self, service: &str, stack: &Stack) {
        let module = self.module.display();
        let arguments_of_this_host =
            format!("config={} state={}", self.config().display(), self.state().display());
        let mut text =
            String::from("auth required pam_permit.so\naccount required pam_permit.so\n");
        if let Some(arguments) = &stack.account {
            let _ = writeln!(
                text,
                "account {} {module} {arguments_of_this_host}{arguments}",
                stack.control
            );
        }
        if let Some(arguments) = &stack.session {
            let _ = writeln!(
                text,
                "session {} {module} {arguments_of_this_host}{arguments}",
                stack.control
            );
        }
        text.push_str(&stack.after);
        text.push_str("session required pam_permit.so\n");
        fs::write(self.path("pam.d").join(service), text).unwrap();
    }

    /// Runs the applications of this host under another program name, such as `sshd`.
    #[must_use]
    pub fn with_program_name(mut self, name: &str) -> Self {
        let copy = self.path(name);
        crate::copy_program(&self.actor, &copy);
        self.actor = copy;
        self
    }

    /// Runs the applications of this host by another program, such as `valgrind`.
    #[must_use]
    pub fn run_by(mut self, command: &str) -> Self {
        let script = self.path("run");
        let actor = self.actor.display();
        fs::write(&script, format!("#!/bin/sh\nexec {command} {actor} \"$@\"\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        self.actor = script;
        self
    }

    /// Gives the applications of this host one more environment variable.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the applications of this host, and modules in them, wrote to stderr.
    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// Starts an application that has not begun a PAM transaction.
    #[must_use]
    pub fn application(&self) -> Login {
        Login::spawn(
            &self.actor,
            &self.path("etc"),
            &self.path("pam.d"),
            &self.path("stderr"),
            &self.environment,
        )
    }

    /// Starts an application that is about to log a user in.
    #[must_use]
    pub fn login(&self, service: &str, user: &str) -> Login {
        self.conversing(service, user, "scripted")
    }

    /// The same with another conversation mode; see [`crate::actor`].
    #[must_use]
    pub fn conversing(&self, service: &str, user: &str, mode: &str) -> Login {
        let mut login = self.application();
        let started = login.start(service.as_bytes(), Some(user.as_bytes()), mode);
        assert_eq!(started, 0, "pam_start");
        login
    }

    /// Logs a user in.
    ///
    /// # Panics
    ///
    /// If the login is refused.
    #[must_use]
    pub fn logged_in(&self, service: &str, user: &str) -> Login {
        let mut login = self.login(service, user);
        assert_eq!(login.log_in(), 0, "{user} by {service}");
        login
    }

    fn write_users(&self) {
        let mut passwd = String::new();
        let mut group = String::new();
        for User { name, uid, .. } in USERS {
            let _ = writeln!(passwd, "{name}:x:{uid}:{uid}:{name}:/:/bin/sh");
            let _ = writeln!(group, "{name}:x:{uid}:");
        }
        for (gid, name) in [(5001, "operators"), (5002, "auditors")] {
            let members: Vec<_> = USERS
                .iter()
                .filter(|user| user.groups.contains(&name))
                .map(|user| user.name)
                .collect();
            let _ = writeln!(group, "{name}:x:{gid}:{}", members.join(","));
        }
        fs::write(self.path("etc/passwd"), passwd).unwrap();
        fs::write(self.path("etc/group"), group).unwrap();
        fs::write(self.path("etc/nsswitch.conf"), "passwd: files\ngroup: files\n").unwrap();
    }
}

/// Creates a directory in memory, as `/run` is, if possible and if `TMPDIR` is not set.
fn scratch_directory() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("pam_session_limit-");
    let in_memory = builder.tempdir_in("/dev/shm").ok();
    in_memory
        .filter(|_| std::env::var_os("TMPDIR").is_none())
        .unwrap_or_else(|| builder.tempdir().unwrap())
}

/// A configuration that limits all users.
#[must_use]
pub fn default_limit(limit: u32) -> String {
    format!(
        "[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\nmax_concurrent_sessions = {limit}\n"
    )
}
