//! `on_limit = "log"`: no login is refused, and the records say which would be.

use testkit::{Host, Stack, code, default_limit};

use crate::{host, rows};

fn observing() -> Host {
    let host = host();
    host.configure(&format!("{}[policy]\non_limit = \"log\"\n", default_limit(1)));
    host
}

fn marks(host: &Host) -> Vec<bool> {
    rows(host).iter().map(|row| row.over_limit).collect()
}

#[test]
fn every_login_is_let_in_and_those_above_the_limit_are_marked() {
    let host = observing();
    let mut open = [
        host.logged_in("login", "alice"),
        host.logged_in("sshd", "alice"),
        host.logged_in("login", "alice"),
        host.logged_in("login", "bob"),
    ];
    assert_eq!(marks(&host), [false, true, true, false]);
    assert!(open.iter().all(|login| login.said().is_empty()), "nothing is shown");
    assert!(open.iter_mut().all(|login| !login.has_ended()), "nothing is ended");
}

#[test]
fn a_login_without_an_account_line_is_let_in_too() {
    let host = observing();
    host.stack("remote", &Stack::session_only());
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("remote", "alice");
    assert_eq!(second.open(), 0);
    assert_eq!(marks(&host), [false, true]);
}

#[test]
fn a_reservation_says_so_before_it_opens() {
    let host = observing();
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), 0);
    assert_eq!(marks(&host), [false, true]);
    assert_eq!(second.open(), 0);
    assert_eq!(marks(&host), [false, true]);
}

#[test]
fn the_mark_is_decided_when_the_session_opens() {
    let host = observing();
    let mut first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), 0);
    assert_eq!(first.close(), 0);
    assert_eq!(second.open(), 0);
    assert_eq!(marks(&host), [false], "a slot has become free");
}

#[test]
fn a_clearing_login_that_makes_no_room_is_let_in() {
    let host = observing();
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    // A login inside of it cannot end it.
    let mut outer = host.logged_in("login", "alice");
    assert_eq!(outer.tell("start 73736864 616c696365 scripted"), 0, "sshd, alice");
    assert_eq!(outer.tell("open-in-child"), 0);
    assert!(!outer.has_ended());
}

#[test]
fn the_argument_of_the_stack_observes_one_service() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("on_limit=log"));
    let _first = host.logged_in("login", "alice");
    let _second = host.logged_in("sshd", "alice");
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
}

#[test]
fn a_profile_overrides_the_policy() {
    let host = host();
    let profile = |name: &str, on_limit: &str| {
        format!(
            "[[useraccountprofile]]\nname = \"{name}\"\nmax_concurrent_sessions = 1\n{on_limit}\n"
        )
    };
    let user = "[[user]]\nusername = \"bob\"\nuser_profile = \"other\"\n";
    let write = |own: &str, policy: &str| {
        let default = profile("Default-User-Account-Profile", "");
        let other = profile("other", own);
        host.configure(&format!("{default}{other}{user}[policy]\non_limit = \"{policy}\"\n"));
    };
    write("on_limit = \"log\"", "reject");
    let _open = [host.logged_in("login", "alice"), host.logged_in("login", "bob")];
    let _second = host.logged_in("login", "bob");
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
    write("on_limit = \"reject\"", "log");
    assert_eq!(host.login("login", "bob").acct(), code::PERM_DENIED);
    assert_eq!(host.login("login", "alice").log_in(), 0);
}
