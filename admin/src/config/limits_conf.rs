//! pam_limits and us: its maxlogins lines as profiles, and our limits as maxlogins lines.
//!
//! There 0 means that no user may log in and `-` means no limit; here 0 means no limit.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use session_limit_core::config::Config;
use session_limit_core::model::profile::{DEFAULT_PROFILE, Profile, ProfileAssignment};

use super::draft::{ConfigDraft, DraftError};
use super::field::Field;
use super::object::{Change, ObjectKind};
use super::store::ConfigFile;
use crate::error::{AdminError, AdminErrorKind};

const MAIN_FILE: &str = "/etc/security/limits.conf";
const DIRECTORY: &str = "/etc/security/limits.d";
/// Bytes of the largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// Whom a line of limits.conf is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Domain {
    /// `*`
    Everybody,
    /// A user's name.
    User(String),
    /// `@group`
    Group(String),
}

/// What a line of limits.conf allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    /// 0
    NoLogin,
    /// At least 1.
    AtMost(u32),
    /// `-`, `-1`, `unlimited`, `infinity`
    Any,
}

/// A line that is about logins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    source: String,
    typed: String,
    /// What it comes to, or why it cannot be carried over.
    meaning: Result<(Domain, Allowed), &'static str>,
}

/// What is proposed for one line, as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// File and line.
    pub source: String,
    /// The line.
    pub line: String,
    /// What it means here, or why it is not carried over.
    pub proposal: String,
    /// Whether it is carried over.
    pub carried_over: bool,
}

/// Why an import failed.
#[derive(Debug)]
pub enum ImportError {
    /// A file could not be read.
    Read(AdminError),
    /// The result could not be written.
    Write(DraftError),
}

impl From<AdminError> for ImportError {
    fn from(error: AdminError) -> Self {
        Self::Read(error)
    }
}

/// A file as pam_limits reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsFile {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Which files the calling process may read for its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRights {
    /// All that the kernel lets it read: the process has no rights but those of its user.
    OfProcess,
    /// What every user of the host may read: the process is root, its user is not.
    OfEveryUser,
}

/// Reads the files named, or those that pam_limits reads.
///
/// # Errors
/// When one cannot be read.
pub fn read_files(files: &[String], rights: FileRights) -> Result<Vec<LimitsFile>, AdminError> {
    let file = |path: PathBuf| Ok(LimitsFile { text: read(&path, rights)?, path });
    sources(files)?.into_iter().map(file).collect()
}

/// Proposes, or writes, what maxlogins lines mean here.
///
/// # Errors
/// When the result cannot be written.
pub fn import(
    config: &ConfigFile,
    files: &[LimitsFile],
    apply: bool,
) -> Result<Vec<Proposal>, ImportError> {
    let rules: Vec<Rule> = files.iter().flat_map(|file| rules_of(&file.path, &file.text)).collect();
    let winners = winners(&rules);
    let proposals: Vec<Proposal> = rules.iter().map(|rule| propose(rule, &winners)).collect();
    if apply {
        write(config, &winners).map_err(ImportError::Write)?;
    }
    Ok(proposals)
}

/// Returns the files named, or those that pam_limits reads, in its order.
fn sources(files: &[String]) -> Result<Vec<PathBuf>, AdminError> {
    if !files.is_empty() {
        return Ok(files.iter().map(PathBuf::from).collect());
    }
    let mut found = vec![PathBuf::from(MAIN_FILE)];
    let Ok(directory) = fs::read_dir(DIRECTORY) else { return Ok(found) };
    let mut more = Vec::new();
    for entry in directory {
        let path = entry.map_err(|e| unreadable(Path::new(DIRECTORY), &e))?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            more.push(path);
        }
    }
    more.sort();
    found.extend(more);
    Ok(found)
}

/// Reads a regular file of at most [`MAX_BYTES`] that the user may read.
fn read(path: &Path, rights: FileRights) -> Result<String, AdminError> {
    // Neither a FIFO nor a terminal may hold the prompt up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| unreadable(path, &error.into()))?;
    let meta = file.metadata().map_err(|error| unreadable(path, &error))?;
    let refuse = |expected: String| {
        let text = format!("{}: is not read, expected {expected}", path.display());
        Err(AdminError::new(AdminErrorKind::Io, text))
    };
    if !meta.is_file() {
        return refuse("a regular file".to_owned());
    }
    if meta.len() > MAX_BYTES {
        return refuse(format!("at most {MAX_BYTES} bytes"));
    }
    if rights == FileRights::OfEveryUser && (meta.mode() & 0o004 == 0 || !is_way_open(path)) {
        return refuse("a file that every user of this host may read".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns whether every user may search the directories on the way to a file, links followed.
fn is_way_open(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors()
        .skip(1)
        .all(|directory| fs::metadata(directory).is_ok_and(|meta| meta.mode() & 0o001 != 0))
}

fn unreadable(path: &Path, error: &std::io::Error) -> AdminError {
    let reason = session_limit_core::system::error_text(error);
    AdminError::new(AdminErrorKind::Io, format!("{}: cannot be read: {reason}", path.display()))
}

fn rules_of(path: &Path, text: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let fields: Vec<&str> = line.split_whitespace().collect();
        let meaning = match fields.as_slice() {
            [domain, _, "maxlogins", value] => meaning(domain, value),
            [_, _, "maxsyslogins", _] => Err("a limit for the whole host: there is none here"),
            [domain, "-"] => domain_of(domain).map(|domain| (domain, Allowed::Any)),
            _ => continue,
        };
        let source = format!("{}:{number}", path.display());
        rules.push(Rule { source, typed: fields.join(" "), meaning });
    }
    rules
}

fn meaning(domain: &str, value: &str) -> Result<(Domain, Allowed), &'static str> {
    let domain = domain_of(domain)?;
    let allowed = match value {
        "-" | "-1" | "unlimited" | "infinity" => Allowed::Any,
        number => match number.parse() {
            Ok(0) => Allowed::NoLogin,
            Ok(n) => Allowed::AtMost(n),
            Err(_) => return Err("the value is no number"),
        },
    };
    Ok((domain, allowed))
}

fn domain_of(domain: &str) -> Result<Domain, &'static str> {
    match domain.strip_prefix('@') {
        _ if domain == "*" => Ok(Domain::Everybody),
        _ if domain.starts_with('%') => {
            Err("a limit for all members of a group together: there is none here")
        }
        _ if domain.contains(':') => Err("a range of ids: assign the users or a group by name"),
        Some(group) => Ok(Domain::Group(group.to_owned())),
        None => Ok(Domain::User(domain.to_owned())),
    }
}

/// Returns the rule that wins for each domain: pam_limits takes the last line of equal rank.
fn winners(rules: &[Rule]) -> BTreeMap<Domain, (usize, Allowed)> {
    let mut winners = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        if let Ok((domain, allowed)) = &rule.meaning {
            winners.insert(domain.clone(), (place, *allowed));
        }
    }
    winners
}

fn propose(rule: &Rule, winners: &BTreeMap<Domain, (usize, Allowed)>) -> Proposal {
    let (proposal, carried_over) = match &rule.meaning {
        Err(why) => (format!("not carried over: {why}"), false),
        Ok((_, Allowed::NoLogin)) => (
            "not carried over: 0 lets no user in there and every user here; lock the account instead"
                .to_owned(),
            false,
        ),
        Ok((domain, allowed))
            if winners.get(domain).is_some_and(|&(_, winner)| winner != *allowed) =>
        {
            ("overridden by a later line".to_owned(), false)
        }
        Ok((domain, allowed)) => {
            let sessions = sessions(*allowed);
            let profile = profile_name(*allowed);
            let text = match domain {
                Domain::Everybody => {
                    format!("{DEFAULT_PROFILE}: max_concurrent_sessions {sessions}")
                }
                Domain::User(name) => format!("user {name}: {profile}"),
                Domain::Group(name) => format!("group {name}: {profile}"),
            };
            (text, true)
        }
    };
    Proposal { source: rule.source.clone(), line: rule.typed.clone(), proposal, carried_over }
}

fn sessions(allowed: Allowed) -> u32 {
    match allowed {
        Allowed::AtMost(n) => n,
        Allowed::Any | Allowed::NoLogin => 0,
    }
}

/// Returns the name of the profile that stands for a limit: one for each number.
fn profile_name(allowed: Allowed) -> String {
    match allowed {
        Allowed::AtMost(n) => format!("Limits-{n}"),
        Allowed::Any | Allowed::NoLogin => "Limits-Unlimited".to_owned(),
    }
}

/// Writes what the winning lines mean, all in one change of the file.
fn write(
    file: &ConfigFile,
    winners: &BTreeMap<Domain, (usize, Allowed)>,
) -> Result<(), DraftError> {
    let mut wanted: Vec<(&Domain, usize, Allowed)> = winners
        .iter()
        .filter(|(_, (_, allowed))| *allowed != Allowed::NoLogin)
        .map(|(domain, &(place, allowed))| (domain, place, allowed))
        .collect();
    // Of a user's groups the last line wins there, the first entry here.
    wanted.sort_by_key(|&(_, place, _)| std::cmp::Reverse(place));
    file.update(|edit, config| {
        let failed = |e| {
            DraftError::Save(crate::config::store::SaveError::ConfigEditor(
                file.path().to_owned(),
                e,
            ))
        };
        for (domain, _, allowed) in wanted {
            let profile = match domain {
                Domain::Everybody => DEFAULT_PROFILE.to_owned(),
                _ => profile_name(allowed),
            };
            let mut draft = ConfigDraft::begin(config, ObjectKind::Profile, &profile);
            draft.apply(&Change::Set(Field::MaxConcurrentSessions, sessions(allowed)));
            draft.write(edit).map_err(failed)?;
            let (kind, name) = match domain {
                Domain::Everybody => continue,
                Domain::User(name) => (ObjectKind::User, name),
                Domain::Group(name) => (ObjectKind::Group, name),
            };
            let mut draft = ConfigDraft::begin(config, kind, name);
            draft.apply(&Change::Assign(profile));
            draft.write(edit).map_err(failed)?;
        }
        Ok(())
    })
}

/// Returns the limits as the lines that compliance scanners look for.
///
/// Each number is at or above ours, so that pam_limits, where it is in use too, never refuses a login
/// that we would let in. A user without a limit here gets a line of their own.
#[must_use]
pub fn export(config: &Config) -> Vec<String> {
    let limit =
        |name: &str| config.profile(name).map_or(0, |profile| profile.max_concurrent_sessions);
    let mut lines = Vec::new();
    let highest = config
        .profiles
        .iter()
        .filter(|profile| profile.name == DEFAULT_PROFILE || is_used(config, profile))
        .map(|profile| profile.max_concurrent_sessions)
        .max();
    match (limit(DEFAULT_PROFILE), highest) {
        (1.., Some(highest)) => lines.push(format!("* hard maxlogins {highest}")),
        _ => lines.push(format!("# {DEFAULT_PROFILE} has no limit: no line for all users")),
    }
    // Of a user's groups the first entry holds here, the last line there.
    for entry in config.groups.iter().rev() {
        lines.push(line_for(&format!("@{}", entry.name), limit(&entry.user_profile)));
    }
    for entry in &config.users {
        lines.push(line_for(&entry.name, limit(&entry.user_profile)));
    }
    lines
}

fn is_used(config: &Config, profile: &Profile) -> bool {
    let uses = |entry: &ProfileAssignment| entry.user_profile == profile.name;
    config.users.iter().chain(&config.groups).any(uses)
}

fn line_for(domain: &str, limit: u32) -> String {
    match limit {
        0 => format!("{domain} hard maxlogins unlimited"),
        n => format!("{domain} hard maxlogins {n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_regular_files_that_the_user_may_read_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("limits.conf");
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::write(&path, "* hard maxlogins 3\n").unwrap();
        mode(&path, 0o600);
        mode(directory.path(), 0o755);
        let (any, public) = (FileRights::OfProcess, FileRights::OfEveryUser);
        assert!(read(&path, any).is_ok(), "root's own");
        let refused = |path: &Path, rights| read(path, rights).unwrap_err().to_string();
        assert!(refused(&path, public).contains("every user of this host may read"));
        mode(&path, 0o644);
        assert_eq!(read(&path, public).unwrap(), "* hard maxlogins 3\n");
        mode(directory.path(), 0o700);
        assert!(
            refused(&path, public).contains("every user of this host may read"),
            "the way to it"
        );
        assert!(refused(Path::new("/dev/zero"), any).contains("a regular file"));
        assert!(refused(directory.path(), any).contains("a regular file"));
        let fifo = directory.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert!(refused(&fifo, any).contains("a regular file"), "and does not wait for a writer");
        fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
        assert!(refused(&path, any).contains("at most 1048576 bytes"));
    }
}
