//! Runs the scenarios: the releases side by side, the groups of a release one after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::host::{self, Host};
use crate::machine;
use crate::machine::root::{self, Release};
use crate::scenario::Group;

/// What the command line chose: the arguments of `cargo test --test host -- …`.
#[derive(Default)]
struct Choice {
    words: Vec<String>,
    exact: bool,
    list: bool,
}

thread_local! {
    /// What failed in the scenario, and where; printed with its verdict.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// How a scenario ended on a release.
#[derive(Clone)]
pub enum Verdict {
    Held(String),
    Broken(String),
    Skipped(String),
}

/// Verdicts by group, scenario and release.
pub type Results = BTreeMap<(&'static str, &'static str, &'static str), Verdict>;

impl Choice {
    fn from_args() -> Self {
        let mut choice = Self::default();
        for arg in std::env::args().skip(1) {
            match arg.as_str() {
                "--exact" => choice.exact = true,
                "--list" => choice.list = true,
                // Options of the standard test runner that change nothing here.
                flag if flag.starts_with('-') => {}
                word => choice.words.push(word.to_owned()),
            }
        }
        choice
    }

    fn takes(&self, name: &str) -> bool {
        self.words.is_empty()
            || self
                .words
                .iter()
                .any(|word| if self.exact { name == word } else { name.contains(word.as_str()) })
    }
}

fn full_name(release: Release, group: &str, scenario: &str) -> String {
    format!("{release}::{}::{scenario}", group.replace(' ', "_"))
}

/// Runs what the command line chose and returns the exit status.
pub fn run(groups: &[Group]) -> i32 {
    let choice = Choice::from_args();
    let all = || {
        Release::ALL.into_iter().flat_map(|release| {
            groups.iter().flat_map(move |group| {
                group
                    .scenarios
                    .iter()
                    .map(move |scenario| full_name(release, group.name, scenario.name))
            })
        })
    };
    if choice.list {
        all().for_each(|name| println!("{name}: test"));
        return 0;
    }
    let start = Instant::now();
    let total = all().count();
    let chosen = all().filter(|name| choice.takes(name)).count();
    println!("\nrunning {chosen} tests");
    std::panic::set_hook(Box::new(|panic| LAST_PANIC.set(panic.to_string())));
    let results = Mutex::new(Results::new());
    let obstacle = root::obstacle();
    if obstacle.is_none() && chosen > 0 {
        machine::sweep_control_groups();
        if !host::build() {
            eprintln!("`make build` failed: there is no module to test");
            return 1;
        }
    }
    std::thread::scope(|scope| {
        let is_chosen = |release: &Release| {
            let release = format!("{release}::");
            all().any(|name| name.starts_with(&release) && choice.takes(&name))
        };
        for release in Release::ALL.into_iter().filter(is_chosen) {
            let (choice, results, obstacle) = (&choice, &results, &obstacle);
            scope.spawn(move || {
                let root = match obstacle {
                    Some(reason) => Err(reason.clone()),
                    None => root::ready(release).and_then(host::runs_in),
                };
                run_release(release, root, groups, choice, results);
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    report(&results, total, start)
}

fn run_release(
    release: Release,
    root: Result<PathBuf, String>,
    groups: &[Group],
    choice: &Choice,
    results: &Mutex<Results>,
) {
    for group in groups {
        // Shared by the scenarios of the group, until one of them fails: a failure must not affect
        // what comes after it.
        let mut host: Option<Host> = None;
        for scenario in group.scenarios {
            let name = full_name(release, group.name, scenario.name);
            if !choice.takes(&name) {
                continue;
            }
            let start = Instant::now();
            let verdict = match &root {
                Err(reason) => Verdict::Skipped(reason.clone()),
                Ok(root) => {
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let host = host.get_or_insert_with(|| Host::boot(release, root));
                        host.reset();
                        (scenario.run)(host)
                    }));
                    match outcome {
                        Ok(figure) => Verdict::Held(figure),
                        Err(_) => {
                            host = None;
                            Verdict::Broken(LAST_PANIC.take())
                        }
                    }
                }
            };
            let took = start.elapsed().as_secs_f64();
            match &verdict {
                Verdict::Held(figure) => println!("test {name} ... ok ({took:.1} s) {figure}"),
                Verdict::Broken(message) => {
                    println!("test {name} ... FAILED ({took:.1} s)\n{message}")
                }
                Verdict::Skipped(reason) => println!("test {name} ... ignored, {reason}"),
            }
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((group.name, scenario.name, release.suite()), verdict);
        }
    }
}

/// Prints the closing lines in the form of the standard test runner.
fn report(results: &Results, total: usize, start: Instant) -> i32 {
    let count =
        |wanted: fn(&Verdict) -> bool| results.values().filter(|verdict| wanted(verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Held(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Broken(_)));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
    if skipped > 0 {
        let reason = results.values().find_map(|verdict| match verdict {
            Verdict::Skipped(reason) => Some(reason.as_str()),
            _ => None,
        });
        eprintln!(
            "\n*** {skipped} whole-host scenarios were NOT RUN: {} ***",
            reason.unwrap_or("?")
        );
    }
    // Where the scenarios are required, a skip is a failure.
    let demanded = std::env::var_os("HOST_TESTS_REQUIRED").is_some();
    let passes = failed == 0 && !(demanded && skipped > 0);
    println!(
        "\ntest result: {}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if passes { "ok" } else { "FAILED" },
        total - results.len(),
        start.elapsed().as_secs_f64()
    );
    crate::table::write_if_asked(results);
    i32::from(!passes)
}
