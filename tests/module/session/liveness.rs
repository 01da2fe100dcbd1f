//! A slot is released when its leader exits, however it exits.

use testkit::code;

use crate::{host, rewrite_rows, rows};

#[test]
fn a_killed_leader_frees_its_slot() {
    let host = host();
    host.limit(1);
    let mut first = host.logged_in("login", "alice");
    first.kill();
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_zombie_leader_frees_its_slot() {
    let host = host();
    host.limit(1);
    let mut first = host.logged_in("login", "alice");
    first.kill_unreaped();
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_reused_pid_is_not_the_leader() {
    let host = host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    rewrite_rows(&host, |row| row.leader.start_time -= 1);
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_row_of_another_boot_is_stale() {
    let host = host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    rewrite_rows(&host, |row| row.leader.boot_id = "another boot".to_owned());
    assert_eq!(host.login("login", "alice").log_in(), 0);
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn a_reservation_dies_with_its_process() {
    let host = host();
    host.limit(1);
    let mut first = host.login("login", "alice");
    assert_eq!(first.acct(), 0);
    first.kill();
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_reservation_ends_when_its_time_is_over() {
    let host = host();
    host.limit(1);
    let mut first = host.login("login", "alice");
    assert_eq!(first.acct(), 0);
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
    rewrite_rows(&host, |row| {
        let session_limit_core::model::session::SessionState::Reserved { until, .. } =
            &mut row.state
        else {
            panic!("not reserved")
        };
        *until -= session_limit_core::admission::RESERVATION_MS;
    });
    let _second = host.logged_in("login", "alice");
    assert_eq!(first.open(), code::PERM_DENIED, "a lost reservation never breaks the limit");
}

#[test]
fn only_the_users_own_stale_rows_are_looked_at() {
    let host = host();
    host.limit(1);
    host.logged_in("login", "bob").kill();
    let _alice = host.logged_in("login", "alice");
    assert_eq!(rows(&host).len(), 2, "bob's row waits for bob's next login");
    let _bob = host.logged_in("login", "bob");
    assert_eq!(rows(&host).len(), 2);
}
