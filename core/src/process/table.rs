//! All processes at one moment, and who descends from whom.

use std::collections::HashSet;

use super::{Stat, all_pids};

/// One process at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// What `/proc` says of it.
    pub stat: Stat,
}

impl Process {
    /// Returns what makes it itself: pid and start time.
    #[must_use]
    pub fn identity(self) -> (i32, u64) {
        (self.pid, self.stat.start_time)
    }
}

/// Returns the processes that can be seen, without zombies.
#[must_use]
pub fn all_processes() -> Vec<Process> {
    all_pids()
        .unwrap_or_default()
        .into_iter()
        .filter_map(|pid| Some(Process { pid, stat: Stat::of(pid).ok()? }))
        .filter(|process| !process.stat.is_dead())
        .collect()
}

/// Returns the pids of the roots and everything below them.
#[must_use]
pub fn descendants(processes: &[Process], is_root: impl Fn(&Process) -> bool) -> HashSet<i32> {
    let mut tree: HashSet<i32> =
        processes.iter().filter(|p| is_root(p)).map(|process| process.pid).collect();
    if tree.is_empty() {
        return tree;
    }
    loop {
        let before = tree.len();
        for process in processes {
            if tree.contains(&process.stat.parent) {
                tree.insert(process.pid);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}
