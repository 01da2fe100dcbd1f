//! What a login brings, what its PAM handle keeps, and how a phase ends.

use std::ffi::CString;
use std::path::PathBuf;

use super::clear::ClearSummary;
use crate::config::ConfigError;
use crate::fleet::HostCounts;
use crate::model::fleet_settings::OnEngineDown;
use crate::model::policy::{OnClear, OnLimit, Tell};
use crate::model::profile::Limit;
use crate::model::refusal::Refusal;
use crate::model::session::{EvictionRequest, Leader, Origin, Session};
use crate::store::StoreError;
use crate::system::users::User;

/// What a login is checked by; read from PAM before anything else happens.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// The user as the application spells the name.
    pub user: CString,
    /// Where the login comes from.
    pub origin: Origin,
    /// The configuration named by a module argument.
    pub config: Option<PathBuf>,
    /// The store.
    pub state: PathBuf,
    /// The stack clears: the user's other sessions are ended whenever a session opens.
    pub clear_sessions: bool,
    /// The module argument that overrides the file's `on_limit`.
    pub on_limit: Option<OnLimit>,
    /// The user's answer to [`Outcome::Ask`]; `None` before the question.
    pub answer: Option<Answer>,
}

/// What a user at the limit wants to be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: the login is refused.
    Nothing,
    /// All of their other sessions.
    All,
    /// The session with this number.
    Session(i64),
}

/// What a user at the limit is asked: which session to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The sessions to choose from, oldest first.
    pub choices: Vec<SessionChoice>,
    /// How many more there are.
    pub more: usize,
    /// The numbers of all of them: a program that asks for the user knows sessions by these.
    pub open: Vec<i64>,
    /// Whether the end of one makes room; otherwise only all can be chosen.
    pub one_is_enough: bool,
    /// The other hosts that hold slots, a line each, if the fleet has no slot; then the sessions on all hosts are
    /// what is chosen.
    pub elsewhere: Option<Vec<String>>,
}

/// A session that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionChoice {
    /// Its number in the store.
    pub id: i64,
    /// What it is, in one line.
    pub line: String,
}

/// What one phase leaves in the PAM handle for the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionToken {
    /// What the login was checked by.
    pub settings: LoginSettings,
    /// The row that it holds, if it has one.
    pub slot: Option<Slot>,
}

/// What configuration and name services say of a login.
///
/// The next phase of the same login does not ask them again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginSettings {
    /// The user.
    pub user: User,
    /// The PAM service.
    pub service: String,
    /// The configuration file that was read; `None` is the default one.
    pub config: Option<PathBuf>,
    /// The limit of the user's profile.
    pub limit: Limit,
    /// What happens beyond the limit.
    pub on_limit: OnLimit,
    /// What clearing does.
    pub on_clear: OnClear,
    /// What a refused user is told.
    pub tell: Tell,
    /// The administrator's line for a refused user.
    pub hint: Option<String>,
    /// Whether a user who takes the last slot is told.
    pub notice: bool,
    /// Whether the user's sessions are counted over a fleet, and what decides while it cannot be asked.
    pub fleet: Option<OnEngineDown>,
    /// When that was found out, in milliseconds of boot time.
    pub read_at: i64,
    /// What was wrong with a part of it, a line each, for the log.
    pub warnings: Vec<String>,
}

/// A row of the store that a handle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The row's number.
    pub id: i64,
    /// The process that took it, or for sshd's keyboard-interactive child its parent.
    pub leader: Leader,
    /// Open, not just reserved.
    pub open: bool,
    /// The store that the row is in.
    pub state: PathBuf,
    /// How it stands with the fleet, where there is one.
    pub fleet: Option<FleetSlot>,
}

/// How a slot stands with the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetSlot {
    /// The fleet has not been asked for it: the user has no limit, or it is asked when the session opens.
    NotAsked,
    /// The fleet knows it; so many of the user's slots were in use then.
    Held(u32),
    /// The fleet could not be asked; the sessions of this host alone have decided.
    Down,
}

/// How a phase ended. The module turns each into a PAM code, a log line and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not for this module; says why.
    NotCounted(&'static str),
    /// Account phase of a user whose check is off.
    Unlimited {
        /// For the opening.
        token: SessionToken,
    },
    /// A slot is reserved.
    Reserved {
        /// Holds the slot.
        token: SessionToken,
        /// The user's slots in use, this one included.
        held: usize,
        /// The user's limit.
        limit: u32,
        /// What is going to be ended at opening.
        eviction: EvictionRequest,
    },
    /// The session is open.
    Opened {
        /// Holds the slot.
        token: SessionToken,
        /// The user's slots in use, this one included.
        held: usize,
        /// The user's limit; 0 = off.
        limit: u32,
        /// The limit had been reached; it is let in because `on_limit` is `log`.
        over_limit: Option<Box<Refusal>>,
        /// What was ended for it.
        cleared: ClearSummary,
    },
    /// The session is part of a counted login of the same user and takes no slot of its own.
    Nested {
        /// What was ended on the way.
        cleared: ClearSummary,
    },
    /// The handle's session is open already.
    AlreadyOpen,
    /// The check is off for the user, and the store could not record the session.
    Unrecorded(AdmissionError),
    /// The limit has been reached; the user may be asked which of their sessions to end.
    Ask(Question),
    /// The limit has been reached.
    Refused {
        /// What is kept of it.
        refusal: Box<Refusal>,
        /// What was ended, in vain.
        cleared: ClearSummary,
        /// Where clearing was asked for: the sessions that hold the slots and cannot be ended.
        blocked_by: Vec<Session>,
        /// What the user reads after the warning, a line each.
        told: Vec<String>,
        /// Where the slots are, if those of a fleet have decided.
        fleet: Option<HostCounts>,
    },
    /// The fleet cannot be asked, and no user with a limit is to be let in then.
    FleetDown {
        /// Why, where it has not been logged yet.
        why: Option<String>,
    },
}

/// Why a login could not be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionError {
    /// The name service knows no such user.
    UnknownUser,
    /// The configuration is rejected.
    Config(ConfigError),
    /// The store cannot be used.
    Store(StoreError),
    /// `/proc` or a name service failed; says which.
    System(String),
}

impl From<ConfigError> for AdmissionError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<StoreError> for AdmissionError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
