//! `--check-config`: what the module would say of a file, with the place drawn for people.

use std::fs;
use std::path::Path;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;
use session_limit_core::config::{Config, ConfigError};

use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::Response;
use crate::output::table::printable;
use session_limit_admin::config_store::ConfigFile;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Verdict {
    path: String,
    profiles: usize,
    users: usize,
    groups: usize,
}

/// Checks a file.
///
/// # Errors
/// The line that the module would log, and below it a drawing of the place.
pub fn check(path: &Path) -> Result<Response, CommandError> {
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
    };
    let Verdict { path, profiles, users, groups } = &verdict;
    let count = |n: &usize, what: &str| format!("{n} {what}{}", if *n == 1 { "" } else { "s" });
    let text = format!(
        "{}: valid: {}, {}, {}\n",
        printable(path),
        count(profiles, "profile"),
        count(users, "user"),
        count(groups, "group")
    );
    Ok(Response::new("check", &[verdict], text))
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
