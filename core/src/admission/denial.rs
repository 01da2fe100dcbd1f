//! How a login ends that found no slot: what the user is told, and what is kept of it.
#![forbid(unsafe_code)]

use super::Login;
use super::clear::ClearSummary;
use super::eviction::DenialReason;
use super::live::counted_sessions;
use super::request::{Outcome, Question};
use super::telling;
use crate::model::policy::Tell;
use crate::model::profile::{Decision, decide};
use crate::model::refusal::{self, Refusal};
use crate::model::sanitize::printable;
use crate::model::session::Session;
use crate::system::clock;

/// A login that finds no slot. The user is told after the transaction, for every login waits for that.
pub(super) struct Denial {
    pub(super) reason: DenialReason,
    /// The user's other sessions.
    pub(super) others: Vec<Session>,
    pub(super) cleared: ClearSummary,
    pub(super) blocked_by: Vec<Session>,
}

impl Denial {
    pub(super) fn new(reason: DenialReason, others: Vec<Session>) -> Self {
        Self { reason, others, cleared: ClearSummary::default(), blocked_by: Vec::new() }
    }
}

impl Login<'_> {
    /// Returns how a login without a slot ends, with what the user is told.
    pub(super) fn denied(&self, denial: Denial) -> Outcome {
        let Denial { reason, others, cleared, blocked_by } = denial;
        let limit = self.settings.limit.number();
        match reason {
            DenialReason::Ask { .. } => {
                let with_origin = !self.may_lack_a_factor();
                let (choices, more) = telling::choices(&others, with_origin, &self.host);
                let left = counted_sessions(&others).saturating_sub(1);
                let one_is_enough = decide(self.settings.limit, left) == Decision::Permit;
                let open = others.iter().filter(|session| session.is_open());
                let open = open.map(|session| session.id).collect();
                let elsewhere = None;
                Outcome::Ask(Question { choices, more, open, one_is_enough, elsewhere })
            }
            DenialReason::Refuse => {
                // What holds the slots is said already.
                let tell = match self.settings.tell {
                    _ if self.may_lack_a_factor() => Tell::Nothing,
                    Tell::Sessions if !blocked_by.is_empty() => Tell::Nothing,
                    tell => tell,
                };
                let mut told = telling::lines(tell, &others, limit, &self.host);
                told.extend(self.settings.hint.clone());
                let refusal = self.refusal(&others, false);
                Outcome::Refused { refusal, cleared, blocked_by, told, fleet: None }
            }
        }
    }

    /// Returns what is kept of this login, which found no slot beside `others`.
    pub(super) fn refusal(&self, others: &[Session], admitted: bool) -> Box<Refusal> {
        let holding = || others.iter().filter(|session| session.counts_toward_limit());
        Box::new(Refusal {
            time: clock::epoch_seconds(),
            uid: self.settings.user.uid,
            user: printable(self.settings.user.name.to_bytes()),
            origin: self.request.origin.clone(),
            limit: self.settings.limit.number(),
            held: u32::try_from(holding().count()).unwrap_or(u32::MAX),
            held_by: refusal::holders(holding()),
            admitted,
        })
    }
}
