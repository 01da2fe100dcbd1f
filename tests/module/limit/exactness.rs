//! Many logins at the same instant: admitted equals the limit, never more, never fewer.

use testkit::{Stack, code};

use crate::{alone, host, rows};

fn herd(phases: &str, count: usize, limits: &[u32], rounds: usize) {
    let _alone = alone();
    let host = host();
    // `required`: an error of the module must not pass for an admission.
    let stack = if phases == "open" { Stack::session_only() } else { Stack::both() };
    host.stack("login", &stack.control("required"));
    let mut caller = host.application();
    for &limit in limits {
        host.limit(limit);
        for round in 0..rounds {
            assert_eq!(caller.tell(&format!("herd 6c6f67696e 616c696365 {count} {phases}")), 0);
            let mut admitted = 0;
            for &(acct, open) in caller.results() {
                match (acct, open) {
                    (code::SUCCESS, code::SUCCESS) => admitted += 1,
                    (code::SUCCESS, code::PERM_DENIED) | (code::PERM_DENIED, -1) => {}
                    other => panic!("{phases}, limit {limit}, round {round}: codes {other:?}"),
                }
            }
            assert_eq!(caller.results().len(), count);
            assert_eq!(admitted, limit, "{phases}, limit {limit}, round {round}");
            assert_eq!(rows(&host), [], "all slots were released");
        }
    }
}

#[test]
fn two_hundred_at_once_are_admitted_up_to_the_limit() {
    herd("both", 200, &[1, 5, 199, 200], 20);
}

#[test]
fn two_hundred_at_once_without_an_account_line() {
    herd("open", 200, &[1, 5, 199, 200], 3);
}

#[test]
fn a_hundred_at_once_with_the_account_phase_in_a_child() {
    herd("split", 100, &[1, 5, 99, 100], 3);
}

#[test]
fn the_first_logins_after_boot_at_once() {
    let _alone = alone();
    for round in 0..20 {
        let host = host();
        host.limit(3);
        std::fs::remove_dir(host.path("state")).unwrap();
        let mut caller = host.application();
        assert_eq!(caller.tell("herd 6c6f67696e 616c696365 50 both"), 0);
        let admitted = caller.results().iter().filter(|codes| **codes == (0, 0)).count();
        assert_eq!(admitted, 3, "round {round}");
    }
}
