//! Whether sshd asks PAM, and under which name: sshd itself says so (`sshd -T`), else its files.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use session_limit_core::config::Config;
use session_limit_core::system;

use super::services::ServiceStacks;
use super::sshd_config;
use super::{Check, Findings, HostFiles};

/// Where sshd is.
const PROGRAMS: [&str; 3] = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
/// Its configuration.
pub const CONFIG: &str = "/etc/ssh/sshd_config";
/// The PAM service of an sshd that is given no other name.
pub const SERVICE: &str = "sshd";
/// How long sshd is waited for; it answers in milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);
/// Bytes of the longest answer that is read.
const MAX_BYTES: u64 = 256 * 1024;

/// What is known of an sshd's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Keywords in lower case, with their values.
    settings: std::collections::BTreeMap<String, String>,
    /// PAM services that some connections use.
    pub services_of_some: Vec<String>,
    /// Where that comes from.
    pub source: String,
    /// Whether sshd itself has answered: it then names every setting.
    pub is_complete: bool,
}

impl Answer {
    /// Returns whether sshd asks PAM at all. It does not unless it is told to.
    pub fn uses_pam(&self) -> bool {
        self.settings.get("usepam").is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// Returns the PAM service that sshd is configured to use; `None` where it takes the name that it was
    /// started under (before OpenSSH 9.8), or where the files name none.
    pub fn service(&self) -> Option<&str> {
        self.settings.get("pamservicename").map(String::as_str)
    }
}

/// Returns the path of sshd, if there is one.
pub fn program(host: &HostFiles) -> Option<PathBuf> {
    PROGRAMS.iter().find(|program| host.exists(program)).map(PathBuf::from)
}

/// Says whether logins through sshd reach PAM, and there a service that counts.
pub fn check(host: &HostFiles, program: &Path, config: &Config) -> Check {
    let mut findings = Findings::default();
    match ask(host, program, Path::new(CONFIG), &[]) {
        Err(reason) => findings.warning(format!(
            "whether it uses PAM could not be found out: {reason}; `sshd -T | grep -i usepam` must print \
             `usepam yes`"
        )),
        Ok(answer) if !answer.uses_pam() => findings.problem(format!(
            "does not use PAM ({}): no login through it is counted; set `UsePAM yes` in {CONFIG} and \
             restart it",
            answer.source
        )),
        Ok(answer) => {
            let service = answer.service().unwrap_or(SERVICE);
            findings.ok(format!("uses PAM, as service {service} ({})", answer.source));
            named_service(host, config, &mut findings, service);
            for service in &answer.services_of_some {
                findings.ok(format!("a Match block sets PAMServiceName {service}"));
                named_service(host, config, &mut findings, service);
            }
        }
    }
    findings.into_check("sshd", program.display().to_string())
}

/// A service of another name than `sshd` is to be counted, and needs the lines.
fn named_service(host: &HostFiles, config: &Config, findings: &mut Findings, service: &str) {
    if !config.policy.counts(service) {
        findings
            .problem(format!("the service {service} is not counted: add it to counted_services"));
    } else if host.service_file(service).is_none() {
        findings.problem(format!("/etc/pam.d/{service} is missing: `other` is used instead"));
    } else if let Some(problem) = ServiceStacks::read(host, service).problem() {
        findings.problem(format!("the stack of {service} is not in order: {problem}"));
    }
}

/// Returns the configuration that an sshd with `config` and `options` runs by: asks it as root, else reads
/// the file.
///
/// # Errors
/// Says why neither could be had.
pub fn ask(
    host: &HostFiles,
    program: &Path,
    config: &Path,
    options: &[&str],
) -> Result<Answer, String> {
    let read = sshd_config::read(host, config);
    let asked = match host.ask_sshd && system::effective_uid() == 0 {
        true => run(host, program, config, options),
        false => Err("only root can ask sshd".to_owned()),
    };
    let services_of_some =
        read.as_ref().map(|read| read.services_of_some.clone()).unwrap_or_default();
    match (asked, read) {
        (Ok(text), _) => {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            let settings = lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            let source = "asked by sshd -T".to_owned();
            Ok(Answer { settings, services_of_some, source, is_complete: true })
        }
        (Err(reason), Ok(read)) => Ok(Answer {
            settings: read.settings,
            services_of_some,
            source: format!("read from {}, for {reason}", config.display()),
            is_complete: false,
        }),
        (Err(reason), Err(unread)) => Err(format!("{reason}, and {unread}")),
    }
}

/// Runs `sshd -T`, which prints the configuration and ends, with an empty environment.
fn run(
    host: &HostFiles,
    program: &Path,
    config: &Path,
    options: &[&str],
) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("sshd -T: {}", system::error_text(&error));
    let mut child = Command::new(host.at(program))
        .arg("-T")
        .arg("-f")
        .arg(host.at(config))
        .args(options)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Read by threads: a full pipe must not hold it up, nor an end of it that is never closed us.
    let (output, errors) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let Some(succeeded) = wait(&mut child).map_err(failed)? else {
        return Err(format!("sshd -T did not end within {} s", DEADLINE.as_secs()));
    };
    let rest = |end: mpsc::Receiver<String>| end.recv_timeout(DEADLINE).unwrap_or_default();
    match succeeded {
        true => Ok(rest(output)),
        false => {
            let said = rest(errors);
            Err(format!("sshd -T failed: {}", said.lines().next().unwrap_or("no message").trim()))
        }
    }
}

fn reader(end: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(end) = end {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = end.take(MAX_BYTES).read_to_end(&mut bytes);
            // Who asked may have given up.
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    receiver
}

/// Waits for the end of a process, and ends it when the time is over; returns whether it succeeded.
fn wait(child: &mut Child) -> std::io::Result<Option<bool>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if began.elapsed() >= DEADLINE {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}
