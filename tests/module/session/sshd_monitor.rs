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
fn the_childs_reservation_belongs_to_the_monitor_and_is_confirmed_by_it() {
    let host = sshd();
    let mut monitor = host.login("sshd", "alice");
    monitor.tell("setsid");
    assert_eq!(monitor.tell("acct-in-child"), 0);
    let row = rows(&host).remove(0);
    assert_eq!(row.leader.pid, monitor.pid());
    assert!(!row.is_open());
    assert_eq!(monitor.open(), 0);
    assert_eq!(host.login("sshd", "alice").acct(), code::PERM_DENIED, "open, it counts");
    let confirmed = rows(&host).remove(0);
    assert_eq!((confirmed.id, confirmed.is_open()), (row.id, true));
}

#[test]
fn a_childs_reservation_locks_no_other_login_out() {
    let host = sshd();
    let mut stalled = host.login("sshd", "alice");
    stalled.tell("setsid");
    assert_eq!(stalled.tell("acct-in-child"), 0);
    // Its user may know the password and not have the key.
    let mut owner = host.login("sshd", "alice");
    owner.tell("setsid");
    assert_eq!(owner.tell("acct-in-child"), 0);
    assert_eq!(owner.open(), 0);
    assert_eq!(stalled.open(), code::PERM_DENIED, "the limit holds when it opens");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn another_try_on_the_same_connection_takes_no_second_slot() {
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
    assert_eq!(host.login("sshd", "alice").log_in(), 0, "the reservation ended with its owner");
}

#[test]
fn other_programs_hold_their_own_slot() {
    let host = host();
    host.limit(1);
    let mut parent = host.login("sshd", "alice");
    parent.tell("setsid");
    assert_eq!(parent.tell("acct-in-child"), 0);
    assert_ne!(rows(&host)[0].leader.pid, parent.pid());
    assert_eq!(parent.open(), 0, "the child's reservation ended with it");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn the_listener_owns_no_reservation() {
    let host = sshd();
    // A listener that is not the leader of its connection's session, as with `sshd -d`.
    let mut listener = host.login("sshd", "alice");
    assert_eq!(listener.tell("acct-in-child"), 0);
    assert_ne!(rows(&host)[0].leader.pid, listener.pid());
}
