//! The services whose logins are counted, and what their stacks do with the module.

use session_limit_core::admission::options::Options;
use session_limit_core::config::Config;
use session_limit_core::model::service::{ServiceKind, service_kind};

use super::stack::reach::{OwnLine, Reach, reach};
use super::stack::{self, Phase, PhaseStack};
use super::{Check, Findings, HostFiles};

/// Services that are logins on every host that has them.
const LOGIN_SERVICES: [&str; 4] = ["sshd", "login", "remote", "cockpit"];
const ENABLE: &str = "run `pam-auth-update --enable session-limit`, or add the lines by hand";

/// One service and its stacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceStacks {
    /// The service.
    pub name: String,
    /// Lines of the account phase.
    pub account: PhaseStack,
    /// Lines of the session phase.
    pub session: PhaseStack,
    /// How far the account phase comes.
    pub account_reach: Reach,
    /// How far the session phase comes.
    pub session_reach: Reach,
}

impl ServiceStacks {
    /// Reads the stacks of a service.
    #[must_use]
    pub fn read(host: &HostFiles, name: &str) -> Self {
        let read = |phase| {
            let stack = stack::read(host, name, phase);
            let reach = reach(&stack.entries, phase);
            (stack, reach)
        };
        let ((account, account_reach), (session, session_reach)) =
            (read(Phase::Account), read(Phase::Session));
        Self { name: name.to_owned(), account, session, account_reach, session_reach }
    }

    /// Returns the module's lines, that of the account phase first.
    pub fn lines(&self) -> impl Iterator<Item = (Phase, &OwnLine)> {
        [(Phase::Account, &self.account_reach), (Phase::Session, &self.session_reach)]
            .into_iter()
            .filter_map(|(phase, reach)| Some((phase, reach.line()?)))
    }

    /// Returns the module's arguments in a phase, as the module reads them.
    #[must_use]
    pub fn options(&self, phase: Phase) -> Option<Options> {
        let (_, line) = self.lines().find(|(of, _)| *of == phase)?;
        let words: Vec<std::ffi::CString> = line
            .arguments
            .iter()
            .filter_map(|word| std::ffi::CString::new(word.as_str()).ok())
            .collect();
        Some(Options::read(&words.iter().map(std::ffi::CString::as_c_str).collect::<Vec<_>>()))
    }

    /// Returns whether a login of the service ends the sessions of a user at the limit: the account phase lets
    /// it in, and hands the request on to the opening.
    #[must_use]
    pub fn clears(&self) -> bool {
        let flag = |phase| self.options(phase).map(|options| options.clear_sessions);
        matches!(
            (flag(Phase::Account), flag(Phase::Session)),
            (Some(true), Some(_)) | (None, Some(true))
        )
    }

    /// Returns what keeps limits from taking effect for the service; nothing where all is well.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let check = findings(self).into_check("service", &self.name);
        (check.verdict == super::Verdict::Problem).then_some(check.message)
    }
}

/// Reads the stacks of all services that are counted or that are logins, as far as they have a file.
#[must_use]
pub fn examine_all(host: &HostFiles, config: &Config) -> Vec<ServiceStacks> {
    let names = host.service_names();
    let is_login = |name: &str| LOGIN_SERVICES.contains(&name);
    names
        .iter()
        .filter(|name| config.policy.counts(name) || is_login(name))
        .map(|name| ServiceStacks::read(host, name))
        .collect()
}

/// Says whether limits take effect for a service.
#[must_use]
pub fn check(service: &ServiceStacks, config: &Config) -> Check {
    if !config.policy.counts(&service.name) {
        let mut findings = Findings::default();
        findings.warning(
            "not counted: its logins are neither limited nor listed; add it to counted_services if they \
             should be",
        );
        return findings.into_check("service", &service.name);
    }
    findings(service).into_check("service", &service.name)
}

fn findings(service: &ServiceStacks) -> Findings {
    let mut findings = Findings::default();
    let needs_account = service_kind(&service.name) != ServiceKind::UserSwitchCheckedAtOpen;
    match (service.account_reach.line(), service.session_reach.line()) {
        (None, None) => {
            findings.problem(match &service.session.file {
                Some(file) => format!("{} calls the module nowhere: {ENABLE}", file.display()),
                None => format!("has no stack that can be read: {ENABLE}"),
            });
            return findings;
        }
        (Some(_), None) => findings.problem(
            "no session line: a session is forgotten 150 s after its login; add the session line",
        ),
        (None, Some(_)) if needs_account => findings.warning(
            "no account line: a login beyond the limit is refused only when its session opens, and sshd \
             keeps such a connection open; add the account line",
        ),
        _ => {}
    }
    for (phase, stack, reach) in [
        (Phase::Account, &service.account, &service.account_reach),
        (Phase::Session, &service.session, &service.session_reach),
    ] {
        if let Some((position, reason)) = stack.unusable() {
            findings.problem(format!("every login fails at {position}: {reason}"));
        } else if let Some(line) = reach.line() {
            describe(&mut findings, phase, reach, line);
        }
    }
    arguments(&mut findings, service);
    logind(&mut findings, &service.session);
    findings
}

/// Says how far a phase comes, and what the module's answer does in it.
fn describe(findings: &mut Findings, phase: Phase, reach: &Reach, line: &OwnLine) {
    let (word, position) = (phase.word(), &line.position);
    match reach {
        Reach::Missing | Reach::Always(_) => findings.ok(format!("{word} line {position}")),
        Reach::Bypassed { by, .. } => {
            let text = format!(
                "{} ({}) can end the {word} phase before {position}: put the module's line first",
                by.module().unwrap_or("a line"),
                by.position
            );
            match phase {
                // The session line decides all the same.
                Phase::Account => findings.warning(text),
                _ => findings.problem(text),
            }
        }
        Reach::Never(_) => findings.problem(format!(
            "the {word} line {position} is never reached: the lines before it skip it or always fail; put \
             it first"
        )),
    }
    if !line.refusal_counts {
        findings.problem(format!(
            "at {position} a refusal has no effect: the control needs perm_denied=die"
        ));
    } else if line.ends_phase {
        findings.warning(format!(
            "at {position} a login within its limit skips the lines that follow: the control needs \
             success=ok"
        ));
    }
}

fn arguments(findings: &mut Findings, service: &ServiceStacks) {
    for phase in [Phase::Account, Phase::Session] {
        for problem in service.options(phase).into_iter().flat_map(|options| options.problems) {
            findings.warning(format!("{} line: {problem}", phase.word()));
        }
    }
    let flag = |phase| service.options(phase).map(|options| options.clear_sessions);
    match (flag(Phase::Account), flag(Phase::Session)) {
        (Some(true) | None, Some(true)) => {
            findings.ok("clear_sessions: a login ends the user's other sessions");
        }
        (Some(false), Some(true)) => findings.problem(
            "clear_sessions is missing on the account line: a user at the limit is refused before anything \
             is cleared",
        ),
        (Some(true), Some(false)) => findings.warning(
            "clear_sessions is missing on the session line: sessions of users without a limit are not ended",
        ),
        _ => {}
    }
}

/// pam_systemd before the module leaves a session of logind behind for every refusal.
fn logind(findings: &mut Findings, session: &PhaseStack) {
    let at = |module| session.entries.iter().position(|entry| entry.module() == Some(module));
    if let (Some(systemd), Some(own)) = (at("pam_systemd.so"), at(stack::MODULE)) {
        if systemd < own {
            findings.warning(
                "pam_systemd stands before the session line: a refusal leaves a logind session behind",
            );
        }
    }
}
