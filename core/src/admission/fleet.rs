//! One login and its fleet: the host has decided and reserved a slot; now the slots of all hosts decide.
//!
//! The agent is asked outside any transaction: other logins of this host do not wait for its answer. If there
//! is no slot, what was reserved is given back.

use std::path::Path;

use super::clear::ClearSummary;
use super::eviction::effective_on_limit;
use super::live::{LivenessCheck, live_sessions};
use super::request::{AdmissionError, FleetSlot, Outcome, Question, SessionToken};
use super::{Login, telling};
use crate::fleet::protocol::LoginText;
use crate::fleet::{Agent, Answer, ClearAnswer, ClearedSessions, HostCounts, Request};
use crate::model::fleet_settings::OnEngineDown;
use crate::model::policy::{OnLimit, Tell};
use crate::model::refusal::Refusal;
use crate::model::sanitize::printable;
use crate::model::session::{EvictionRequest, Origin, Session};
use crate::store::Store;

/// A login that the fleet has no slot for.
pub(super) struct FleetDenial {
    /// The session's number in the local store.
    id: i64,
    cleared: ClearSummary,
    reason: FleetDenialReason,
    /// Whether the user may be asked what to end: nothing has been ended yet.
    may_ask: bool,
}

enum FleetDenialReason {
    Full(HostCounts),
    /// The reason, where it is to be logged.
    Down(Option<String>),
}

/// What the fleet says, as far as a login goes on from there.
enum Verdict {
    Held(u32),
    Full(HostCounts),
    /// The host decides alone; the text, if there is one, is to be logged.
    Alone(Option<String>),
    Denied(FleetDenialReason),
}

/// One opening and the fleet.
pub(super) struct FleetProgress {
    /// What the next transaction goes on from.
    pub(super) token: Option<SessionToken>,
    warnings: Vec<String>,
    has_cleared: bool,
    would_refuse: Option<Box<Refusal>>,
}

impl FleetProgress {
    pub(super) fn new(token: Option<&SessionToken>) -> Self {
        let (warnings, has_cleared, would_refuse) = (Vec::new(), false, None);
        Self { token: token.cloned(), warnings, has_cleared, would_refuse }
    }

    /// Asks for the slot that `token` has reserved on this host; returns why it has to be given back, or
    /// nothing if the opening goes on.
    pub(super) fn ask(
        &mut self,
        login: &Login,
        mut token: SessionToken,
        eviction: EvictionRequest,
        cleared: &mut ClearSummary,
        ended_by: &str,
    ) -> Option<FleetDenial> {
        let slot = token.slot.as_mut()?;
        let id = slot.id;
        if eviction == EvictionRequest::ClearAll && !self.has_cleared {
            self.has_cleared = true;
            self.clear(login, &ClearedSessions::Elsewhere, ended_by, cleared);
        }
        loop {
            match login.ask_fleet(&login.take_request(id)) {
                Verdict::Held(in_use) => slot.fleet = Some(FleetSlot::Held(in_use)),
                Verdict::Alone(why) => {
                    slot.fleet = Some(FleetSlot::Down);
                    self.warnings.extend(why);
                }
                Verdict::Full(counts) => match effective_on_limit(login.request, &login.settings) {
                    OnLimit::Log => {
                        slot.fleet = Some(FleetSlot::Held(counts.total().saturating_add(1)));
                        self.would_refuse = Some(login.refusal_of_fleet(&counts, true));
                    }
                    OnLimit::EvictOldest if !self.has_cleared => {
                        self.has_cleared = true;
                        let too_many = counts.total().saturating_add(1);
                        let too_many = too_many.saturating_sub(login.settings.limit.number());
                        self.clear(login, &ClearedSessions::Oldest(too_many), ended_by, cleared);
                        continue;
                    }
                    _ => return self.denied(id, FleetDenialReason::Full(counts), cleared),
                },
                Verdict::Denied(reason) => return self.denied(id, reason, cleared),
            }
            break;
        }
        self.token = Some(token);
        None
    }

    fn denied(
        &self,
        id: i64,
        reason: FleetDenialReason,
        cleared: &ClearSummary,
    ) -> Option<FleetDenial> {
        Some(FleetDenial { id, cleared: cleared.clone(), reason, may_ask: !self.has_cleared })
    }

    fn clear(
        &mut self,
        login: &Login,
        sessions: &ClearedSessions,
        ended_by: &str,
        cleared: &mut ClearSummary,
    ) {
        let (state, uid) = (&login.request.state, login.settings.user.uid);
        self.warnings.extend(clear_fleet(state, uid, sessions, ended_by, cleared));
    }

    /// Adds to an outcome what the fleet has said.
    pub(super) fn opened(self, outcome: Outcome) -> Outcome {
        let Outcome::Opened { mut token, mut held, limit, mut over_limit, cleared } = outcome
        else {
            return outcome;
        };
        token.settings.warnings.extend(self.warnings);
        over_limit = over_limit.or(self.would_refuse);
        if let Some(FleetSlot::Held(in_use)) = token.slot.as_ref().and_then(|slot| slot.fleet) {
            held = usize::try_from(in_use).unwrap_or(held);
        }
        Outcome::Opened { token, held, limit, over_limit, cleared }
    }
}

/// Has sessions of a user ended over the fleet, by the agent beside the store at `state`. Adds what came of it to
/// `cleared`; returns what did not work, a line each.
pub fn clear_fleet(
    state: &Path,
    uid: u32,
    sessions: &ClearedSessions,
    ended_by: &str,
    cleared: &mut ClearSummary,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for answer in Agent::beside(state).clear(uid, sessions, ended_by) {
        match answer {
            ClearAnswer::Host(host) => cleared.add_host(&host),
            ClearAnswer::Silent(host) => warnings.push(format!(
                "host {host} has not answered: sessions there may not have been ended"
            )),
            ClearAnswer::Down(why) => {
                warnings.push(format!("sessions of other hosts have not been ended: {why}"));
            }
            ClearAnswer::End => {}
        }
    }
    warnings
}

impl Login<'_> {
    /// Account phase: asks the fleet for the slot that has been reserved on this host.
    ///
    /// A reservation that takes no slot from other logins takes none of the fleet's; it is only looked
    /// whether there is one. What asks for others to be ended is decided when the session opens.
    pub(super) fn reserve_in_fleet(
        &self,
        outcome: Outcome,
        store: &Store,
    ) -> Result<Outcome, AdmissionError> {
        let Outcome::Reserved { mut token, mut held, limit, eviction } = outcome else {
            return Ok(outcome);
        };
        let Some(slot) = token.slot.as_mut().filter(|_| self.settings.fleet.is_some()) else {
            return Ok(Outcome::Reserved { token, held, limit, eviction });
        };
        let is_held = !matches!(slot.fleet, None | Some(FleetSlot::NotAsked));
        if !is_held && eviction == EvictionRequest::None {
            let only_looks = self.may_lack_a_factor();
            let request = match only_looks {
                true => Request::Check {
                    uid: self.settings.user.uid,
                    limit: self.settings.limit.number(),
                },
                false => self.take_request(slot.id),
            };
            let id = slot.id;
            let denied = |reason| {
                let cleared = ClearSummary::default();
                self.give_back(FleetDenial { id, cleared, reason, may_ask: true }, store)
            };
            match self.ask_fleet(&request) {
                Verdict::Held(in_use) => {
                    held = usize::try_from(in_use).unwrap_or(held);
                    if !only_looks {
                        slot.fleet = Some(FleetSlot::Held(in_use));
                    }
                }
                Verdict::Alone(why) => {
                    slot.fleet = Some(FleetSlot::Down);
                    token.settings.warnings.extend(why);
                }
                Verdict::Full(counts) => match effective_on_limit(self.request, &self.settings) {
                    OnLimit::Log | OnLimit::EvictOldest => {}
                    OnLimit::Reject | OnLimit::Ask => {
                        return denied(FleetDenialReason::Full(counts));
                    }
                },
                Verdict::Denied(reason) => return denied(reason),
            }
        }
        Ok(Outcome::Reserved { token, held, limit, eviction })
    }

    /// Returns whether an opening has to ask: there is a fleet, and the account phase has no answer of it.
    pub(super) fn must_ask_fleet(&self, token: Option<&SessionToken>) -> bool {
        let slot = token.and_then(|token| token.slot.as_ref());
        let answer = slot.and_then(|slot| slot.fleet).unwrap_or(FleetSlot::NotAsked);
        self.settings.fleet.is_some() && answer == FleetSlot::NotAsked
    }

    fn take_request(&self, id: i64) -> Request {
        let Origin { service, tty, rhost } = self.request.origin.clone();
        let user = printable(self.settings.user.name.to_bytes());
        let login = LoginText { user, service, tty, rhost };
        Request::Take {
            uid: self.settings.user.uid,
            id,
            limit: self.settings.limit.number(),
            login,
        }
    }

    fn ask_fleet(&self, request: &Request) -> Verdict {
        let agent = Agent::beside(&self.request.state);
        let answer = agent.ask(request);
        let is_news = agent.note(matches!(answer, Answer::Down(_)));
        match (answer, self.settings.fleet) {
            (Answer::Granted(in_use), _) => Verdict::Held(in_use),
            (Answer::Refused(counts), _) => Verdict::Full(counts),
            (Answer::Down(why), Some(OnEngineDown::Refuse)) => {
                Verdict::Denied(FleetDenialReason::Down(is_news.then_some(why)))
            }
            (Answer::Down(why), _) => Verdict::Alone(is_news.then(|| {
                format!("the fleet cannot be asked, only sessions of this host count: {why}")
            })),
        }
    }

    /// Asks whether all sessions shall end: what is chosen is kept in the store, which knows no session of another
    /// host.
    fn question_of_fleet(&self, others: &[Session], counts: &HostCounts) -> Question {
        let with_origin = !self.may_lack_a_factor();
        let (choices, more) = telling::choices(others, with_origin, &self.host);
        let elsewhere = if with_origin { telling::lines_of_hosts(counts) } else { Vec::new() };
        // None can be chosen by its number.
        let (open, one_is_enough) = (Vec::new(), false);
        Question { choices, more, open, one_is_enough, elsewhere: Some(elsewhere) }
    }

    fn refusal_of_fleet(&self, counts: &HostCounts, admitted: bool) -> Box<Refusal> {
        let here = self.refusal(&[], admitted);
        Box::new(Refusal { held: counts.total(), held_by: counts.holders(), ..*here })
    }

    /// Removes the reservation of a login that the fleet has no slot for; returns how the login ends.
    pub(super) fn give_back(
        &self,
        denial: FleetDenial,
        store: &Store,
    ) -> Result<Outcome, AdmissionError> {
        let mut others = Vec::new();
        store.existing_transaction(|tx| {
            tx.remove_if_leader(self.settings.user.uid, denial.id, &self.leader)?;
            let check = LivenessCheck::new(&self.host, store);
            others = live_sessions(tx, self.settings.user.uid, &check)?;
            Ok(())
        })?;
        let counts = match denial.reason {
            FleetDenialReason::Down(why) => {
                // The slot may have been taken all the same.
                Agent::beside(&self.request.state).free(self.settings.user.uid, denial.id);
                return Ok(Outcome::FleetDown { why });
            }
            FleetDenialReason::Full(counts) => counts,
        };
        let is_asked = effective_on_limit(self.request, &self.settings) == OnLimit::Ask
            && denial.may_ask
            && self.request.answer.is_none();
        if is_asked && counts.total() > 0 {
            return Ok(Outcome::Ask(self.question_of_fleet(&others, &counts)));
        }
        let limit = self.settings.limit.number();
        let told = match self.settings.tell {
            _ if self.may_lack_a_factor() => Vec::new(),
            Tell::Nothing => Vec::new(),
            Tell::Count => vec![format!("{} of {limit} sessions in use", counts.total())],
            Tell::Sessions => {
                let mut lines = telling::lines(Tell::Sessions, &others, limit, &self.host);
                lines.extend(telling::lines_of_hosts(&counts));
                lines
            }
        };
        Ok(Outcome::Refused {
            refusal: self.refusal_of_fleet(&counts, false),
            cleared: denial.cleared,
            blocked_by: Vec::new(),
            told: told.into_iter().chain(self.settings.hint.clone()).collect(),
            fleet: Some(counts),
        })
    }
}
