//! Why a user's next login would be let in or refused: the answer of the code that the module decides with.

use std::borrow::Cow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use session_limit_core::admission::options::Options;
use session_limit_core::admission::preview::{ExpectedOutcome, LoginPreview, preview};
use session_limit_core::admission::{AdmissionError, LoginRequest};
use session_limit_core::config::Config;
use session_limit_core::config::assignment::AssignmentSource;
use session_limit_core::fleet::Answer;
use session_limit_core::model::service::{ServiceKind, service_kind};
use session_limit_core::model::session::{EvictionRequest, Origin, Session};
use session_limit_core::store::{self, Store};
use session_limit_core::system::users::User;

use crate::error::{AdminError, AdminErrorKind};
use crate::status::HostFiles;
use crate::status::services::ServiceStacks;
use crate::status::stack::Phase;

/// What would become of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Let in.
    Admitted,
    /// The user is asked whether to end sessions; let in after a yes.
    Asked,
    /// Refused.
    Refused,
    /// The module has no say.
    Unchecked,
}

impl Decision {
    /// Returns the word that it is shown by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Asked => "asked",
            Self::Refused => "refused",
            Self::Unchecked => "unchecked",
        }
    }
}

/// A session of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInUse {
    /// Its number, as `show session` prints it.
    pub id: i64,
    /// Its PAM service.
    pub service: String,
    /// Why it takes no slot from another login; `None` where it takes one.
    pub uncounted: Option<Cow<'static, str>>,
}

/// Why a user's next login would be let in or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The user's name.
    pub user: String,
    /// The user's id.
    pub uid: u32,
    /// The PAM service of the login.
    pub service: String,
    /// The profile that holds.
    pub user_profile_ref: String,
    /// What assigns it.
    pub assigned_by: String,
    /// The limit; 0 = no limit.
    pub max_concurrent_sessions: u32,
    /// The user's living sessions, oldest first.
    pub sessions: Vec<SessionInUse>,
    /// What would become of the next login.
    pub next_login: Decision,
    /// Why.
    pub reason: String,
    /// What else matters, a sentence each.
    pub notes: Vec<String>,
}

impl Explanation {
    /// Returns the sessions that take a slot.
    pub fn counted(&self) -> impl Iterator<Item = &SessionInUse> {
        self.sessions.iter().filter(|session| session.uncounted.is_none())
    }
}

/// Explains what would become of the user's next login through a service.
///
/// `config` and `store` hold where the service's lines name no others.
///
/// # Errors
/// When `service` is no name, when the name services or the store cannot be used, or a configuration that a line names is broken.
pub fn explain(
    host: &HostFiles,
    config: &Config,
    store: &Path,
    user: &User,
    service: &str,
) -> Result<Explanation, AdminError> {
    // As libpam has it: lower case, and no path. A path would name a file that the user may not read.
    let service = &service.to_ascii_lowercase();
    if service.is_empty() || service.contains('/') || service.starts_with('.') {
        let text = format!("`{service}`, expected the name of a PAM service");
        return Err(AdminError::new(AdminErrorKind::NotFound, text));
    }
    let stacks = ServiceStacks::read(host, service);
    let try_phase = |options: Option<Options>| try_login(config, store, user, service, options);
    let has_account_check = service_kind(service) != ServiceKind::UserSwitchCheckedAtOpen;
    let account = stacks.options(Phase::Account).filter(|_| has_account_check);
    let session = stacks.options(Phase::Session);
    let is_asked = account.is_some() || session.is_some();
    let mut expected = try_phase(account.or_else(|| session.clone()))?;
    // What the account phase asks for, the opening does; otherwise the opening decides.
    if session.is_some()
        && !matches!(
            expected.outcome,
            ExpectedOutcome::Refused
                | ExpectedOutcome::Asked(_)
                | ExpectedOutcome::AfterEviction(_)
        )
    {
        expected = try_phase(session)?;
    }
    let (next_login, reason) = match expected.outcome {
        outcome if is_asked => decision(outcome, &expected),
        ExpectedOutcome::NotCounted => decision(ExpectedOutcome::NotCounted, &expected),
        _ => (Decision::Unchecked, "the stack of the service calls the module nowhere".to_owned()),
    };
    let mut notes = expected.assigned.warnings.clone();
    if expected.outcome != ExpectedOutcome::NotCounted {
        let problem = stacks.problem().filter(|_| is_asked);
        notes.extend(problem.map(|problem| format!("the stack is not in order: {problem}")));
        if expected.may_be_nested {
            notes.push(
                "started inside a counted session of the same user, it is part of that session and needs \
                 no slot"
                    .to_owned(),
            );
        }
    }
    if let (Some(Answer::Down(why)), Decision::Admitted) = (&expected.fleet, next_login) {
        notes.push(format!(
            "the fleet cannot be asked, only the sessions of this host count: {why}"
        ));
    }
    if user.uid == 0 && expected.assigned.source == AssignmentSource::Default {
        notes.push(
            "root is limited like any other user, for no entry assigns it a profile".to_owned(),
        );
    }
    Ok(Explanation {
        user: user.name.to_string_lossy().into_owned(),
        uid: user.uid,
        service: service.clone(),
        user_profile_ref: expected.assigned.profile.name.clone(),
        assigned_by: source_text(&expected.assigned.source),
        max_concurrent_sessions: expected.settings.limit.number(),
        sessions: expected.live.iter().map(in_use).collect(),
        next_login,
        reason,
        notes,
    })
}

/// Tries a login as the module would, with the arguments of one of its lines.
fn try_login(
    config: &Config,
    store: &Path,
    user: &User,
    service: &str,
    options: Option<Options>,
) -> Result<LoginPreview, AdminError> {
    let options = options.unwrap_or_else(|| Options::read(&[]));
    let is_usual = options.state == Path::new(store::DEFAULT_PATH);
    let state = if is_usual { store.to_owned() } else { options.state };
    let origin = Origin { service: service.to_owned(), tty: None, rhost: None };
    let named = options.config.as_deref().map(Config::load).transpose();
    let named =
        named.map_err(|error| AdminError::new(AdminErrorKind::Invalid, error.to_string()))?;
    let request = LoginRequest {
        user: user.typed.clone(),
        origin,
        config: options.config,
        state: state.clone(),
        clear_sessions: options.clear_sessions,
        on_limit: options.on_limit,
        answer: None,
    };
    preview(&request, named.as_ref().unwrap_or(config), &Store::at(&state)).map_err(admin_error)
}

fn admin_error(error: AdmissionError) -> AdminError {
    let (kind, text) = match error {
        AdmissionError::UnknownUser => {
            (AdminErrorKind::NotFound, "the user is not known to this host".to_owned())
        }
        AdmissionError::Config(error) => (AdminErrorKind::Invalid, error.to_string()),
        AdmissionError::Store(error) => (AdminErrorKind::Store, error.to_string()),
        AdmissionError::System(text) => (AdminErrorKind::Io, text),
    };
    AdminError::new(kind, text)
}

fn decision(outcome: ExpectedOutcome, expected: &LoginPreview) -> (Decision, String) {
    let in_use = slots_in_use(expected);
    let open = expected.live.iter().filter(|session| session.is_open()).count();
    match outcome {
        ExpectedOutcome::NotCounted => {
            (Decision::Unchecked, "counted_services does not name the service".to_owned())
        }
        ExpectedOutcome::Unlimited => (Decision::Admitted, "the profile sets no limit".to_owned()),
        ExpectedOutcome::SlotIsFree => (Decision::Admitted, in_use),
        ExpectedOutcome::AfterEviction(EvictionRequest::EvictOldest) => (
            Decision::Admitted,
            format!(
                "{in_use}, and on_limit is evict-oldest: the oldest sessions that \
                 can be ended make room"
            ),
        ),
        // Nothing but clear_sessions and evict-oldest asks for it before the login has begun.
        ExpectedOutcome::AfterEviction(_) if open == 0 => {
            (Decision::Admitted, "the lines set clear_sessions, and no session is open".to_owned())
        }
        ExpectedOutcome::AfterEviction(_) => (
            Decision::Admitted,
            format!(
                "the lines set clear_sessions: {open} open sessions are ended first, as far as they can be"
            ),
        ),
        ExpectedOutcome::Logged => (
            Decision::Admitted,
            format!(
                "{in_use}, and on_limit is log: let in, and logged as one that \
                 would be refused"
            ),
        ),
        ExpectedOutcome::Asked(_) if expected.fleet.is_some() => (
            Decision::Asked,
            format!("{in_use}, and on_limit is ask: refused unless the user ends all of them"),
        ),
        ExpectedOutcome::Asked(sessions) => (
            Decision::Asked,
            format!(
                "{in_use}, and on_limit is ask: refused unless the user ends one or \
                 all of the open sessions ({sessions})"
            ),
        ),
        ExpectedOutcome::Refused => match &expected.fleet {
            Some(Answer::Down(why)) => (
                Decision::Refused,
                format!("the fleet cannot be asked, and on_engine_down is refuse: {why}"),
            ),
            _ => (Decision::Refused, in_use),
        },
    }
}

/// Says how many slots are in use: in the fleet, where it has been asked.
fn slots_in_use(expected: &LoginPreview) -> String {
    let limit = expected.settings.limit.number();
    match &expected.fleet {
        Some(Answer::Granted(held)) => {
            format!("{held} of {limit} slots are in use over the fleet")
        }
        Some(Answer::Refused(counts)) => format!(
            "{} of {limit} slots are in use over the fleet: {}",
            counts.total(),
            counts.holders()
        ),
        Some(Answer::Down(_)) | None => {
            let held = expected.live.iter().filter(|session| session.counts_toward_limit()).count();
            format!("{held} of {limit} slots are in use")
        }
    }
}

fn source_text(source: &AssignmentSource) -> String {
    match source {
        AssignmentSource::User => "the user's own [[user]] entry".to_owned(),
        AssignmentSource::Group(name) => format!("the [[group]] entry `{name}`"),
        AssignmentSource::Default => {
            "no entry of the user or of their groups: the default profile".to_owned()
        }
    }
}

fn in_use(session: &Session) -> SessionInUse {
    SessionInUse {
        id: session.id,
        service: session.origin.service.clone(),
        uncounted: session.uncounted_reason().map(Cow::Borrowed),
    }
}
