//! The story of one login: [`account()`] reserves a slot, [`open()`] decides, [`close()`] releases it.
//!
//! The account phase can refuse an ssh connection before it exists, but may run before the last
//! factor of a login has been shown: it never destroys anything. The opening is the authority; it
//! holds by itself in a stack without an account line.
#![forbid(unsafe_code)]

pub mod clear;
mod context;
mod denial;
mod eviction;
mod fleet;
pub mod live;
pub mod options;
pub mod preview;
mod request;
pub mod telling;

use crate::fleet::Agent;
use crate::model::policy::OnLimit;
use crate::model::profile::{Decision, Limit, decide};
use crate::model::sanitize::printable;
use crate::model::service::{ServiceKind, service_kind};
use crate::model::session::{EvictionRequest, Leader, Session, SessionState};
use crate::process::identity::is_self;
use crate::process::{self, HostIdentity, ssh};
use crate::store::{Store, StoreError, Transaction, TransactionError, new_id};
use crate::system::{self, clock};
use clear::{ClearPlan, ClearProgress, ClearSummary};
pub use context::is_counted;
use denial::Denial;
use eviction::{DenialReason, effective_on_limit, requested_eviction};
use fleet::FleetProgress;
pub use fleet::clear_fleet;
use live::{LivenessCheck, counted_sessions, live_sessions};
pub use request::{
    AdmissionError, Answer, FleetSlot, LoginRequest, LoginSettings, Outcome, Question,
    SessionChoice, SessionToken, Slot,
};

/// What a refused user reads: **the warning**.
pub const WARNING: [&str; 2] = [
    "WARNING: Maximum concurrent session count has been reached.",
    "Please clear the sessions using shell --clear-sessions",
];

/// Milliseconds that a reservation lives: sshd's default `LoginGraceTime` (120 s) and a margin.
pub const RESERVATION_MS: i64 = 150_000;

const NOT_COUNTED: Outcome = Outcome::NotCounted("this service is not counted");
const CHECKED_AT_OPEN: Outcome =
    Outcome::NotCounted("this service is checked when the session opens");
const SAME_USER: Outcome = Outcome::NotCounted("a switch to the user whose session this is");

/// The account phase: checks, and reserves a slot. Ends nothing.
///
/// # Errors
///
/// [`AdmissionError`]; nothing is reserved then.
pub fn account(
    request: &LoginRequest,
    token: Option<&SessionToken>,
    store: &Store,
) -> Result<Outcome, AdmissionError> {
    if service_kind(&request.origin.service) == ServiceKind::UserSwitchCheckedAtOpen {
        return Ok(CHECKED_AT_OPEN);
    }
    let Some(settings) = context::settings_for(request, token)? else { return Ok(NOT_COUNTED) };
    if settings.limit == Limit::Off {
        let slot = token.and_then(|token| token.slot.clone());
        return Ok(Outcome::Unlimited { token: SessionToken { settings, slot } });
    }
    let login = Login::new(request, settings, ssh::reservation_owner_pid(), token)?;
    match store.transaction(|tx| login.reserve(tx, token, store))? {
        Ok(outcome) => login.reserve_in_fleet(outcome, store),
        Err(denial) => Ok(login.denied(denial)),
    }
}

/// The opening of a session: ends what is to be ended if that was asked for, then decides and
/// records, in one transaction.
///
/// # Errors
///
/// [`AdmissionError`]; nothing is recorded then.
pub fn open(
    request: &LoginRequest,
    token: Option<&SessionToken>,
    store: &Store,
) -> Result<Outcome, AdmissionError> {
    let Some(settings) = context::settings_for(request, token)? else { return Ok(NOT_COUNTED) };
    let check_is_off = settings.limit == Limit::Off;
    let login = Login::new(request, settings, system::own_pid(), token);
    match login.and_then(|login| login.open_with_eviction(token, store)) {
        // The session is recorded for others to see, and for a limit set later: no reason to refuse it.
        Err(error) if check_is_off => Ok(Outcome::Unrecorded(error)),
        decided => decided,
    }
}

/// The end of a session: releases the slot, and returns whether this process held it.
///
/// A record that is gone already, cleared or lost with its store, is no error, and a damaged store is left
/// for the next login.
///
/// # Errors
///
/// [`StoreError`]; the slot is free all the same as soon as this process has ended.
pub fn close(slot: &Slot, uid: u32, store: &Store) -> Result<bool, StoreError> {
    let own = is_own(&slot.leader);
    if own {
        // The number alone could mean a row of another process: the store may have been begun again.
        let removed =
            store.existing_transaction(|tx| tx.remove_if_leader(uid, slot.id, &slot.leader));
        if slot.fleet.is_some() {
            Agent::beside(&slot.state).free(uid, slot.id);
        }
        removed?;
    }
    Ok(own)
}

/// Returns whether a PAM handle that ends must release its slot.
///
/// A reservation: always. An open session: only if the stack failed after it was opened, for then
/// nothing closes it; an application may well end its handle and keep the session. Never in a child,
/// which holds a copy of the handle (login, su), and never for a reservation that belongs to the parent.
#[must_use]
pub fn must_release(slot: &Slot, stack_failed: bool) -> bool {
    (!slot.open || stack_failed) && is_own(&slot.leader)
}

/// Returns whether the calling process is `leader`.
fn is_own(leader: &Leader) -> bool {
    // Without /proc the pid has to do.
    is_self(leader).unwrap_or(leader.pid == system::own_pid())
}

/// Returns the state of a slot that is taken now and opened later.
fn reserved(eviction: EvictionRequest, by_child: bool) -> SessionState {
    let until = clock::boot_ms().saturating_add(RESERVATION_MS);
    SessionState::Reserved { until, eviction, by_child }
}

/// One login that counts, and where it happens.
struct Login<'a> {
    request: &'a LoginRequest,
    settings: LoginSettings,
    host: HostIdentity,
    /// The process that holds the slot: the one that opens.
    leader: Leader,
    process_session: i32,
}

/// What one transaction of an opening led to.
enum OpenStep {
    Decided(Outcome),
    Denied(Denial),
    /// These sessions are to be ended; then another transaction decides.
    TerminateFirst(ClearPlan),
    /// A slot is reserved on this host; the fleet is to be asked, then another transaction decides.
    AskFleet {
        token: SessionToken,
        eviction: EvictionRequest,
        cleared: ClearSummary,
    },
}

impl<'a> Login<'a> {
    fn new(
        request: &'a LoginRequest,
        settings: LoginSettings,
        leader: i32,
        token: Option<&SessionToken>,
    ) -> Result<Self, AdmissionError> {
        let known = token.and_then(|token| token.slot.as_ref()).map(|slot| &slot.leader);
        let (host, leader, process_session) = HostIdentity::with_leader(leader, known)
            .map_err(|e| AdmissionError::System(system::error_text(&e)))?;
        Ok(Self { request, settings, host, leader, process_session })
    }

    /// Account phase, under the lock: stale rows out, count, reserve or refuse.
    fn reserve(
        &self,
        tx: &Transaction,
        token: Option<&SessionToken>,
        store: &Store,
    ) -> Result<Result<Outcome, Denial>, TransactionError> {
        let (own, others) = self.split_own_session(tx, token, store)?;
        if own.as_ref().is_some_and(Session::is_open) {
            return Ok(Ok(Outcome::AlreadyOpen));
        }
        if self.enclosing_login(&others).is_some() {
            return Ok(Ok(match self.kind() {
                ServiceKind::NestedLogin => Outcome::Nested { cleared: ClearSummary::default() },
                _ => SAME_USER,
            }));
        }
        let held = counted_sessions(&others);
        // A stack with two lines: the plain one takes nothing back of what the clearing one asked for.
        // Another try of a connection, which has no slot, asks again.
        let has_slot = token.is_some_and(|token| token.slot.is_some());
        let eviction = match self.eviction(own.as_ref().filter(|_| has_slot), &others) {
            Ok(eviction) => eviction,
            Err(reason) => {
                self.drop_reservation(tx, own)?;
                return Ok(Err(Denial::new(reason, others)));
            }
        };
        let state = reserved(eviction, self.may_lack_a_factor());
        let over_limit = eviction == EvictionRequest::None
            && decide(self.settings.limit, held) == Decision::Deny;
        let token = self.write_session(tx, own, &others, state, over_limit, token)?;
        Ok(Ok(Outcome::Reserved {
            token,
            held: held + 1,
            limit: self.settings.limit.number(),
            eviction,
        }))
    }

    /// Opening: one transaction decides; sessions that are to be ended are ended between two
    /// transactions, for their own closing needs the lock.
    fn open_with_eviction(
        &self,
        token: Option<&SessionToken>,
        store: &Store,
    ) -> Result<Outcome, AdmissionError> {
        let mut progress = ClearProgress::default();
        let mut fleet = FleetProgress::new(token);
        let user = printable(self.settings.user.name.to_bytes());
        let ended_by = format!("a new login of {user} ({})", self.request.origin);
        loop {
            let token = fleet.token.clone();
            match store.transaction(|tx| self.admit(tx, token.as_ref(), store, &progress))? {
                OpenStep::Decided(outcome) => return Ok(fleet.opened(outcome)),
                OpenStep::Denied(denial) => return Ok(self.denied(denial)),
                OpenStep::TerminateFirst(plan) => progress.run(&plan, &self.host, &ended_by),
                OpenStep::AskFleet { token, eviction, cleared } => {
                    progress.summary = cleared;
                    let asked = fleet.ask(self, token, eviction, &mut progress.summary, &ended_by);
                    if let Some(denial) = asked {
                        return self.give_back(denial, store);
                    }
                }
            }
        }
    }

    /// Opening, under the lock: stale and cleared rows out, count, confirm or insert, or refuse.
    fn admit(
        &self,
        tx: &Transaction,
        token: Option<&SessionToken>,
        store: &Store,
        progress: &ClearProgress,
    ) -> Result<OpenStep, TransactionError> {
        let decided = |outcome| Ok(OpenStep::Decided(outcome));
        let (own, mut others) = self.split_own_session(tx, token, store)?;
        if own.as_ref().is_some_and(Session::is_open) {
            return decided(Outcome::AlreadyOpen);
        }
        let enclosing = self.enclosing_login(&others).map(|session| session.id);
        if enclosing.is_some() && self.kind() != ServiceKind::NestedLogin {
            return decided(SAME_USER);
        }
        // What is part of a login that counts already needs no slot.
        let limit = if enclosing.is_some() { Limit::Off } else { self.settings.limit };
        let eviction = if enclosing.is_some() && !self.request.clear_sessions {
            EvictionRequest::None
        } else {
            match self.eviction(own.as_ref(), &others) {
                Ok(eviction) => eviction,
                Err(reason) => {
                    self.drop_reservation(tx, own)?;
                    return Ok(OpenStep::Denied(Denial::new(reason, others)));
                }
            }
        };

        let mut cleared = progress.summary.clone();
        let mut blocked_by = Vec::new();
        if eviction != EvictionRequest::None {
            let plan = self.clear_plan(tx, &others, eviction, enclosing, progress)?;
            let remaining: Vec<Session> =
                others.iter().filter(|session| !plan.clears(session)).cloned().collect();
            if decide(limit, counted_sessions(&remaining)) == Decision::Permit {
                cleared.forgotten += plan.forget(tx)?;
                if !plan.terminate.is_empty() {
                    return Ok(OpenStep::TerminateFirst(plan));
                }
                for (_, reason) in &plan.skipped {
                    cleared.add(crate::termination::TerminationResult::Skipped(*reason));
                }
                others = remaining;
            } else {
                // To end the others would not make room: what cannot be ended holds the slots.
                blocked_by = remaining;
                if let EvictionRequest::Session(id) = eviction {
                    blocked_by.retain(|session| session.id == id);
                }
            }
        }

        let held = counted_sessions(&others);
        let over_limit = decide(limit, held) == Decision::Deny;
        if over_limit && effective_on_limit(self.request, &self.settings) != OnLimit::Log {
            self.drop_reservation(tx, own)?;
            let reason = DenialReason::Refuse;
            return Ok(OpenStep::Denied(Denial { reason, others, cleared, blocked_by }));
        }
        if enclosing.is_some() {
            self.drop_reservation(tx, own)?;
            return decided(Outcome::Nested { cleared });
        }
        let asks_fleet = limit != Limit::Off && !over_limit && self.must_ask_fleet(token);
        let state = match asks_fleet {
            true => reserved(EvictionRequest::None, false),
            false => SessionState::Open,
        };
        let token = self.write_session(tx, own, &others, state, over_limit, token)?;
        if asks_fleet {
            return Ok(OpenStep::AskFleet { token, eviction, cleared });
        }
        let over_limit = over_limit.then(|| self.refusal(&others, true));
        let (held, limit) = (held + 1, limit.number());
        decided(Outcome::Opened { token, held, limit, over_limit, cleared })
    }

    /// Returns what is to be done about the sessions that `eviction` means and that were not tried yet.
    fn clear_plan(
        &self,
        tx: &Transaction,
        others: &[Session],
        eviction: EvictionRequest,
        enclosing: Option<i64>,
        progress: &ClearProgress,
    ) -> Result<ClearPlan, TransactionError> {
        // A chosen session that ended meanwhile, or another one, has made room.
        let has_room = decide(self.settings.limit, counted_sessions(others)) == Decision::Permit;
        let is_meant = |session: &&Session| match eviction {
            EvictionRequest::None => false,
            // Another login's plain reservation goes too: that login is checked again when it opens.
            EvictionRequest::ClearAll => session.counts_toward_limit(),
            EvictionRequest::EvictOldest => session.is_open(),
            EvictionRequest::Session(id) => !has_room && session.is_open() && session.id == id,
        };
        let candidates: Vec<Session> = others
            .iter()
            .filter(is_meant)
            .filter(|session| progress.may_try(session) && Some(session.id) != enclosing)
            .cloned()
            .collect();
        let all = if candidates.is_empty() { Vec::new() } else { tx.all_sessions()? };
        let mut plan = ClearPlan::new(candidates, &all, &self.host, self.settings.on_clear);
        if eviction == EvictionRequest::EvictOldest {
            let free = match self.settings.limit {
                Limit::Off => usize::MAX,
                Limit::AtMost(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            };
            plan.limit_to((counted_sessions(others) + 1).saturating_sub(free));
            plan.skipped.clear();
        }
        Ok(plan)
    }

    /// Returns this login's own row, if it has one, and the user's other ones; removes the stale.
    fn split_own_session(
        &self,
        tx: &Transaction,
        token: Option<&SessionToken>,
        store: &Store,
    ) -> Result<(Option<Session>, Vec<Session>), TransactionError> {
        let check = LivenessCheck::new(&self.host, store);
        let (own, others) = live_sessions(tx, self.settings.user.uid, &check)?
            .into_iter()
            .partition::<Vec<_>, _>(|session| self.is_own_row(session, token));
        let mut own = own.into_iter();
        let first = own.next();
        // A connection that tried in several ways.
        for more in own {
            tx.remove(&more)?;
        }
        Ok((first, others))
    }

    /// Returns whether a row is this login's own: the handle's, or the reservation that sshd's
    /// keyboard-interactive child left for the process that opens. Those children share their owner,
    /// the monitor, which serves one login.
    fn is_own_row(&self, session: &Session, token: Option<&SessionToken>) -> bool {
        let slot = token.and_then(|token| token.slot.as_ref());
        let is_handles = slot.is_some_and(|slot| slot.id == session.id);
        match session.state {
            SessionState::Open => is_handles && session.leader == self.leader,
            SessionState::Reserved { by_child, .. } => {
                is_handles
                    || (by_child
                        && session.leader == self.leader
                        && session.origin.service == self.request.origin.service)
            }
        }
    }

    fn kind(&self) -> ServiceKind {
        service_kind(&self.request.origin.service)
    }

    /// Returns the user's own login inside which this one takes place, if it is a user switch or a
    /// nested login.
    fn enclosing_login<'s>(&self, others: &'s [Session]) -> Option<&'s Session> {
        if self.kind().stands_alone() {
            return None;
        }
        let acting = process::client::acting_pid();
        let audit_session = process::audit_session(acting);
        let ancestors = process::ancestors(acting);
        others.iter().filter(|session| session.is_open()).find(|session| {
            ancestors.contains(&session.leader.pid)
                // A switch hands its login's audit session on: it says nothing about the switch.
                || (service_kind(&session.origin.service) == ServiceKind::Login
                    && audit_session.is_some()
                    && audit_session == session.audit_session)
        })
    }

    fn eviction(
        &self,
        own: Option<&Session>,
        others: &[Session],
    ) -> Result<EvictionRequest, DenialReason> {
        requested_eviction(self.request, &self.settings, own, others)
    }

    /// Returns whether this phase may run before the last factor of the login has been shown: it runs in a
    /// child of the process that is going to open, sshd's for keyboard-interactive logins.
    fn may_lack_a_factor(&self) -> bool {
        self.leader.pid != system::own_pid()
    }

    fn drop_reservation(
        &self,
        tx: &Transaction,
        own: Option<Session>,
    ) -> Result<(), TransactionError> {
        own.map_or(Ok(()), |own| tx.remove(&own))
    }

    /// Writes this login's row, in the place of its earlier one if there is one.
    fn write_session(
        &self,
        tx: &Transaction,
        own: Option<Session>,
        others: &[Session],
        state: SessionState,
        over_limit: bool,
        token: Option<&SessionToken>,
    ) -> Result<SessionToken, TransactionError> {
        let id = own.map_or_else(|| new_id(others), |own| Ok(own.id))?;
        let known = token.and_then(|token| token.slot.as_ref()).filter(|slot| slot.id == id);
        tx.upsert(&Session {
            id,
            uid: self.settings.user.uid,
            user: printable(self.settings.user.name.to_bytes()),
            origin: self.request.origin.clone(),
            leader: self.leader.clone(),
            process_session: self.process_session,
            // Not yet there where a slot is reserved, or that of another login.
            audit_session: match state {
                SessionState::Open => process::audit_session(self.leader.pid),
                SessionState::Reserved { .. } => None,
            },
            state,
            over_limit,
            since: clock::epoch_seconds(),
        })?;
        Ok(SessionToken {
            settings: self.settings.clone(),
            slot: Some(Slot {
                id,
                leader: self.leader.clone(),
                open: state == SessionState::Open,
                state: self.request.state.clone(),
                fleet: self
                    .settings
                    .fleet
                    .map(|_| known.and_then(|slot| slot.fleet).unwrap_or(FleetSlot::NotAsked)),
            }),
        })
    }
}
