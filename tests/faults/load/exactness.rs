//! L5, L6, L7: admitted equals the limit, never one more, never one fewer.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::{FAIL_CLOSED, Host, Login, Stack, code};

use crate::{alone, amount, figure, hex, host, rows};

/// Lets `count` processes of one user in at once, `rounds` times for each limit.
///
/// A machine that is too slow for so many within the lock's deadline answers some with an error. Errors
/// let no login in here, because the stack fails closed; in a soak there must be none.
fn herd(phases: &str, limits: &[u32], rounds: i32) {
    const COUNT: usize = 500;
    let _alone = alone();
    let host = host();
    let stack = if phases == "open" { Stack::session_only() } else { Stack::both() };
    host.stack("login", &stack.control(FAIL_CLOSED));
    let mut caller = host.application();
    let command = format!("herd {} {} {COUNT} {phases}", hex("login"), hex("alice"));
    let mut late = 0;
    for &limit in limits {
        host.limit(limit);
        for round in 0..rounds {
            assert_eq!(caller.tell(&command), 0);
            let when = format!("{phases}, limit {limit}, round {round}");
            let (admitted, errors) = admitted(&caller, &when);
            assert_eq!(caller.results().len(), COUNT);
            assert!(admitted <= limit as usize, "{when}: {admitted} let in");
            assert!(admitted + errors >= limit as usize, "{when}: {admitted} in, {errors} errors");
            late += errors;
            assert_eq!(rows(&host), [], "all slots were released");
        }
    }
    figure(
        "L5",
        format!(
            "{COUNT} at once ({phases}), limits {limits:?}, {rounds} rounds each: exact, {late} not \
             served within the deadline"
        ),
    );
    assert!(late == 0 || amount(0, 1) == 0, "{late} not served within the deadline");
}

/// Counts the logins that were let in and those that met an error; all others were refused.
fn admitted(caller: &Login, when: &str) -> (usize, usize) {
    let (mut admitted, mut errors) = (0, 0);
    for &codes in caller.results() {
        match codes {
            (code::SUCCESS, code::SUCCESS) => admitted += 1,
            (code::SUCCESS, code::PERM_DENIED) | (code::PERM_DENIED, -1) => {}
            (code::SUCCESS, code::SYSTEM_ERR) | (code::SYSTEM_ERR, -1) => errors += 1,
            other => panic!("{when}: codes {other:?}"),
        }
    }
    (admitted, errors)
}

#[test]
fn l5_five_hundred_at_once_are_admitted_up_to_the_limit() {
    herd("both", &[1, 2, 10, 499, 500], amount(1, 100));
}

#[test]
fn l5_five_hundred_at_once_with_the_account_phase_in_another_process() {
    herd("split", &[1, 2, 10, 499, 500], amount(1, 100));
}

#[test]
fn l5_five_hundred_at_once_without_an_account_line() {
    herd("open", &[1, 2, 10, 499, 500], amount(1, 20));
}

#[test]
fn l5_with_logouts_and_kills_mixed_in_never_more_than_the_limit_are_inside() {
    let _alone = alone();
    for (count, limit) in [(100, 1), (100, 2), (100, 10), (50, 49), (50, 50)] {
        let host = host();
        host.limit(u32::try_from(limit).unwrap());
        let mut caller = host.application();
        let turns = amount(10, 200);
        let wrong = caller.tell(&format!(
            "mixed-load {} {} {count} {turns} {limit}",
            hex("login"),
            hex("alice")
        ));
        let &[(most, _), (admitted, refused)] = caller.results() else { panic!("no figures") };
        figure(
            "L5",
            format!(
                "{} logins of {count} processes, ended by close, exit and kill: limit {limit}, \
                 most inside {most}, {admitted} let in, {refused} refused",
                count * turns
            ),
        );
        assert_eq!(wrong, 0, "{}", host.stderr());
        assert!(most <= limit, "{most} inside");
        assert!(admitted > 0);
        if count == limit {
            assert_eq!(refused, 0, "there was a slot for every login");
        }
        is_exact_again(&host, limit);
    }
}

/// Checks that, whatever happened before, exactly `limit` logins get in.
fn is_exact_again(host: &Host, limit: i32) {
    let mut open: Vec<_> = (0..limit).map(|_| host.logged_in("login", "alice")).collect();
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(rows(host).len(), open.len());
    for login in &mut open {
        assert_eq!(login.close(), 0);
    }
    assert_eq!(rows(host), []);
}

#[test]
fn l6_the_first_logins_after_boot_at_once() {
    let _alone = alone();
    let rounds = amount(5, 200);
    for round in 0..rounds {
        for before in
            ["no directory", "no file", "an empty file", "a file of this boot's first login"]
        {
            let host = host();
            host.limit(3);
            host.stack("login", &Stack::both().control(FAIL_CLOSED));
            match before {
                "no directory" => std::fs::remove_dir(host.path("state")).unwrap(),
                "an empty file" => {
                    use std::os::unix::fs::PermissionsExt;
                    std::fs::write(host.state(), "").unwrap();
                    let mode = std::fs::Permissions::from_mode(0o600);
                    std::fs::set_permissions(host.state(), mode).unwrap();
                }
                "no file" => {}
                _ => drop(host.logged_in("login", "bob")),
            }
            let mut caller = host.application();
            let command = format!("herd {} {} 100 both", hex("login"), hex("alice"));
            assert_eq!(caller.tell(&command), 0);
            let (admitted, errors) = admitted(&caller, before);
            assert!(admitted <= 3 && admitted + errors >= 3, "{before}, round {round}: {admitted}");
            assert!(errors == 0 || amount(0, 1) == 0, "{before}: {errors} not served");
        }
    }
    figure("L6", format!("100 first logins at once, {rounds} rounds of 4 kinds, limit 3: exact"));
}

/// What one of several logins does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Acct,
    Open,
    LogIn,
    Close,
    EndHandle,
    FailStack,
    Kill,
}

/// What the model knows of one login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    None,
    Reserved,
    Open,
}

const LOGINS: usize = 8;
const LIMIT: usize = 3;

/// Plays the turns, on the module and on the model; both must agree on every decision and on the
/// live rows after every turn.
fn play(turns: &[(usize, Turn)]) {
    let host = host();
    host.limit(u32::try_from(LIMIT).unwrap());
    let mut logins: Vec<Login> = (0..LOGINS).map(|_| host.login("login", "alice")).collect();
    let mut slots = [Slot::None; LOGINS];
    for (at, &(index, turn)) in turns.iter().enumerate() {
        let held = slots.iter().filter(|&&slot| slot != Slot::None).count();
        let is_full = held - usize::from(slots[index] == Slot::Reserved) >= LIMIT;
        let login = &mut logins[index];
        let decision = if is_full && slots[index] != Slot::Open { code::PERM_DENIED } else { 0 };
        match turn {
            Turn::Acct => {
                assert_eq!(login.acct(), decision, "{at}: {turn:?}");
                if slots[index] != Slot::Open {
                    slots[index] = if decision == 0 { Slot::Reserved } else { Slot::None };
                }
            }
            Turn::Open => {
                assert_eq!(login.open(), decision, "{at}: {turn:?}");
                slots[index] = if decision == 0 { Slot::Open } else { Slot::None };
            }
            Turn::LogIn => {
                assert_eq!(login.log_in(), decision, "{at}: {turn:?}");
                slots[index] = if decision == 0 { Slot::Open } else { Slot::None };
            }
            Turn::Close => {
                // After an opening that failed libpam repeats that opening's code.
                let code = login.close();
                assert!(code == 0 || slots[index] != Slot::Open, "{at}: {turn:?}: {code}");
                slots[index] = Slot::None;
            }
            // An application may end its handle and keep the session.
            Turn::EndHandle => {
                login.end(0);
                let keeps = slots[index] == Slot::Open;
                if keeps {
                    login.kill();
                }
                *login = host.login("login", "alice");
                slots[index] = Slot::None;
            }
            Turn::FailStack => {
                login.end(code::PERM_DENIED);
                login.tell(&format!("start {} {} scripted", hex("login"), hex("alice")));
                slots[index] = Slot::None;
            }
            Turn::Kill => {
                login.kill();
                *login = host.login("login", "alice");
                slots[index] = Slot::None;
            }
        }
        // Rows of processes that have exited are still recorded; the next login removes them.
        let mut live: Vec<(i32, bool)> = rows(&host)
            .iter()
            .map(|row| (row.leader.pid, row.is_open()))
            .filter(|(pid, _)| logins.iter().any(|login| login.pid() == *pid))
            .collect();
        live.sort_unstable();
        let mut expected: Vec<(i32, bool)> = logins
            .iter()
            .zip(slots)
            .filter(|(_, slot)| *slot != Slot::None)
            .map(|(login, slot)| (login.pid(), slot == Slot::Open))
            .collect();
        expected.sort_unstable();
        assert_eq!(live, expected, "{at}: {turn:?}");
    }
}

#[test]
fn l7_random_logins_logouts_and_kills_agree_with_a_model() {
    let turn = prop_oneof![
        2 => Just(Turn::Acct),
        2 => Just(Turn::Open),
        6 => Just(Turn::LogIn),
        4 => Just(Turn::Close),
        1 => Just(Turn::EndHandle),
        1 => Just(Turn::FailStack),
        1 => Just(Turn::Kill),
    ];
    let length = usize::try_from(amount(400, 20_000)).unwrap();
    let cases = u32::try_from(amount(4, 50)).unwrap();
    let turns = prop::collection::vec((0..LOGINS, turn), length);
    let config =
        Config { cases, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&turns, |turns| {
            play(&turns);
            Ok(())
        })
        .unwrap();
    figure("L7", format!("{cases} runs of {length} turns: module and model agree"));
}
