//! Whether a limit that is configured takes effect on this host: configuration, store, module, PAM stacks,
//! sshd, the sockets of the programs. Nothing is changed, made or locked.
//!
//! ```text
//! collect -> { services, clearing } -> sshd      module_file      storage      sockets      fields
//!                 |                                                                          |
//!                 +---> stack (reader, control, reach) <-------------------------------------+
//! ```

mod clearing;
mod fields;
mod module_file;
pub mod services;
mod sockets;
mod sshd;
mod sshd_config;
pub mod stack;
mod storage;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use session_limit_core::config::Config;

use crate::config::store::ConfigFile;

pub use sockets::SHELL as SHELL_SOCKET;

/// Where the files of a host are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFiles {
    /// The root directory; every path in a file counts from here.
    pub root: PathBuf,
    /// Whether sshd may be asked for its configuration; where not, its files are read.
    pub ask_sshd: bool,
}

impl Default for HostFiles {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), ask_sshd: true }
    }
}

/// The directories in which libpam looks for a service, in this order.
const SERVICE_DIRECTORIES: [&str; 2] = ["/etc/pam.d", "/usr/lib/pam.d"];

impl HostFiles {
    /// Returns where a path of the host is.
    #[must_use]
    pub fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn exists(&self, path: &str) -> bool {
        self.at(Path::new(path)).exists()
    }

    /// Returns the names in a directory, in order; none where it cannot be read.
    fn names_in(&self, directory: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(Path::new(directory))).into_iter().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    /// Returns the file of a service, or of an included file; an absolute path is itself.
    fn service_file(&self, name: &str) -> Option<PathBuf> {
        let found = |path: &PathBuf| self.at(path).is_file();
        if name.starts_with('/') {
            return Some(PathBuf::from(name)).filter(found);
        }
        SERVICE_DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(found)
    }

    /// Returns the names of all services that have a file.
    fn service_names(&self) -> Vec<String> {
        let mut names: Vec<String> = SERVICE_DIRECTORIES
            .iter()
            .flat_map(|directory| self.names_in(directory))
            .filter(|name| self.service_file(name).is_some())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but not for everything; or it could not be found out.
    Warning,
    /// Limits do not take effect because of it.
    Problem,
}

impl Verdict {
    /// Returns the word that it is shown by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What kind of thing: `configuration`, `limits`, `store`, `module`, `fields`, `service`, `sshd`,
    /// `shell`, `fleet`.
    pub check: Cow<'static, str>,
    /// Which one: a path, a service.
    pub subject: String,
    /// How it stands.
    pub verdict: Verdict,
    /// One sentence or more: why, and what to do.
    pub message: String,
}

/// What was found out about one thing, a sentence each.
#[derive(Debug, Default)]
struct Findings(Vec<(Verdict, String)>);

impl Findings {
    fn add(&mut self, verdict: Verdict, sentence: impl Into<String>) {
        self.0.push((verdict, sentence.into()));
    }

    fn problem(&mut self, sentence: impl Into<String>) {
        self.add(Verdict::Problem, sentence);
    }

    fn warning(&mut self, sentence: impl Into<String>) {
        self.add(Verdict::Warning, sentence);
    }

    fn ok(&mut self, sentence: impl Into<String>) {
        self.add(Verdict::Ok, sentence);
    }

    /// Makes one check of it; what is worst comes first.
    fn into_check(mut self, check: &'static str, subject: impl Into<String>) -> Check {
        self.0.sort_by_key(|(verdict, _)| std::cmp::Reverse(*verdict));
        let verdict = self.0.first().map_or(Verdict::Ok, |(verdict, _)| *verdict);
        let sentences: Vec<String> = self.0.into_iter().map(|(_, sentence)| sentence).collect();
        Check {
            check: Cow::Borrowed(check),
            subject: subject.into(),
            verdict,
            message: sentences.join("; "),
        }
    }
}

/// Looks at everything that a limit depends on.
#[must_use]
pub fn collect(host: &HostFiles, file: &ConfigFile, store: &Path) -> Vec<Check> {
    let read = file.read();
    let mut checks = vec![storage::configuration(file.path(), &read)];
    // A broken configuration is a finding of its own: the rest is looked at as if it were the built-in one.
    let config = read.unwrap_or_default();
    checks.push(storage::limits(&config));
    checks.push(storage::store(store));
    let services = services::examine_all(host, &config);
    checks.push(module_file::check(host, &services));
    checks.push(fields::check(host, &services, &config));
    checks.extend(storage::other_files(&services, file.path(), store));
    checks.extend(services.iter().map(|service| services::check(service, &config)));
    checks.extend(ssh_checks(host, &config));
    checks.push(sockets::shell(host));
    checks.extend(sockets::fleet(host, &config, store));
    checks
}

fn ssh_checks(host: &HostFiles, config: &Config) -> Vec<Check> {
    let Some(program) = sshd::program(host) else { return Vec::new() };
    let mut checks = vec![sshd::check(host, &program, config)];
    checks.extend(clearing::check(host, &program, config));
    checks
}

#[cfg(test)]
mod tests;
