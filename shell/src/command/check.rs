//! `--check-config`: what the module would say of a file, with the place drawn for people.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{fs, io};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use session_limit_core::config::{Config, ConfigError};
use session_limit_core::system::error_text;

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::Response;
use crate::output::table::printable;
use session_limit_admin::config::store::ConfigFile;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Verdict {
    path: String,
    profiles: usize,
    users: usize,
    groups: usize,
    /// What the engine of the fleet says, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
}

/// The program that speaks with the engine of the fleet.
pub const AGENT: &str = "/usr/sbin/session-limit-agent";

/// Checks a file; if `agent` names the program, it also tries the engine of the fleet.
///
/// # Errors
/// The line that the module would log, and below it a drawing of the place; or what is wrong with the engine.
pub fn check(path: &Path, agent: Option<&Path>) -> Result<Response, CommandError> {
    let config = ConfigFile::at(path).read().map_err(|error| {
        let mut failure = CommandError::new(ExitCode::Configuration, error.to_string());
        failure.details = drawing(path, &error);
        failure
    })?;
    let verdict = Verdict {
        path: path.display().to_string(),
        profiles: config.profiles.len(),
        users: config.users.len(),
        groups: config.groups.len(),
        engine: agent.map(|agent| try_engine(agent, path, &config)).transpose()?,
    };
    let Verdict { path, profiles, users, groups, engine } = &verdict;
    let count = |n: &usize, what: &str| format!("{n} {what}{}", if *n == 1 { "" } else { "s" });
    let mut text = format!(
        "{}: valid: {}, {}, {}\n",
        printable(path),
        count(profiles, "profile"),
        count(users, "user"),
        count(groups, "group")
    );
    if let Some(engine) = engine {
        text.push_str(&format!("{}\n", printable(engine)));
    }
    Ok(Response::new("check", &[verdict], text))
}

/// Has the agent use the engine once, as it would when it runs; returns what it says.
fn try_engine(agent: &Path, path: &Path, config: &Config) -> Result<String, CommandError> {
    let failed = |message: String| CommandError::new(ExitCode::Failed, message);
    if config.fleet.is_none() {
        let shown = path.display();
        let message = format!("{shown}: no [fleet] table, expected one with the engine to try");
        return Err(CommandError::new(ExitCode::Configuration, message));
    }
    let cannot_run =
        |error: io::Error| failed(format!("{}: {}", agent.display(), error_text(&error)));
    let tried = Command::new(agent)
        .arg("--config")
        .arg(std::path::absolute(path).map_err(cannot_run)?)
        .arg("--try")
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(cannot_run)?;
    let line = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if tried.status.success() {
        return Ok(line(&tried.stdout));
    }
    let said = line(&tried.stderr);
    let said = said.strip_prefix("session-limit-agent: ").unwrap_or(&said);
    Err(failed(if said.is_empty() {
        format!("{}: {}", agent.display(), tried.status)
    } else {
        said.to_owned()
    }))
}

/// Draws the position of a problem in the text; nothing where the problem is not in the text.
fn drawing(path: &Path, error: &ConfigError) -> Option<String> {
    error.location?;
    let text = fs::read_to_string(path).ok()?;
    let mistake = Config::parse(&text).err()?;
    let span = mistake.span?;
    // What is drawn goes to a terminal; the span counts bytes, so they must not move.
    let shown: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\n' && c.len_utf8() == 1 { ' ' } else { c })
        .collect();
    let name = path.display().to_string();
    let snippet = Snippet::source(&shown)
        .path(printable(&name))
        .annotation(AnnotationKind::Primary.span(span));
    let report = [Level::ERROR.primary_title(printable(&mistake.message)).element(snippet)];
    Some(format!("{}\n", Renderer::plain().render(&report)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_engine_is_tried_by_the_agent_with_the_file_that_is_checked() {
        let directory = tempfile::tempdir().unwrap();
        let (agent, file) = (directory.path().join("agent"), directory.path().join("x.toml"));
        let plays = |script: &str| {
            fs::write(&agent, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        };
        fs::write(&file, "").unwrap();
        let failure = check(&file, Some(&agent)).unwrap_err();
        assert!(failure.message.ends_with("expected one with the engine to try"), "{failure:?}");
        fs::write(&file, "[fleet]\nendpoints = [\"http://127.0.0.1:2379\"]\n").unwrap();
        let failure = check(&file, Some(&agent)).unwrap_err();
        assert!(failure.message.contains("agent: No such file"), "{failure:?}");
        plays("echo \"$*\"");
        let text = check(&file, Some(&agent)).unwrap().text().to_owned();
        assert!(text.ends_with(&format!("\n--config {} --try\n", file.display())), "{text}");
        plays("echo session-limit-agent: etcd: no lease: why >&2; exit 1");
        assert_eq!(check(&file, Some(&agent)).unwrap_err().message, "etcd: no lease: why");
    }
}
