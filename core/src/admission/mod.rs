//! The story of one login: [`account()`] reserves a place, [`open()`] decides, [`close()`] gives it back.
//!
//! The account phase can refuse an ssh connection before it exists, but may run before the last
//! factor of a login has been shown: it never destroys anything. The opening is the authority; it
//! holds by itself in a stack without an account line.

use std::cell::LazyCell;
use std::ffi::{CStr, CString};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::compiled;
use crate::config::{Config, ConfigError};
use crate::model::policy::{Decision, Habit, Limit, OnClear, OnLimit, decide, habit};
use crate::model::sanitize;
use crate::model::session::{Leader, Origin, Session, State, Wish};
use crate::process::{self, Connections, Here, Life};
use crate::store::{Store, StoreError, Transaction, TxError, new_id};
use crate::system;
use crate::system::users::{self, User};
use crate::termination::{self, Fate, Spare};

/// What a refused user reads.
pub const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\n\
                           Please clear the sessions using shell --clear-sessions";

/// Milliseconds that a reservation lives: sshd's default `LoginGraceTime` (120 s) and a margin.
pub const RESERVATION_MS: i64 = 150_000;

/// Milliseconds in which one opening begins to end sessions anew, against logins that keep coming.
///
/// A count of turns would not do: every login of a storm that clears may overtake this one once. With
/// the last turn's own time an opening ends far below the 120 s of sshd's `LoginGraceTime`.
const CLEARING_MS: i64 = 10_000;

/// What a login is judged by; read from PAM before anything else happens.
#[derive(Debug, Clone)]
pub struct Request {
    /// The user as the application names him.
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
    /// The user's answer to [`Outcome::Ask`]; `None` before he was asked.
    pub answer: Option<bool>,
}

/// A place in the store; kept in the PAM handle from one phase to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose place it is; a later phase for the same name need not look him up again.
    pub owner: User,
    /// His name, printable.
    pub user: String,
    /// The row's number.
    pub id: i64,
    /// The process that took it, or for sshd's keyboard-interactive child its parent.
    pub leader: Leader,
    /// Open, not just reserved.
    pub open: bool,
    /// The store that the row is in.
    pub state: PathBuf,
}

/// How a phase ended. `pam.rs` turns each into a PAM code, a journal line and a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not for this module; says why.
    NotCounted(&'static str),
    /// Account phase of a user whose check is off.
    Unlimited,
    /// A place is reserved.
    Reserved {
        /// The place.
        ticket: Ticket,
        /// The user's places, this one included.
        held: usize,
        /// His limit.
        limit: u32,
        /// What is going to be ended at opening.
        wish: Wish,
    },
    /// The session is open.
    Opened {
        /// The place.
        ticket: Ticket,
        /// The user's places, this one included.
        held: usize,
        /// His limit; 0 = off.
        limit: u32,
        /// What was ended for it.
        cleared: Cleared,
    },
    /// The handle's session is open already.
    AlreadyOpen,
    /// The check is off for the user, and the store could not record his session.
    Unrecorded(Fault),
    /// The limit has been reached; the user may be asked whether his sessions shall be cleared.
    Ask {
        /// How many sessions a yes would end.
        sessions: usize,
    },
    /// The limit has been reached.
    Refused {
        /// The user's places.
        held: usize,
        /// His limit.
        limit: u32,
        /// What was ended, in vain.
        cleared: Cleared,
    },
}

/// Why a phase could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The name service knows no such user.
    UnknownUser,
    /// The configuration is refused.
    Config(ConfigError),
    /// The store cannot be used.
    Store(StoreError),
    /// `/proc` or a name service failed; says which.
    System(String),
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What an opening did to other sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Ended by SIGTERM or SIGHUP.
    pub ended: usize,
    /// Ended by SIGKILL.
    pub killed: usize,
    /// Records wiped without ending anything.
    pub forgotten: usize,
    /// Left alone: the caller runs inside them.
    pub spared: usize,
    /// Still there.
    pub survived: usize,
}

impl Cleared {
    /// Returns whether nothing happened at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Counts what became of one session.
    pub fn note(&mut self, fate: Fate) {
        *match fate {
            Fate::Ended => &mut self.ended,
            Fate::Killed => &mut self.killed,
            Fate::Spared => &mut self.spared,
            Fate::Survived => &mut self.survived,
        } += 1;
    }
}

impl fmt::Display for Cleared {
    /// Writes `3 sessions ended, 1 of them by SIGKILL, 1 forgotten`, leaving out what is nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.ended + self.killed;
        write!(f, "{ended} {} ended", if ended == 1 { "session" } else { "sessions" })?;
        for (count, what) in [
            (self.killed, "by SIGKILL"),
            (self.forgotten, "forgotten, not ended"),
            (self.spared, "spared (this login runs inside it)"),
            (self.survived, "survived"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// The account phase: checks, and reserves a place. Ends nothing.
///
/// # Errors
///
/// [`Fault`]; nothing is reserved then.
pub fn account(
    request: &Request,
    ticket: Option<&Ticket>,
    store: &Store,
) -> Result<Outcome, Fault> {
    if habit(&request.origin.service) == Habit::SwitchJudgedAtOpen {
        return Ok(Outcome::NotCounted("this service is judged when the session opens"));
    }
    let Some(case) = Case::of(request, ticket, store)? else {
        return Ok(Outcome::NotCounted("this service is not counted"));
    };
    if case.limit == Limit::Off {
        return Ok(Outcome::Unlimited);
    }
    let login = Login::led_by(process::anchor(), case, ticket)?;
    Ok(store.transaction(|tx| login.reserve(tx, ticket))?)
}

/// The opening of a session: ends what is in the way if that was asked for, then decides and
/// records, in one transaction.
///
/// # Errors
///
/// [`Fault`]; nothing is recorded then.
pub fn open(request: &Request, ticket: Option<&Ticket>, store: &Store) -> Result<Outcome, Fault> {
    let Some(case) = Case::of(request, ticket, store)? else {
        return Ok(Outcome::NotCounted("this service is not counted"));
    };
    let check_is_off = case.limit == Limit::Off;
    let login = Login::led_by(system::own_pid(), case, ticket);
    match login.and_then(|login| login.admit_or_end(ticket, store)) {
        // He is recorded for others to see, and for a limit set later: that never keeps him out.
        Err(fault) if check_is_off => Ok(Outcome::Unrecorded(fault)),
        decided => decided,
    }
}

/// The end of a session: gives the place back, and returns whether this process held it.
///
/// A record that is gone already, cleared or lost with its store, is no fault.
///
/// # Errors
///
/// [`StoreError`]; the place is free all the same as soon as this process has ended.
pub fn close(ticket: &Ticket, store: &Store) -> Result<bool, StoreError> {
    let own = is_own(&ticket.leader);
    if own {
        // The number alone could mean a row of another process: the store may have been begun anew.
        store.transaction(|tx| tx.remove_led_by(&ticket.leader, ticket.owner.uid, ticket.id))?;
    }
    Ok(own)
}

/// Returns whether a PAM handle that ends must give its place back.
///
/// A reservation: always. An open session: only if the stack failed after it was opened, for then
/// nobody closes it; an application may well end its handle and keep the session. Never in a child,
/// which holds a copy of the handle (login, su), and never for a reservation that hangs on the parent.
#[must_use]
pub fn is_abandoned(ticket: &Ticket, stack_failed: bool) -> bool {
    (!ticket.open || stack_failed) && is_own(&ticket.leader)
}

/// Returns whether the calling process is `leader`.
fn is_own(leader: &Leader) -> bool {
    // Without /proc the pid has to do.
    process::is_self(leader).unwrap_or(true)
}

/// What is known of a login before anything on the host is looked at.
struct Case<'a> {
    request: &'a Request,
    user: User,
    limit: Limit,
    config: Arc<Config>,
}

impl<'a> Case<'a> {
    /// Reads configuration, user and limit; `None` where the service is not counted.
    fn of(
        request: &'a Request,
        ticket: Option<&Ticket>,
        store: &Store,
    ) -> Result<Option<Self>, Fault> {
        let config = compiled::load(request.config.as_deref(), store)?;
        let service = request.origin.service.as_str();
        // `machinectl shell` asks for the service of login(1), but only switches the user.
        let is_unit = service == "login" && process::is_becoming_a_unit();
        if is_unit || !config.policy.counts(service) {
            return Ok(None);
        }
        let known = ticket.map(|ticket| &ticket.owner).filter(|user| user.typed == request.user);
        let user = known.map_or_else(|| named_user(&request.user), |user| Ok(user.clone()))?;
        let limit = limit_of(&config, &user)?;
        Ok(Some(Self { request, user, limit, config }))
    }
}

/// One login that counts, and where it happens.
struct Login<'a> {
    case: Case<'a>,
    here: Here,
    /// Who holds the place: the process that opens, or in the account phase its anchor.
    leader: Leader,
}

/// What one transaction of an opening led to.
enum Step {
    Done(Outcome),
    /// These sessions are in the way and are to be ended; then another transaction decides.
    EndFirst {
        sessions: Vec<Session>,
        forgotten: usize,
    },
}

/// What becomes of a login that finds no place and has no wish.
enum NoPlace {
    Ask { sessions: usize },
    Refuse,
}

/// The ending of sessions by one opening, turn after turn.
#[derive(Default)]
struct Clearing {
    /// When the first turn began, in milliseconds after boot.
    began: Option<i64>,
    tried: Vec<i64>,
    cleared: Cleared,
}

impl Clearing {
    fn end(&mut self, sessions: &[Session], forgotten: usize, here: &Here) {
        self.began.get_or_insert_with(system::boot_ms);
        self.cleared.forgotten += forgotten;
        for fate in termination::end(sessions, here, &Spare::caller()) {
            self.cleared.note(fate);
        }
        self.tried.extend(sessions.iter().map(|session| session.id));
    }

    fn is_over(&self) -> bool {
        self.began.is_some_and(|began| system::boot_ms().saturating_sub(began) >= CLEARING_MS)
    }
}

impl<'a> Login<'a> {
    fn led_by(leader: i32, case: Case<'a>, ticket: Option<&Ticket>) -> Result<Self, Fault> {
        if let Some(known) = ticket.map(|ticket| &ticket.leader).filter(|known| {
            // An earlier phase in this very process has looked around already.
            known.pid == leader && process::is_self(known).unwrap_or(false)
        }) {
            return Ok(Self { case, here: Here::of(known), leader: known.clone() });
        }
        let here = Here::now().map_err(|e| Fault::System(e.to_string()))?;
        let leader = here.leader(leader).map_err(|e| Fault::System(e.to_string()))?;
        Ok(Self { case, here, leader })
    }

    /// Opening: one transaction decides; sessions that are in the way and may be ended are ended
    /// between two transactions, for their own closing needs the lock.
    fn admit_or_end(&self, ticket: Option<&Ticket>, store: &Store) -> Result<Outcome, Fault> {
        let mut clearing = Clearing::default();
        loop {
            match store.transaction(|tx| self.admit(tx, ticket, &clearing))? {
                Step::Done(outcome) => return Ok(outcome),
                Step::EndFirst { sessions, forgotten } => {
                    clearing.end(&sessions, forgotten, &self.here)
                }
            }
        }
    }

    /// Account phase, under the lock: stale rows out, count, reserve or refuse.
    fn reserve(&self, tx: &Transaction, ticket: Option<&Ticket>) -> Result<Outcome, TxError> {
        let (own, others) = self.own_and_others(tx, ticket)?;
        if own.as_ref().is_some_and(Session::is_open) {
            return Ok(Outcome::AlreadyOpen);
        }
        if self.is_inside(&others) {
            return Ok(Outcome::NotCounted("a switch to the user whose session this is"));
        }
        // A stack with two lines: the plain one takes nothing back of what the clearing one wished.
        // Another try of a connection, which has no ticket, wishes anew.
        let wished = own.as_ref().filter(|_| ticket.is_some());
        let wish = match self.wish(wished, &others, others.len()) {
            Ok(wish) => wish,
            Err(no_place) => {
                self.give_up(tx, own)?;
                return Ok(self.turned_away(no_place, others.len()));
            }
        };
        let expires = system::boot_ms().saturating_add(RESERVATION_MS);
        let by_child = self.leader.pid != system::own_pid();
        let ticket = self.record(tx, own, &others, State::Reserved { expires, wish, by_child })?;
        Ok(Outcome::Reserved {
            ticket,
            held: others.len() + 1,
            limit: self.case.limit.number(),
            wish,
        })
    }

    /// Opening, under the lock: stale and cleared rows out, count, confirm or insert, or refuse.
    fn admit(
        &self,
        tx: &Transaction,
        ticket: Option<&Ticket>,
        clearing: &Clearing,
    ) -> Result<Step, TxError> {
        let (own, mut others) = self.own_and_others(tx, ticket)?;
        if own.as_ref().is_some_and(Session::is_open) {
            return Ok(Step::Done(Outcome::AlreadyOpen));
        }
        if self.is_inside(&others) {
            return Ok(Step::Done(Outcome::NotCounted(
                "a switch to the user whose session this is",
            )));
        }
        let wish = match self.wish(own.as_ref(), &others, places(&others)) {
            Ok(wish) => wish,
            Err(no_place) => {
                self.give_up(tx, own)?;
                return Ok(Step::Done(self.turned_away(no_place, places(&others))));
            }
        };

        let (to_end, forgotten) = self.make_way(tx, &mut others, wish, clearing)?;
        if !to_end.is_empty() {
            return Ok(Step::EndFirst { sessions: to_end, forgotten });
        }
        let mut cleared = clearing.cleared.clone();
        cleared.forgotten += forgotten;

        let held = places(&others);
        let limit = self.case.limit.number();
        if decide(self.case.limit, held) == Decision::Deny {
            self.give_up(tx, own)?;
            return Ok(Step::Done(Outcome::Refused { held, limit, cleared }));
        }
        let ticket = self.record(tx, own, &others, State::Open)?;
        Ok(Step::Done(Outcome::Opened { ticket, held: held + 1, limit, cleared }))
    }

    /// Returns this login's own row, if it has one, and the user's other ones; removes the stale.
    fn own_and_others(
        &self,
        tx: &Transaction,
        ticket: Option<&Ticket>,
    ) -> Result<(Option<Session>, Vec<Session>), TxError> {
        let (own, others) = self
            .living(tx)?
            .into_iter()
            .partition::<Vec<_>, _>(|session| self.is_own(session, ticket));
        let mut own = own.into_iter();
        let first = own.next();
        // A connection that tried in several ways.
        for more in own {
            tx.remove(more.uid, more.id)?;
        }
        Ok((first, others))
    }

    /// Returns what this login wishes to be ended, or how it ends because there is no place.
    fn wish(
        &self,
        own: Option<&Session>,
        others: &[Session],
        held: usize,
    ) -> Result<Wish, NoPlace> {
        let standing = match own.map(|own| own.state) {
            // What the stack asks for, however many sessions there are.
            _ if self.case.request.clear_sessions => Wish::ClearAll,
            Some(State::Reserved { wish, .. }) => wish,
            _ => Wish::None,
        };
        if standing != Wish::None || decide(self.case.limit, held) == Decision::Permit {
            return Ok(standing);
        }
        let sessions = others.iter().filter(|session| session.is_open()).count();
        let on_limit = match sessions {
            // Reservations cannot be ended: they are logins that have not shown every factor yet.
            0 => OnLimit::Reject,
            _ => self.case.request.on_limit.unwrap_or(self.case.config.policy.on_limit),
        };
        match (on_limit, self.case.request.answer) {
            (OnLimit::EvictOldest, _) => Ok(Wish::EvictOldest),
            (OnLimit::Ask, Some(true)) => Ok(Wish::ClearAll),
            (OnLimit::Ask, None) => Err(NoPlace::Ask { sessions }),
            (OnLimit::Reject, _) | (OnLimit::Ask, Some(false)) => Err(NoPlace::Refuse),
        }
    }

    fn turned_away(&self, no_place: NoPlace, held: usize) -> Outcome {
        match no_place {
            NoPlace::Ask { sessions } => Outcome::Ask { sessions },
            NoPlace::Refuse => {
                let (limit, cleared) = (self.case.limit.number(), Cleared::default());
                Outcome::Refused { held, limit, cleared }
            }
        }
    }

    /// Removes what a wish means and can be forgotten; returns what has to be ended first, and how
    /// many sessions were forgotten.
    fn make_way(
        &self,
        tx: &Transaction,
        others: &mut Vec<Session>,
        wish: Wish,
        clearing: &Clearing,
    ) -> Result<(Vec<Session>, usize), TxError> {
        let spare = LazyCell::new(Spare::caller);
        let mut to_end = Vec::new();
        let mut forgotten = 0;
        for session in self.chosen(others, wish, clearing) {
            let is_in_reach = self.here.life(&session.leader) != Life::Elsewhere;
            if session.is_open()
                && is_in_reach
                && self.case.config.policy.on_clear == OnClear::Terminate
            {
                to_end.push(session);
            } else if !session.is_open() || !spare.covers(&session) {
                // Whoever runs inside a session cannot make it uncounted.
                tx.remove(session.uid, session.id)?;
                others.retain(|other| other.id != session.id);
                forgotten += usize::from(session.is_open());
            }
        }
        Ok((to_end, forgotten))
    }

    fn give_up(&self, tx: &Transaction, own: Option<Session>) -> Result<(), TxError> {
        own.map_or(Ok(()), |own| tx.remove(own.uid, own.id))
    }

    /// Returns the user's rows whose leaders live and whose time is not over; removes the others.
    fn living(&self, tx: &Transaction) -> Result<Vec<Session>, TxError> {
        let now = system::boot_ms();
        let connections = LazyCell::new(Connections::now);
        let mut living = Vec::new();
        for session in tx.sessions_of(self.case.user.uid)? {
            // The own process, or the one it waits with, was seen alive a moment ago.
            let life = || match session.leader == self.leader {
                true => Life::Alive,
                false => self.here.life(&session.leader),
            };
            if is_over(&session, &self.here, now, life, || connections.serve(&session)) {
                tx.remove(session.uid, session.id)?;
            } else {
                living.push(session);
            }
        }
        Ok(living)
    }

    /// Returns whether a row is this login's own: the handle's, or the reservation that sshd's
    /// keyboard-interactive child left for the process that opens. Those children share their anchor,
    /// the monitor, which serves one login.
    fn is_own(&self, session: &Session, ticket: Option<&Ticket>) -> bool {
        let is_handles = ticket.is_some_and(|ticket| ticket.id == session.id);
        match session.state {
            State::Open => is_handles && session.leader == self.leader,
            State::Reserved { by_child, .. } => {
                is_handles
                    || (by_child
                        && session.leader == self.leader
                        && session.origin.service == self.case.request.origin.service)
            }
        }
    }

    /// Returns whether this is a switch to the own uid inside a session that is counted already.
    fn is_inside(&self, others: &[Session]) -> bool {
        if matches!(habit(&self.case.request.origin.service), Habit::Login | Habit::Inner) {
            return false;
        }
        let own = system::own_pid();
        let audit_session = process::audit_session(own);
        let ancestors = process::ancestors(own);
        others.iter().filter(|session| session.is_open()).any(|session| {
            ancestors.contains(&session.leader.pid)
                // A switch hands its login's audit session on: it says nothing about the switch.
                || (habit(&session.origin.service) == Habit::Login
                    && audit_session.is_some()
                    && audit_session == session.audit_session)
        })
    }

    /// Returns the rows that `wish` means and that were not tried yet, oldest first.
    fn chosen(&self, others: &[Session], wish: Wish, clearing: &Clearing) -> Vec<Session> {
        if clearing.is_over() {
            return Vec::new();
        }
        let untried = others.iter().filter(|session| !clearing.tried.contains(&session.id));
        match wish {
            Wish::None => Vec::new(),
            // Another login's plain reservation goes too: that login decides anew when it opens.
            Wish::ClearAll => untried.filter(|session| session.holds_a_place()).cloned().collect(),
            Wish::EvictOldest => {
                let free = match self.case.limit {
                    Limit::Off => usize::MAX,
                    Limit::AtMost(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
                };
                let over = (places(others) + 1).saturating_sub(free);
                untried.filter(|session| session.is_open()).take(over).cloned().collect()
            }
        }
    }

    /// Writes this login's row, in the place of its earlier one if there is one.
    fn record(
        &self,
        tx: &Transaction,
        own: Option<Session>,
        others: &[Session],
        state: State,
    ) -> Result<Ticket, TxError> {
        let uid = self.case.user.uid;
        let user = sanitize::printable(self.case.user.name.to_bytes());
        let id = own.map_or_else(|| new_id(others, system::boot_ns() / 1000), |own| own.id);
        tx.put(&Session {
            id,
            uid,
            user: user.clone(),
            origin: self.case.request.origin.clone(),
            leader: self.leader.clone(),
            // Not yet there where a place is reserved, or that of another login.
            audit_session: match state {
                State::Open => process::audit_session(self.leader.pid),
                State::Reserved { .. } => None,
            },
            state,
            since: system::epoch_seconds(),
        })?;
        Ok(Ticket {
            owner: self.case.user.clone(),
            user,
            id,
            leader: self.leader.clone(),
            open: state == State::Open,
            state: self.case.request.state.clone(),
        })
    }
}

/// Returns whether a row means nothing any more: its leader is gone with the connection that it led,
/// or its time is over.
#[must_use]
pub fn is_stale(session: &Session, here: &Here, now_ms: i64) -> bool {
    let life = || here.life(&session.leader);
    is_over(session, here, now_ms, life, || Connections::now().serve(session))
}

fn is_over(
    session: &Session,
    here: &Here,
    now_ms: i64,
    life: impl Fn() -> Life,
    is_served: impl Fn() -> bool,
) -> bool {
    match session.state {
        State::Reserved { expires, .. } => expires <= now_ms || life() == Life::Dead,
        State::Open => {
            life() == Life::Dead
                // Audit sessions are numbered from one at every boot.
                && !(session.leader.boot_id == here.boot_id
                    && session.audit_session.is_some()
                    && is_served())
        }
    }
}

/// Returns how many of the rows take a place from a login that opens.
fn places(others: &[Session]) -> usize {
    others.iter().filter(|session| session.holds_a_place()).count()
}

fn named_user(name: &CStr) -> Result<User, Fault> {
    User::named(name)
        .map_err(|e| Fault::System(format!("the user database: {}", system::reason(&e))))?
        .ok_or(Fault::UnknownUser)
}

/// Returns the limit of the profile that holds for `user`.
///
/// # Errors
///
/// [`Fault::System`] where the group database failed.
pub fn limit_of(config: &Config, user: &User) -> Result<Limit, Fault> {
    let broken =
        |e: io::Error| Fault::System(format!("the group database: {}", system::reason(&e)));
    let mut groups = None;
    let profile = config.profile_of(
        |name| user.is_named(name),
        |name| {
            let groups = match &groups {
                Some(groups) => groups,
                None => groups.insert(user.groups().map_err(broken)?),
            };
            let Ok(name) = CString::new(name) else { return Ok::<_, Fault>(false) };
            let id = users::group_id(&name).map_err(broken)?;
            Ok(id.is_some_and(|id| groups.contains(&id)))
        },
    )?;
    Ok(Limit::from(profile.max_concurrent_sessions))
}
