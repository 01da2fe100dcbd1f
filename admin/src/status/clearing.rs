//! The second sshd, whose logins end the user's other sessions: whether they would.

use std::path::{Path, PathBuf};

use session_limit_core::config::Config;

use super::services::ServiceStacks;
use super::stack::text_of;
use super::{Check, Findings, HostFiles, sshd};

/// Its unit, its configuration and its PAM service are called so.
const NAME: &str = "sshd-clear-sessions";
const CONFIG: &str = "/etc/ssh/sshd_config.clear-sessions";
/// The unit makes it while it runs (`RuntimeDirectory=`).
const RUNTIME_DIRECTORY: &str = "/run/sshd-clear-sessions";
const UNIT_DIRECTORIES: [&str; 4] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
];

/// What the unit starts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Unit {
    path: PathBuf,
    /// The name that the program is started under.
    program_name: String,
    /// The configuration that it is given.
    config: PathBuf,
    /// The PAM service that it is given by an option, where sshd knows that option.
    service: Option<String>,
}

/// Says whether the second sshd clears; nothing where none is set up.
pub fn check(host: &HostFiles, program: &Path, config: &Config) -> Option<Check> {
    let unit_path = UNIT_DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(format!("{NAME}.service")))
        .find(|path| host.at(path).is_file());
    if unit_path.is_none() && host.service_file(NAME).is_none() && !host.exists(CONFIG) {
        return None;
    }
    let mut findings = Findings::default();
    match unit_path.map(|path| Unit::read(host, path)) {
        None => findings.problem(format!(
            "{NAME}.service is missing: copy the unit from the examples, and start it"
        )),
        Some(Err(reason)) => {
            findings.warning(format!("what it starts could not be found out: {reason}"))
        }
        Some(Ok(unit)) => {
            examine(host, program, config, &unit, &mut findings);
            if !host.exists(RUNTIME_DIRECTORY) {
                findings.warning(format!("not running: systemctl enable --now {NAME}"));
            }
            let drop_ins = format!("{}.d", unit.path.display());
            if host.exists(&drop_ins) {
                findings.warning(format!("{drop_ins} may change the unit and was not read"));
            }
        }
    }
    Some(findings.into_check("sshd", NAME))
}

fn examine(
    host: &HostFiles,
    program: &Path,
    config: &Config,
    unit: &Unit,
    findings: &mut Findings,
) {
    // OpenSSH 9.8 and later know the option, and start sshd-session under a fixed name; earlier versions
    // reject it, and use the name that they were started under.
    let option = format!("-oPAMServiceName={}", unit.service.as_deref().unwrap_or(NAME));
    let with_option = sshd::ask(host, program, &unit.config, &[option.as_str()]);
    let knows_option = with_option.as_ref().is_ok_and(|answer| answer.is_complete);
    let answer = match (knows_option && unit.service.is_some(), with_option) {
        (true, answer) => answer,
        _ => sshd::ask(host, program, &unit.config, &[]),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(reason) => {
            return findings.warning(format!("how it uses PAM could not be found out: {reason}"));
        }
    };
    if !answer.uses_pam() {
        return findings.problem(format!(
            "does not use PAM ({}): its logins end nothing; set `UsePAM yes` in {}",
            answer.source,
            unit.config.display()
        ));
    }
    let service = match (answer.is_complete, answer.service()) {
        (_, Some(service)) => service.to_owned(),
        (true, None) => unit.program_name.clone(),
        // The files say nothing, and the version is not known: both names may be used.
        (false, None) if unit.service.as_ref() == Some(&unit.program_name) => {
            unit.program_name.clone()
        }
        (false, None) => {
            return findings.warning(format!(
                "its PAM service could not be found out ({}): it is {} before OpenSSH 9.8",
                answer.source, unit.program_name
            ));
        }
    };
    let stacks = ServiceStacks::read(host, &service);
    let source = &answer.source;
    if host.service_file(&service).is_none() {
        findings.problem(format!(
            "uses the PAM service {service} ({source}), but /etc/pam.d/{service} is missing: copy it from \
             the examples"
        ));
    } else if !config.policy.counts(&service) {
        findings.problem(format!(
            "uses the PAM service {service} ({source}), which is not counted: its logins end nothing; add \
             it to counted_services"
        ));
    } else if let Some(problem) = stacks.problem() {
        findings.problem(format!("the stack of {service} is not in order: {problem}"));
    } else if !stacks.clears() {
        findings.problem(format!(
            "uses the PAM service {service} ({source}), whose lines do not set clear_sessions: its logins \
             end nothing"
        ));
    } else {
        findings.ok(format!("its logins clear, as PAM service {service} ({source})"));
    }
}

impl Unit {
    /// Reads what the unit starts (systemd.service(5)): the last `ExecStart=` that is not empty.
    fn read(host: &HostFiles, path: PathBuf) -> Result<Self, String> {
        let text = text_of(host, &path)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
        let mut starts = lines.clone().filter_map(|line| line.strip_prefix("ExecStart="));
        let Some(command) = starts.rfind(|command| !command.is_empty()) else {
            return Err(format!("{} has no ExecStart=", path.display()));
        };
        let words: Vec<&str> = command.split_whitespace().collect();
        let program = words.first().map(|word| word.trim_start_matches(['-', '@', ':', '+', '!']));
        let program_name = program.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let config = words.windows(2).find_map(|pair| match pair {
            ["-f", file] => Some(*file),
            _ => None,
        });
        // The option itself, or what the unit writes into the variable that ExecStart= has in its place.
        let may_have_option = command.contains("PAMServiceName=") || command.contains('$');
        let service = lines
            .filter(|_| may_have_option)
            .filter(|line| line.starts_with("Exec") || line.starts_with("Environment"))
            .find_map(|line| line.split_once("PAMServiceName="))
            .map(|(_, rest)| {
                let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                rest.split(|c| !is_part(c)).next().unwrap_or_default().to_owned()
            });
        Ok(Self {
            program_name: program_name.to_owned(),
            config: PathBuf::from(config.unwrap_or(sshd::CONFIG)),
            service,
            path,
        })
    }
}
