//! Open, close and end, in every order that applications use.

use testkit::{Stack, code};

use crate::{host, rows};

#[test]
fn closing_frees_the_slot() {
    let host = host();
    host.limit(1);
    let mut first = host.logged_in("login", "alice");
    assert_eq!(first.close(), 0);
    assert_eq!(rows(&host).len(), 0);
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn closing_removes_the_own_row_only() {
    let host = host();
    host.limit(5);
    let mut first = host.logged_in("login", "alice");
    let second = host.logged_in("login", "alice");
    let _bob = host.logged_in("login", "bob");
    assert_eq!(first.close(), 0);
    let left: Vec<_> = rows(&host).iter().map(|row| row.leader.pid).collect();
    assert_eq!(left.len(), 2);
    assert!(left.contains(&second.pid()) && !left.contains(&first.pid()));
}

#[test]
fn opening_twice_holds_one_slot_and_closing_twice_is_no_error() {
    let host = host();
    host.limit(2);
    let mut login = host.logged_in("login", "alice");
    assert_eq!(login.open(), 0);
    assert_eq!(rows(&host).len(), 1);
    assert_eq!((login.close(), login.close()), (0, 0));
    assert_eq!(rows(&host).len(), 0);
    assert_eq!(login.open(), 0, "and opens again");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn closing_without_opening_is_no_error() {
    let host = host();
    host.limit(1);
    let _other = host.logged_in("login", "alice");
    assert_eq!(host.login("login", "alice").close(), 0);
    assert_eq!(rows(&host).len(), 1);
    let mut reserved = host.login("login", "bob");
    assert_eq!(reserved.acct(), 0);
    assert_eq!(reserved.close(), 0, "shadow's login does this when its setup fails");
    assert_eq!(rows(&host).len(), 1, "the reservation is released");
}

#[test]
fn the_end_of_a_handle_copied_into_a_child_leaves_the_row() {
    let host = host();
    host.limit(1);
    let mut login = host.logged_in("login", "alice");
    for status in [0, code::PERM_DENIED] {
        assert_eq!(login.tell(&format!("end-in-child {status}")), 0);
        assert_eq!(rows(&host).len(), 1, "status {status}");
    }
    assert_eq!(login.tell("close-in-child"), 0);
    assert_eq!(rows(&host).len(), 1, "nor does closing there");
    assert_eq!(login.close(), 0);
    assert_eq!(rows(&host).len(), 0);
}

#[test]
fn the_end_of_a_reservations_handle_in_a_child_leaves_it() {
    let host = host();
    host.limit(1);
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), 0);
    assert_eq!(login.tell("end-in-child 0"), 0);
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(login.open(), 0);
}

#[test]
fn a_handle_that_ends_well_keeps_the_session() {
    let host = host();
    host.limit(1);
    let mut login = host.logged_in("login", "alice");
    assert_eq!(login.end(0), 0);
    assert_eq!(rows(&host).len(), 1, "an application may end the handle and keep the session");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    drop(login);
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_module_that_fails_after_our_opening_leaves_no_row() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().followed_by("session required pam_deny.so\n"));
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), 0);
    let failed = login.open();
    assert_eq!(failed, code::SESSION_ERR);
    assert_eq!(login.end(failed), 0);
    assert_eq!(rows(&host).len(), 0);
}

#[test]
fn an_account_stack_that_fails_after_us_leaves_no_reservation() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().followed_by("account required pam_deny.so\n"));
    let mut login = host.login("login", "alice");
    let failed = login.acct();
    assert_ne!(failed, 0);
    assert_eq!(login.end(failed), 0);
    assert_eq!(rows(&host).len(), 0);
}

#[test]
fn one_application_may_hold_several_sessions() {
    let host = host();
    host.limit(2);
    let mut login = host.logged_in("login", "alice");
    assert_eq!(login.start(b"login", Some(b"alice"), "scripted"), 0);
    assert_eq!(login.log_in(), 0);
    assert_eq!(rows(&host).len(), 2);
    assert_eq!(login.close(), 0);
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(login.start(b"login", Some(b"alice"), "scripted"), 0);
    assert_eq!(login.log_in(), 0);
    assert_eq!(login.start(b"login", Some(b"alice"), "scripted"), 0);
    assert_eq!(login.log_in(), code::PERM_DENIED);
}

#[test]
fn a_module_listed_twice_counts_once() {
    let host = host();
    host.limit(1);
    let stack = std::fs::read_to_string(host.path("pam.d/login")).unwrap();
    let doubled: String = stack.lines().map(|line| format!("{line}\n{line}\n")).collect();
    std::fs::write(host.path("pam.d/login"), doubled).unwrap();
    let mut login = host.logged_in("login", "alice");
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(login.close(), 0);
    assert_eq!(rows(&host).len(), 0);
}

#[test]
fn a_row_says_who_came_from_where() {
    let host = host();
    let mut login = host.login("sshd", "alice");
    login.item(3, Some(b"ssh"));
    login.item(4, Some(b"192.0.2.7"));
    assert_eq!(login.log_in(), 0);
    let row = rows(&host).remove(0);
    assert_eq!((row.user.as_str(), row.uid, row.leader.pid), ("alice", 4001, login.pid()));
    assert_eq!(row.origin.to_string(), "service sshd, tty ssh, rhost 192.0.2.7");
    assert!(row.is_open());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now.abs_diff(u64::try_from(row.since).unwrap()) < 60);
}
