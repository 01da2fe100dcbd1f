//! Whole fleets in simulated time: hosts, logins and an engine that loses messages, delays them, and forgets leases.
//! `SCHEDULES=100000 cargo test -p session-limit-agent --release --test simulation` is the long form.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod faulty_engine;
mod host;
mod random;
mod schedule;

use schedule::{Kind, Schedule};

/// How many schedules of each kind are tried.
fn schedules() -> u64 {
    std::env::var("SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(600) / 3
}

fn run(kind: Kind) {
    // The seed of a failure is in its message: SEED=… runs that one alone.
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
    let seeds = only.map_or(0..schedules(), |seed| seed..seed + 1);
    let mut sum = schedule::Sum::default();
    for seed in seeds {
        sum.add(&Schedule::new(kind, seed).run());
    }
    println!("{kind:?}: {sum:?}");
    if kind == Kind::LeasesHeld && only.is_none() {
        assert!(sum.leases_lost * 50 <= sum.schedules, "leases were not held: {sum:?}");
    }
    assert!(sum.logins == 0 || sum.granted > 0 && sum.refused > 0, "nothing was tried: {sum:?}");
}

#[test]
fn while_leases_are_held_no_login_is_let_in_above_the_limit() {
    run(Kind::LeasesHeld);
}

#[test]
fn what_is_lost_with_a_lease_is_bounded_and_reported() {
    run(Kind::LeasesLost);
}

#[test]
fn hosts_that_decide_alone_stay_within_their_own_limit() {
    run(Kind::DecideAlone);
}

#[test]
fn a_registration_that_arrives_late_keeps_no_login_out() {
    schedule::late_registration();
}

#[test]
fn an_agent_that_dies_at_any_step_leaves_nothing_behind() {
    let mut steps = 0;
    for before in [true, false] {
        for step in 0.. {
            if !schedule::death_at(step, before) {
                assert!(step > 5, "only {step} steps");
                break;
            }
            steps += 1;
        }
    }
    println!("{steps} deaths");
}
