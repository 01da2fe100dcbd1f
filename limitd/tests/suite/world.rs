//! A small host: users, PAM stacks, configuration and store, bound over /etc, /run and /var/lib in a mount
//! namespace of each process. The host's own /etc is never written to.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The password of every user.
pub const PASSWORD: &str = "correct horse";
const PASSWORD_HASH: &str = "$6$rounds=1000$salt$Op5Pr8IefYjtJFNiLT8d.Xb85v8VtEyyKosvqEUXP9/.f4IC5kMbKoUZwss1ymncWvUZB6QVTmIH88IN1Uc5C.";
/// What the module says at the limit.
pub const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\nPlease clear the sessions using shell --clear-sessions";
/// The identifier of the profile that holds for all.
pub const DEFAULT_PROFILE: &str = "useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4";
const SERVICE: &str = env!("CARGO_BIN_EXE_session-limitd");
const DEADLINE: Duration = Duration::from_secs(20);

/// Binds the world's directories, then runs the program in its arguments.
const ENTER: &str = r#"mount --bind "$1/etc" /etc && mount --bind "$1/run" /run && mount --bind "$1/lib" /var/lib && shift && exec "$@""#;

/// A small host.
pub struct World {
    directory: TempDir,
    port: u16,
}

/// The service, running.
pub struct Service<'w> {
    world: &'w World,
    process: Child,
}

/// What a client has after its login.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    session: String,
    csrf: String,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; null where there is none.
    pub body: Value,
    /// The same as text.
    pub text: String,
    /// The head.
    pub head: String,
}

impl World {
    /// Makes a host whose users are admin (of group sudo), alice and bob. Nothing where this machine does not let
    /// us: that is said aloud.
    pub fn new() -> Option<Self> {
        static POSSIBLE: OnceLock<bool> = OnceLock::new();
        let possible = POSSIBLE.get_or_init(|| {
            let tried =
                Command::new("unshare").args(["-m", "mount", "--bind", "/etc", "/etc"]).output();
            let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
            let possible = has_curl && tried.is_ok_and(|output| output.status.success());
            if !possible {
                eprintln!("SKIPPED: needs curl, root, and `unshare -m` to give each process an /etc of its own");
            }
            possible
        });
        possible.then(Self::build)
    }

    fn build() -> Self {
        let world = Self { directory: tempfile::tempdir().unwrap(), port: free_port() };
        for directory in ["etc/pam.d", "etc/session-limit", "run", "lib"] {
            fs::create_dir_all(world.path(directory)).unwrap();
        }
        fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["ld.so.cache", "ld.so.conf"] {
            let _ = fs::copy(Path::new("/etc").join(name), world.path("etc").join(name));
        }
        let users = [
            ("root", 0),
            ("admin", 3000),
            ("alice", 3001),
            ("bob", 3002),
            ("session-limit", 3900),
            ("nobody", 65534),
        ];
        let passwd = users.map(|(name, id)| format!("{name}:x:{id}:{id}::/:/bin/sh\n")).concat();
        let group = users.map(|(name, id)| format!("{name}:x:{id}:\n")).concat();
        world.write("etc/passwd", &passwd);
        world.write("etc/group", &format!("{group}sudo:x:27:admin\nops:x:3100:bob\n"));
        world.write("etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n");
        let line = |name| format!("{name}:{PASSWORD_HASH}:19000:0:99999:7:::\n");
        world.write("etc/shadow", &["root", "admin", "alice", "bob"].map(line).concat());
        fs::set_permissions(world.path("etc/shadow"), fs::Permissions::from_mode(0o600)).unwrap();
        world.write("etc/pam.d/other", "auth required pam_deny.so\naccount required pam_deny.so\n");
        world.write("etc/pam.d/common-auth", "auth required pam_unix.so nodelay\n");
        world.write("etc/pam.d/common-account", "account required pam_unix.so\n");
        world.write("etc/pam.d/common-password", "password required pam_unix.so\n");
        for service in ["session-limitd", "session-limitd-clear-sessions"] {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pam.d").join(service);
            let text = fs::read_to_string(shipped).unwrap();
            let module = testkit::module();
            let text = text.replace("pam_session_limit.so", module.to_str().unwrap());
            world.write(&format!("etc/pam.d/{service}"), &text);
        }
        world.configure(0, "");
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

    /// Writes the configuration: the limit of all users, and lines of the `[service]` table.
    pub fn configure(&self, limit: u32, service: &str) {
        let text = format!(
            "[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\nuuid = \"{DEFAULT_PROFILE}\"\nmax_concurrent_sessions = {limit}\n\n[service]\nlisten = \"127.0.0.1:{}\"\n{service}",
            self.port
        );
        self.write("etc/session-limit/config.toml", &text);
    }

    /// Returns the configuration's text.
    pub fn configuration(&self) -> String {
        fs::read_to_string(self.path("etc/session-limit/config.toml")).unwrap()
    }

    /// Returns a command that runs a program on this host; its pid is the program's.
    pub fn command(&self, program: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["-m", "--propagation", "private", "sh", "-c", ENTER, "sh"])
            .arg(self.directory.path())
            .args(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Returns the command that starts the service.
    pub fn service(&self) -> Command {
        let session = testkit::program("session-limit-session", "session-limit-session");
        self.command(&[SERVICE, "--session-command", session.to_str().unwrap()])
    }

    /// Starts the service and waits until it answers.
    pub fn serve(&self) -> Service<'_> {
        self.serve_by(self.service())
    }

    /// Starts the service by a command and waits until it answers.
    pub fn serve_by(&self, mut command: Command) -> Service<'_> {
        let process = command.spawn().unwrap();
        let mut service = Service { world: self, process };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(service.process.try_wait().unwrap().is_none(), "the service has ended");
            assert!(began.elapsed() < DEADLINE, "the service does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        service
    }

    /// Starts the service, which must not be able to serve, and returns what it says.
    pub fn refuses_to_serve(&self) -> String {
        let output = self.service().stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Returns the address of the service.
    pub fn base(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Returns the port of the service.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Service<'_> {
    /// Returns the pid of the process that was started, which is root's.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the pids of the front and of the session processes.
    pub fn children(&self) -> Vec<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = fs::read_to_string(path).unwrap();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Sends a login.
    pub fn post_login(&self, body: &Value) -> Reply {
        curl(&[
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
            &body.to_string(),
            &self.url("/login"),
        ])
    }

    /// Logs a user in.
    pub fn log_in(&self, user: &str) -> Client {
        let reply = self.post_login(&json!({"username": user, "password": PASSWORD}));
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        self.client(&reply)
    }

    /// Returns what a client has after a login.
    pub fn client(&self, reply: &Reply) -> Client {
        let (session, csrf) = (reply.cookie("sessionid"), reply.cookie("csrftoken"));
        assert_eq!(session, reply.cookie("avi-sessionid"));
        Client { base: self.world.base(), session, csrf }
    }

    /// Returns an address of the service.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.world.base())
    }

    /// Sends a signal to the process that was started and waits for its end.
    pub fn stop(mut self) -> i32 {
        signal(i32::try_from(self.pid()).unwrap(), "TERM");
        self.process.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            signal(i32::try_from(self.pid()).unwrap(), "TERM");
            let _ = self.process.wait();
        }
    }
}

impl Client {
    /// Calls.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let cookies = format!(
            "Cookie: sessionid={0}; avi-sessionid={0}; csrftoken={1}",
            self.session, self.csrf
        );
        let csrf = format!("X-CSRFToken: {}", self.csrf);
        let referer = format!("Referer: {}/", self.base);
        let url = format!("{}{path}", self.base);
        let body = body.map(Value::to_string);
        let mut arguments = vec!["-X", method, "-H", &cookies];
        if method != "GET" {
            arguments.extend(["-H", &csrf, "-H", &referer]);
        }
        if let Some(body) = &body {
            arguments.extend(["-H", "Content-Type: application/json", "-d", body]);
        }
        arguments.push(&url);
        curl(&arguments)
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None)
    }

    /// Reads what must be there.
    pub fn ok(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        reply.body
    }

    /// Returns the word of the session.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Returns the word against forged requests.
    pub fn csrf(&self) -> &str {
        &self.csrf
    }
}

impl Reply {
    /// Returns the value of a cookie that was set.
    pub fn cookie(&self, name: &str) -> String {
        let start = format!("set-cookie: {name}=");
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&start));
        let value = line.unwrap_or_else(|| panic!("no cookie {name} in {}", self.head));
        value[start.len()..].split(';').next().unwrap().to_owned()
    }

    /// Returns the error.
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }
}

/// Runs curl; the reply of status 0 means that there was none.
pub fn curl(arguments: &[&str]) -> Reply {
    let output: Output = Command::new("curl")
        .args(["-k", "-s", "-i", "--max-time", "60"])
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (mut head, mut body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    while head.starts_with("HTTP/1.1 100") {
        (head, body) = body.split_once("\r\n\r\n").unwrap();
    }
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let text = body.to_owned();
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Reply { status, body, text, head: head.to_owned() }
}

/// Sends a signal.
pub fn signal(pid: i32, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns a port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
