//! The configuration and the store, as files that the module has to be able to use.

use std::path::{Path, PathBuf};

use session_limit_core::config::{Config, ConfigError};
use session_limit_core::model::policy::OnLimit;
use session_limit_core::store::{Store, StoreContent, StoreError, Transaction};

use super::services::ServiceStacks;
use super::stack::Phase;
use super::{Check, Findings};

/// Says whether the module accepts the configuration.
pub fn configuration(path: &Path, read: &Result<Config, ConfigError>) -> Check {
    let mut findings = Findings::default();
    match read {
        Ok(config) => {
            let (profiles, users, groups) =
                (config.profiles.len(), config.users.len(), config.groups.len());
            findings.ok(match path.exists() {
                true => format!("valid: profiles {profiles}, users {users}, groups {groups}"),
                false => "missing: the built-in defaults apply".to_owned(),
            });
        }
        Err(error) => findings.problem(format!(
            "{error}; correct it: until then no login is checked, and with strict lines none is let in"
        )),
    }
    findings.into_check("configuration", path.display().to_string())
}

/// Says whether any limit is set.
pub fn limits(config: &Config) -> Check {
    let mut findings = Findings::default();
    let limited = config.profiles.iter().filter(|profile| profile.max_concurrent_sessions > 0);
    let names: Vec<String> = limited
        .map(|profile| {
            let observes = profile.on_limit.unwrap_or(config.policy.on_limit) == OnLimit::Log;
            let note = if observes { " (on_limit is log: no login is refused)" } else { "" };
            format!("{} {}{note}", profile.name, profile.max_concurrent_sessions)
        })
        .collect();
    if names.is_empty() {
        findings.warning(
            "no profile sets max_concurrent_sessions: sessions are listed, but no user is limited",
        );
    } else {
        findings.ok(format!("max_concurrent_sessions: {}", names.join(", ")));
    }
    findings.into_check("limits", "profiles")
}

/// Says whether the store can be used.
pub fn store(path: &Path) -> Check {
    let mut findings = Findings::default();
    let store = Store::at(path);
    match store.examine(Transaction::all_sessions) {
        Ok(StoreContent::Present { version, value }) => {
            findings.ok(format!("version {version}, records {}", value.len()));
        }
        Ok(StoreContent::Absent) => {
            findings.ok("not there yet: the first counted login makes it");
        }
        Ok(StoreContent::Empty) => findings.ok("empty: the next counted login completes it"),
        Ok(StoreContent::Older(version)) => findings.ok(format!(
            "version {version}, of an earlier release: the next counted login takes its records over"
        )),
        Ok(StoreContent::Unfinished) => findings.warning(
            "a transaction was left unfinished or is under way: the next counted login undoes it; run \
             `status` again after one",
        ),
        Ok(StoreContent::Damaged(reason)) => findings.problem(format!(
            "damaged ({reason}): the next counted login moves it aside and begins a new one; sessions \
             opened before are then not counted"
        )),
        Err(StoreError::Newer(text)) => {
            findings.problem(format!("{text}; install the later version of the module"));
        }
        Err(error) => findings.problem(format!("{error}; until that is put right no login is checked")),
    }
    if let Some(text) = read_only(path) {
        findings.problem(text);
    }
    findings.into_check("store", path.display().to_string())
}

/// Returns what is wrong where the file system of the store takes no writes.
fn read_only(path: &Path) -> Option<String> {
    let directory = path.ancestors().skip(1).find(|directory| directory.exists())?;
    let system = rustix::fs::statvfs(directory).ok()?;
    system.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY).then(|| {
        format!("{} is on a read-only file system: no session is counted", directory.display())
    })
}

/// Checks the configurations and stores that lines name in place of the usual ones.
pub fn other_files(
    services: &[ServiceStacks],
    usual_config: &Path,
    usual_store: &Path,
) -> Vec<Check> {
    let options = || {
        services.iter().flat_map(|service| {
            [Phase::Account, Phase::Session].into_iter().filter_map(|phase| service.options(phase))
        })
    };
    let unique = |mut paths: Vec<PathBuf>| {
        paths.sort();
        paths.dedup();
        paths
    };
    let configs = unique(options().filter_map(|options| options.config).collect());
    let mut checks: Vec<Check> = configs
        .iter()
        .filter(|path| path.as_path() != usual_config)
        .map(|path| configuration(path, &Config::load(path)))
        .collect();
    let stores = unique(options().map(|options| options.state).collect());
    checks.extend(stores.iter().filter(|path| path.as_path() != usual_store).map(|path| {
        let mut findings = Findings::default();
        findings.warning("some lines name this store: `shell` shows it with --state only");
        let named = store(path);
        findings.add(named.verdict, named.message);
        findings.into_check("store", path.display().to_string())
    }));
    checks
}
