//! Whether the module's line in a phase is reached, and what its answer does there.

use std::collections::BTreeMap;

use super::control::Action;
use super::{Call, Entry, MODULE, Phase, Position};

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
    Never {
        /// The module's line.
        line: OwnLine,
        /// A line that libpam cannot use, if that is the reason.
        unusable: Option<(Position, String)>,
    },
}

impl Reach {
    /// Returns the module's line, if there is one.
    #[must_use]
    pub fn line(&self) -> Option<&OwnLine> {
        match self {
            Self::Missing => None,
            Self::Always(line) | Self::Bypassed { line, .. } | Self::Never { line, .. } => {
                Some(line)
            }
        }
    }
}

/// Follows every way through a phase that a login can pass it by.
#[must_use]
pub fn reach(entries: &[Entry], phase: Phase) -> Reach {
    let is_own = |entry: &Entry| entry.module() == Some(MODULE);
    let Some(first) = entries.iter().position(is_own) else { return Reach::Missing };
    let Some(line) = entries.get(first).and_then(own_line) else { return Reach::Missing };

    // From which line each line is reached first; the line behind the last one is the end.
    let mut reached_from: BTreeMap<usize, usize> = BTreeMap::from([(0, 0)]);
    let mut is_reached = false;
    let mut unusable = None;
    let mut bypass = None;
    let mut at = 0;
    // Every way leads forward, so one walk in the order of the lines sees them all.
    while let Some(entry) = entries.get(at) {
        if reached_from.contains_key(&at) {
            if is_own(entry) {
                is_reached = true;
            } else {
                if let Call::Unusable(reason) = &entry.call {
                    unusable.get_or_insert((entry.position.clone(), reason.clone()));
                }
                for next in successors(entries, at, entry, phase) {
                    reached_from.entry(next).or_insert(at);
                }
            }
        }
        at += 1;
    }
    let mut step = reached_from.get(&entries.len()).copied();
    // Back from the end to the line that leads past the first of ours.
    while let Some(from) = step {
        if from < first {
            bypass = entries.get(from).cloned();
            break;
        }
        step = reached_from.get(&from).copied();
    }
    match bypass {
        Some(by) => Reach::Bypassed { line, by: Box::new(by) },
        None if is_reached => Reach::Always(line),
        None => Reach::Never { line, unusable },
    }
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

/// Returns the lines that may follow in a phase that a login still passes.
fn successors(entries: &[Entry], at: usize, entry: &Entry, phase: Phase) -> Vec<usize> {
    if entry.call == Call::Substack {
        return vec![at + 1];
    }
    let results = possible_results(entry, phase);
    let next = results.into_iter().filter_map(|(result, passes)| {
        match entry.control.action(result) {
            Action::Ignore | Action::Reset => Some(at + 1),
            Action::Ok if passes => Some(at + 1),
            Action::Done if passes => Some(end_of_level(entries, at, entry.level)),
            Action::Jump(count) => after_jump(entries, at, entry.level, count),
            // The phase fails in the end, whatever follows.
            Action::Ok | Action::Done | Action::Bad | Action::Die => None,
        }
    });
    next.collect()
}

/// Returns what a line may result in, and whether the phase passes with that as its result.
fn possible_results(entry: &Entry, phase: Phase) -> Vec<(&str, bool)> {
    const FAILURES: [&str; 2] = ["auth_err", "perm_denied"];
    const PASSING: [&str; 3] = ["success", "new_authtok_reqd", "ignore"];
    // As the result of the phase, PAM_IGNORE is a failure.
    match (&entry.call, entry.module()) {
        (Call::Unusable(_), _) => vec![("perm_denied", false)],
        (_, Some("pam_permit.so")) => vec![("success", true)],
        (_, Some("pam_deny.so")) => match phase {
            Phase::Account => vec![("auth_err", false)],
            Phase::Session => vec![("session_err", false)],
        },
        _ => {
            let named = entry.control.named_results().filter(|name| !PASSING.contains(name));
            let failing = FAILURES.into_iter().chain(named).map(|name| (name, false));
            // An expired password is a matter of the account phase.
            let expired = (phase == Phase::Account).then_some(("new_authtok_reqd", true));
            [("success", true), ("ignore", false)]
                .into_iter()
                .chain(expired)
                .chain(failing)
                .collect()
        }
    }
}

/// Returns the line behind the substack, or behind all.
fn end_of_level(entries: &[Entry], at: usize, level: usize) -> usize {
    let behind = (at + 1..entries.len())
        .find(|&next| entries.get(next).is_none_or(|entry| entry.level < level));
    behind.unwrap_or(entries.len())
}

/// Returns the line behind `count` others of the same level, each with the substack that it begins;
/// nothing where there are fewer: libpam fails then.
fn after_jump(entries: &[Entry], at: usize, level: usize, count: usize) -> Option<usize> {
    let level_of = |next: usize| entries.get(next).map(|entry| entry.level);
    let mut last = at;
    for _ in 0..count {
        level_of(last + 1).filter(|&next| next >= level)?;
        last += 1;
        while level_of(last + 1).is_some_and(|next| next > level) {
            last += 1;
        }
    }
    Some(last + 1)
}
