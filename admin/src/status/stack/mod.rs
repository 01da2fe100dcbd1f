//! The stack of a PAM service as libpam reads it: which lines, in which order, from which files.
//!
//! Sources: pam.conf(5) and Linux-PAM's reader. Debian adds `@include`, which stands for an `include` of
//! every type.

pub mod control;
pub mod reach;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use session_limit_core::system;

use super::HostFiles;
use control::{Control, ControlField};

/// The module's file name.
pub const MODULE: &str = "pam_session_limit.so";
/// The argument of an account line that checks the password's age, not the limit.
pub const CREDENTIALS: &str = "credentials";
/// `PAM_SUBSTACK_MAX_LEVEL` of libpam: includes nest so deep.
const MAX_DEPTH: usize = 16;
/// Files that are read for one stack. libpam has no such bound; no stack comes near it.
const MAX_FILES: usize = 256;
/// Bytes of the largest file that is read.
const MAX_BYTES: u64 = 1024 * 1024;

/// The part of a stack that a module is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `account`: may the user log in.
    Account,
    /// `session`: the login begins and ends.
    Session,
    /// `auth`: who is it.
    Auth,
    /// `password`: another password.
    Password,
}

impl Phase {
    /// Returns the word that lines of the phase begin with.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Session => "session",
            Self::Auth => "auth",
            Self::Password => "password",
        }
    }
}

/// Where a line stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// Number of the line, from 1; of a continued one the first.
    pub line: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a line calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// A module.
    Module {
        /// Its name, or absolute path.
        path: String,
        /// The words behind it.
        arguments: Vec<String>,
    },
    /// The lines of one level deeper that follow.
    Substack,
    /// Nothing: libpam cannot use the line, and fails there; says why.
    Unusable(String),
}

/// One line of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How many substacks it is inside of.
    pub level: usize,
    /// What is done with its result.
    pub control: Control,
    /// What it calls.
    pub call: Call,
    /// Where it stands.
    pub position: Position,
}

impl Entry {
    /// Returns the file name of the module that the line calls.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        match &self.call {
            Call::Module { path, .. } => Some(path.rsplit('/').next().unwrap_or(path)),
            Call::Substack | Call::Unusable(_) => None,
        }
    }
}

impl Entry {
    /// Returns whether a word stands behind the module.
    #[must_use]
    pub fn has_argument(&self, word: &str) -> bool {
        matches!(&self.call, Call::Module { arguments, .. } if arguments.iter().any(|one| one == word))
    }

    /// Returns whether the line has the module check the limit.
    #[must_use]
    pub fn checks_limit(&self) -> bool {
        self.module() == Some(MODULE) && !self.has_argument(CREDENTIALS)
    }
}

/// The lines of one phase of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseStack {
    /// In order, with those of included files in place.
    pub entries: Vec<Entry>,
    /// The file that the service begins with; `None` where there is none, not even `other`.
    pub file: Option<PathBuf>,
}

impl PhaseStack {
    /// Returns the first line that libpam cannot use, and why: with it every login of the service fails.
    #[must_use]
    pub fn unusable(&self) -> Option<(&Position, &str)> {
        self.entries.iter().find_map(|entry| match &entry.call {
            Call::Unusable(reason) => Some((&entry.position, reason.as_str())),
            Call::Module { .. } | Call::Substack => None,
        })
    }
}

/// Reads one phase of a service: its own file, or where that has no line of the phase, `other`.
#[must_use]
pub fn read(host: &HostFiles, service: &str, phase: Phase) -> PhaseStack {
    for name in [service, "other"] {
        let mut reader = Reader { host, phase, entries: Vec::new(), open: Vec::new(), files: 0 };
        let Some(file) = host.service_file(name) else { continue };
        // What cannot be read has no lines: libpam goes on with `other`, too.
        let _ = reader.load(&file, 0);
        if !reader.entries.is_empty() {
            return PhaseStack { entries: reader.entries, file: Some(file) };
        }
    }
    PhaseStack { entries: Vec::new(), file: host.service_file(service) }
}

struct Reader<'a> {
    host: &'a HostFiles,
    phase: Phase,
    entries: Vec<Entry>,
    /// The files between the service's own and the present one.
    open: Vec<PathBuf>,
    files: usize,
}

impl Reader<'_> {
    fn load(&mut self, file: &Path, level: usize) -> Result<(), String> {
        let name = file.display();
        self.files += 1;
        if self.open.iter().any(|open| open == file) {
            return Err(format!("{name} includes itself"));
        }
        if self.open.len() >= MAX_DEPTH || self.files > MAX_FILES {
            return Err(format!("{name} is included too deep"));
        }
        let text = text_of(self.host, file)?;
        self.open.push(file.to_owned());
        for (line, words) in lines(&text) {
            self.line(&words, Position { file: file.to_owned(), line }, level);
        }
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, words: &[String], position: Position, level: usize) {
        let Some((first, rest)) = words.split_first() else { return };
        if first.eq_ignore_ascii_case("@include") {
            return self.include(rest.first(), position, level, 0);
        }
        let word = first.strip_prefix('-').unwrap_or(first);
        if !word.eq_ignore_ascii_case(self.phase.word()) {
            return;
        }
        let Some((field, rest)) = rest.split_first() else {
            return self.unusable("no control", position, level);
        };
        let control = match ControlField::parse(field) {
            ControlField::Module(control) => control,
            ControlField::Include => return self.include(rest.first(), position, level, 0),
            ControlField::Substack => {
                let (call, control) = (Call::Substack, Control::failing());
                self.entries.push(Entry { level, control, call, position: position.clone() });
                return self.include(rest.first(), position, level, 1);
            }
        };
        match rest.split_first() {
            None => self.unusable("no module", position, level),
            Some((path, arguments)) => {
                let (path, arguments) = (path.clone(), arguments.to_vec());
                let call = Call::Module { path, arguments };
                self.entries.push(Entry { level, control, call, position });
            }
        }
    }

    /// Reads the lines of another file, `deeper` levels below the line that names it.
    fn include(&mut self, name: Option<&String>, position: Position, level: usize, deeper: usize) {
        let included = match name {
            None => Err("no file to include".to_owned()),
            Some(name) => match self.host.service_file(name) {
                None => Err(format!("there is no {name} to include")),
                Some(file) => self.load(&file, level + deeper),
            },
        };
        if let Err(reason) = included {
            self.unusable(&reason, position, level);
        }
    }

    fn unusable(&mut self, reason: &str, position: Position, level: usize) {
        let (control, call) = (Control::failing(), Call::Unusable(reason.to_owned()));
        self.entries.push(Entry { level, control, call, position });
    }
}

/// Reads a text file of the host, of bounded size; a FIFO does not hold it up.
pub(super) fn text_of(host: &HostFiles, file: &Path) -> Result<String, String> {
    let path = host.at(file);
    let failed = |error: &std::io::Error| {
        format!("{} cannot be read: {}", file.display(), system::error_text(error))
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(&path, flags, Mode::empty()).map(File::from);
    let opened = opened.map_err(|error| failed(&error.into()))?;
    if !opened.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(format!("{} is not a regular file", file.display()));
    }
    let mut bytes = Vec::new();
    opened.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the lines that say something, each with its number and its words.
fn lines(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    let mut joined = String::new();
    let mut begun = 0;
    for (number, line) in (1..).zip(text.lines()) {
        if joined.is_empty() {
            begun = number;
        }
        let (said, is_cut) = match line.split_once('#') {
            Some((said, _)) => (said, true),
            None => (line, false),
        };
        let said = said.trim();
        match said.strip_suffix('\\').filter(|_| !is_cut) {
            Some(part) => {
                joined.push_str(part);
                joined.push(' ');
                continue;
            }
            // A blank line, or a comment, inside a continued line is passed over.
            None if said.is_empty() => continue,
            None => joined.push_str(said),
        }
        found.push((begun, words(&std::mem::take(&mut joined))));
    }
    if !joined.trim().is_empty() {
        found.push((begun, words(&joined)));
    }
    found
}

/// Splits a line at white space; what stands in brackets is one word, in which `\]` is a bracket.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = if rest.starts_with('[') {
            let mut before = ' ';
            let closing = rest.char_indices().find(|&(_, c)| {
                let is_end = c == ']' && before != '\\';
                before = c;
                is_end
            });
            closing.map_or(rest.len(), |(at, _)| at + 1)
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        let (word, after) = rest.split_at(end);
        words.push(word.replace("\\]", "]"));
        rest = after.trim_start();
    }
    words
}

#[cfg(test)]
mod tests;
