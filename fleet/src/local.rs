//! The sessions of this host: the truth about it, which the slots of the fleet follow.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use session_limit_core::admission::clear::{ClearSummary, clear_sessions};
use session_limit_core::admission::live::LivenessCheck;
use session_limit_core::config::{Config, ConfigError, assignment};
use session_limit_core::fleet::protocol::HostCleared;
use session_limit_core::model::session::{Leader, Session};
use session_limit_core::process::{HostIdentity, Liveness};
use session_limit_core::store::Store;
use session_limit_core::system::error_text;
use session_limit_core::system::users::User;

use crate::engine::SessionInfo;

/// How long a name service is waited for, where only a line of the log depends on it.
const NAME_SERVICE: Duration = Duration::from_secs(5);

/// A session of this host that lives and takes a slot, or a login that is about to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The user.
    pub uid: u32,
    /// The session's number.
    pub id: i64,
    /// Open: it has been let in, whichever side decided. Otherwise the login is still asking.
    pub is_open: bool,
    /// For display.
    pub session: SessionInfo,
    /// The process that leads it, where that is known.
    pub leader: Option<Leader>,
}

/// Where the sessions of this host are known.
#[allow(async_fn_in_trait, reason = "agents have one thread")]
pub trait Local {
    /// Returns the living sessions.
    ///
    /// # Errors
    /// One line. Nothing is concluded from it then.
    async fn rows(&self) -> Result<Vec<Row>, String>;

    /// Returns whether a session that was among the rows still lives; does not wait.
    fn lives(&self, row: &Row) -> bool;

    /// Returns how many sessions the user may hold; `None` where there is no limit, or it is not known.
    async fn limit(&self, user: &str) -> Option<u32>;

    /// Ends sessions of a user, as a clearing on this host does; their terminals say that `ended_by` did it.
    /// The answer names no host.
    async fn end(&self, uid: u32, ids: &[i64], ended_by: &str) -> HostCleared;
}

/// The store of this host.
pub struct LocalStore {
    path: PathBuf,
    config: Option<PathBuf>,
}

impl LocalStore {
    /// Names the store at `path`, and the configuration; nothing is touched yet.
    #[must_use]
    pub fn at(path: &Path, config: Option<PathBuf>) -> Self {
        Self { path: path.to_owned(), config }
    }
}

impl Local for LocalStore {
    async fn rows(&self) -> Result<Vec<Row>, String> {
        let path = self.path.clone();
        // In a storm of logins it may have to wait for the lock of the store.
        let read = tokio::task::spawn_blocking(move || read_rows(&path)).await;
        read.unwrap_or_else(|error| Err(error.to_string()))
    }

    fn lives(&self, row: &Row) -> bool {
        let Some(leader) = &row.leader else { return true };
        HostIdentity::current().map_or(true, |host| host.liveness(leader) != Liveness::Dead)
    }

    async fn limit(&self, user: &str) -> Option<u32> {
        let (config, user) = (self.config.clone(), user.to_owned());
        // A name service may take its time.
        let asked = tokio::task::spawn_blocking(move || limit_of(config.as_deref(), &user));
        tokio::time::timeout(NAME_SERVICE, asked).await.ok()?.ok()?
    }

    async fn end(&self, uid: u32, ids: &[i64], ended_by: &str) -> HostCleared {
        let (path, config) = (self.path.clone(), self.config.clone());
        let (chosen, by) = (ids.to_vec(), ended_by.to_owned());
        let done =
            tokio::task::spawn_blocking(move || end(&path, config.as_deref(), uid, &chosen, &by));
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        match done.await {
            Ok(Ok(summary)) => HostCleared {
                host: String::new(),
                terminated: count(summary.terminated),
                killed: count(summary.killed),
                forgotten: count(summary.forgotten),
                skipped: count(summary.skipped_shared + summary.skipped_own),
                failed: count(summary.failed),
            },
            failed => {
                let why = failed
                    .map_or_else(|error| error.to_string(), |done| done.err().unwrap_or_default());
                eprintln!("session-limit-agent: sessions cannot be ended: {why}");
                HostCleared { failed: count(ids.len()), ..HostCleared::default() }
            }
        }
    }
}

fn read_rows(path: &Path) -> Result<Vec<Row>, String> {
    let host = HostIdentity::current().map_err(|error| format!("/proc: {}", error_text(&error)))?;
    let store = Store::at(path);
    let sessions = store.read(session_limit_core::store::Transaction::all_sessions);
    let sessions = sessions.map_err(|error| error.to_string())?.unwrap_or_default();
    let check = LivenessCheck::new(&host, &store);
    let lives = |session: &Session| session.counts_toward_limit() && !check.is_stale(session);
    Ok(sessions.into_iter().filter(lives).map(row).collect())
}

fn end(
    path: &Path,
    config: Option<&Path>,
    uid: u32,
    ids: &[i64],
    ended_by: &str,
) -> Result<ClearSummary, String> {
    let config = load(config).map_err(|error| error.to_string())?;
    let host = HostIdentity::current().map_err(|error| format!("/proc: {}", error_text(&error)))?;
    let is_meant = |session: &Session| session.uid == uid && ids.contains(&session.id);
    clear_sessions(&Store::at(path), &host, is_meant, config.policy.on_clear, ended_by)
        .map_err(|error| error.to_string())
}

fn load(config: Option<&Path>) -> Result<Config, ConfigError> {
    match config {
        Some(path) => Config::load(path),
        None => Config::load_default(),
    }
}

fn limit_of(config: Option<&Path>, user: &str) -> Option<u32> {
    let config = load(config).ok()?;
    let user = User::named(&CString::new(user).ok()?).ok()??;
    let assigned = assignment::profile_for(&config, &user).ok()?;
    Some(assigned.profile.max_concurrent_sessions).filter(|&limit| limit > 0)
}

fn row(session: Session) -> Row {
    let is_open = session.is_open();
    let Session { uid, id, user, origin, since, leader, audit_session, .. } = session;
    // One with an audit session may go on without its leader: that takes more than a look at it.
    let leader = audit_session.is_none().then_some(leader);
    let session =
        SessionInfo { user, service: origin.service, tty: origin.tty, rhost: origin.rhost, since };
    Row { uid, id, is_open, session, leader }
}
