//! sshd's keyboard-interactive logins: the account phase runs in a child of the process that opens.

use testkit::{Host, code};

use crate::{host, rows};

/// A host whose applications are called sshd.
fn sshd() -> Host {
    let host = host().with_program_name("sshd");
    host.limit(1);
    host
}

#[test]
fn the_childs_reservation_hangs_on_the_monitor_and_is_confirmed_by_it() {
    let host = sshd();
    let mut monitor = host.login("sshd", "alice");
    monitor.tell("setsid");
    assert_eq!(monitor.tell("acct-in-child"), 0);
    let row = rows(&host).remove(0);
    assert_eq!(row.leader.pid, monitor.pid());
    assert!(!row.is_open());
    assert_eq!(
        host.login("sshd", "alice").acct(),
        code::PERM_DENIED,
        "the place is taken in between"
    );
    assert_eq!(monitor.open(), 0);
    let confirmed = rows(&host).remove(0);
    assert_eq!((confirmed.id, confirmed.is_open()), (row.id, true));
}

#[test]
fn another_try_on_the_same_connection_takes_no_second_place() {
    let host = sshd();
    host.limit(2);
    let mut monitor = host.login("sshd", "alice");
    monitor.tell("setsid");
    for _ in 0..3 {
        assert_eq!(monitor.tell("acct-in-child"), 0);
    }
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn the_childs_end_leaves_the_reservation_to_the_monitor() {
    let host = sshd();
    let mut monitor = host.login("sshd", "alice");
    monitor.tell("setsid");
    assert_eq!(monitor.tell("acct-in-child"), 0);
    assert_eq!(monitor.tell("end-in-child 0"), 0);
    assert_eq!(rows(&host).len(), 1);
    monitor.kill();
    assert_eq!(host.login("sshd", "alice").log_in(), 0, "the reservation died with its anchor");
}

#[test]
fn other_programs_hold_their_own_place() {
    let host = host();
    host.limit(1);
    let mut parent = host.login("sshd", "alice");
    parent.tell("setsid");
    assert_eq!(parent.tell("acct-in-child"), 0);
    assert_ne!(rows(&host)[0].leader.pid, parent.pid());
    assert_eq!(parent.open(), 0, "the child's reservation died with it");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn the_listener_is_no_anchor() {
    let host = sshd();
    // A listener that is not the leader of its connection's session, as with `sshd -d`.
    let mut listener = host.login("sshd", "alice");
    assert_eq!(listener.tell("acct-in-child"), 0);
    assert_ne!(rows(&host)[0].leader.pid, listener.pid());
}
