//! Whether the module's line in a phase is reached, and what its answer does there.

use std::collections::BTreeMap;

use super::control::Action;
use super::{Call, Entry, Phase, Position};

/// The module's line in a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLine {
    /// Where it stands.
    pub position: Position,
    /// The module as it is written: a bare name, or a path.
    pub path: String,
    /// The module's arguments.
    pub arguments: Vec<String>,
    /// Whether a refusal by the module fails the stack.
    pub refusal_counts: bool,
    /// Whether the lines behind it are skipped where the module lets a login pass.
    pub ends_phase: bool,
}

/// How far a phase comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// No line of the phase calls the module.
    Missing,
    /// The line is reached by every login that passes the phase.
    Always(OwnLine),
    /// A login can pass the phase without it.
    Bypassed {
        /// The module's line.
        line: OwnLine,
        /// The line before it that ends the phase, or skips it.
        by: Box<Entry>,
    },
    /// Every login fails before the line, or is led past it.
    Never(OwnLine),
}

impl Reach {
    /// Returns the module's line, if there is one.
    #[must_use]
    pub fn line(&self) -> Option<&OwnLine> {
        match self {
            Self::Missing => None,
            Self::Always(line) | Self::Bypassed { line, .. } | Self::Never(line) => Some(line),
        }
    }
}

/// What the lines so far have come to: libpam's impression and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Nothing yet.
    Undecided,
    /// `PAM_SUCCESS`.
    Passing,
    /// `PAM_NEW_AUTHTOK_REQD`, which callers let in once the password has been changed.
    Expired,
    /// A failure that was taken for a pass (`ok`, `done`): more lines may fail, none can pass.
    Spoiled,
    /// It fails with `PAM_NEW_AUTHTOK_REQD`: callers let in, whatever other lines say.
    FailingExpired,
    /// It fails.
    Failing,
}

/// A line that is about to be called, or the end behind the last one, and what the lines before came to.
type Step = (usize, Standing);

/// Follows every way through a phase that a login can pass it by.
#[must_use]
pub fn reach(entries: &[Entry], phase: Phase) -> Reach {
    let is_own = Entry::checks_limit;
    let Some(first) = entries.iter().position(is_own) else { return Reach::Missing };
    let Some(line) = entries.get(first).and_then(own_line) else { return Reach::Missing };

    // From where each step is reached first.
    let start = (0, Standing::Undecided);
    let mut reached_from: BTreeMap<Step, Step> = BTreeMap::from([(start, start)]);
    let mut is_reached = false;
    // Every way leads forward, so one walk in the order of the lines sees them all.
    for (at, entry) in entries.iter().enumerate() {
        let here = (at, Standing::Undecided)..=(at, Standing::Failing);
        let steps: Vec<Step> = reached_from.range(here).map(|(step, _)| *step).collect();
        for step in steps {
            let next = match step.1 {
                Standing::Spoiled | Standing::Failing if is_own(entry) => Vec::new(),
                Standing::Undecided | Standing::Passing | Standing::Expired if is_own(entry) => {
                    is_reached = true;
                    Vec::new()
                }
                // Where it fails with an expired password, what the module says is not heard.
                _ => successors(entries, step, entry, phase),
            };
            for next in next {
                reached_from.entry(next).or_insert(step);
            }
        }
    }
    match passed_by(entries.len(), first, &reached_from).and_then(|at| entries.get(at)) {
        Some(by) => Reach::Bypassed { line, by: Box::new(by.clone()) },
        None if is_reached => Reach::Always(line),
        None => Reach::Never(line),
    }
}

/// Returns the line that leads a login that passes by the module's first line.
fn passed_by(end: usize, first: usize, reached_from: &BTreeMap<Step, Step>) -> Option<usize> {
    let passing = [Standing::Passing, Standing::Expired, Standing::FailingExpired];
    let mut step = passing.into_iter().find_map(|standing| reached_from.get(&(end, standing)))?;
    // Back to the line that leads over it, or that settled the result before.
    while step.0 > 0 && (step.0 >= first || step.1 == Standing::FailingExpired) {
        step = reached_from.get(step)?;
    }
    Some(step.0)
}

fn own_line(entry: &Entry) -> Option<OwnLine> {
    let Call::Module { path, arguments } = &entry.call else { return None };
    Some(OwnLine {
        position: entry.position.clone(),
        path: path.clone(),
        arguments: arguments.clone(),
        refusal_counts: matches!(entry.control.action("perm_denied"), Action::Bad | Action::Die),
        ends_phase: matches!(entry.control.action("success"), Action::Done | Action::Jump(_)),
    })
}

/// `PAM_NEW_AUTHTOK_REQD`: the password has expired.
const EXPIRED: &str = "new_authtok_reqd";

/// Returns the steps that may follow, as libpam's dispatcher goes.
fn successors(entries: &[Entry], (at, standing): Step, entry: &Entry, phase: Phase) -> Vec<Step> {
    if entry.call == Call::Substack {
        return vec![(at + 1, standing)];
    }
    let end = end_of_level(entries, at, entry.level);
    let mut next = Vec::new();
    for result in possible_results(entry, phase) {
        let (passed, failed) = (after_pass(standing, result), after_failure(standing, result));
        let is_failing = matches!(passed, Standing::FailingExpired | Standing::Failing);
        match entry.control.action(result) {
            Action::Ignore => next.push((at + 1, standing)),
            Action::Ok => next.push((at + 1, passed)),
            // A phase that fails is not ended by it.
            Action::Done if is_failing => next.push((at + 1, passed)),
            Action::Done => next.push((end, passed)),
            Action::Bad => next.push((at + 1, failed)),
            Action::Die => next.push((end, failed)),
            Action::Reset => {
                next.push((at + 1, Standing::Undecided));
                // In a substack it goes back to what was before the substack.
                if entry.level > 0 {
                    let before = [Standing::Passing, Standing::Expired, standing];
                    next.extend(before.map(|before| (at + 1, before)));
                }
            }
            Action::Jump(count) => {
                next.push(after_jump(entries, (at, standing), entry.level, count))
            }
        }
    }
    next
}

/// Returns what the phase comes to where a result counts as a pass.
fn after_pass(before: Standing, result: &str) -> Standing {
    match (before, result) {
        (Standing::Undecided | Standing::Passing, "success") => Standing::Passing,
        (Standing::Undecided | Standing::Passing, EXPIRED) => Standing::Expired,
        // PAM_IGNORE, too, is a failure as the result of a phase.
        (Standing::Undecided | Standing::Passing, _) => Standing::Spoiled,
        _ => before,
    }
}

/// Returns what the phase comes to where a result counts as a failure.
fn after_failure(before: Standing, result: &str) -> Standing {
    match before {
        Standing::FailingExpired | Standing::Failing => before,
        _ if result == EXPIRED => Standing::FailingExpired,
        _ => Standing::Failing,
    }
}

/// Returns what a line may result in.
fn possible_results(entry: &Entry, phase: Phase) -> Vec<&str> {
    match (&entry.call, entry.module()) {
        (Call::Unusable(_), _) => vec!["perm_denied"],
        (_, Some("pam_permit.so")) => vec!["success"],
        (_, Some("pam_deny.so")) => match phase {
            Phase::Account | Phase::Auth => vec!["auth_err"],
            Phase::Password => vec!["authtok_err"],
            Phase::Session => vec!["session_err"],
        },
        _ => {
            // The last one stands for all that the line does not name.
            let usual = ["success", "ignore", "auth_err", "perm_denied", "abort"];
            let named = entry.control.named_results().filter(|name| *name != EXPIRED);
            // An expired password is a matter of the account phase.
            let expired = (phase == Phase::Account).then_some(EXPIRED);
            usual.into_iter().chain(named).chain(expired).collect()
        }
    }
}

/// Returns the line behind the substack, or behind all.
fn end_of_level(entries: &[Entry], at: usize, level: usize) -> usize {
    let behind = (at + 1..entries.len())
        .find(|&next| entries.get(next).is_none_or(|entry| entry.level < level));
    behind.unwrap_or(entries.len())
}

/// Returns the step behind `count` others of the same level, each with the substack that it begins. Where
/// there are fewer, the phase fails.
fn after_jump(entries: &[Entry], (at, standing): Step, level: usize, count: usize) -> Step {
    let level_of = |next: usize| entries.get(next).map(|entry| entry.level);
    let mut last = at;
    for _ in 0..count {
        if level_of(last + 1).is_none_or(|next| next < level) {
            return (last + 1, Standing::Failing);
        }
        last += 1;
        while level_of(last + 1).is_some_and(|next| next > level) {
            last += 1;
        }
    }
    (last + 1, standing)
}
