//! F1: SIGKILL at random instants.

use testkit::{code, sqlite};

use crate::{amount, figure, hex, host, rows};

#[test]
fn f1_writers_killed_at_random_instants_leak_nothing() {
    let kills = amount(1_000, 50_000);
    let host = host();
    host.limit(4);
    let mut killer = host.application();
    let command = format!("kill-all {} {} 8 {kills}", hex("login"), hex("alice"));
    assert_eq!(killer.tell(&command), 0, "{}", host.stderr());
    assert_eq!(sqlite(&host.state(), "PRAGMA integrity_check"), "ok");
    assert_eq!(crate::damaged_files(&host), Vec::<String>::new(), "no database was moved aside");
    let _open: Vec<_> = (0..4).map(|_| host.logged_in("login", "alice")).collect();
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(rows(&host).len(), 4);
    figure("F1", format!("{kills} kills of 8 writers: integrity ok, no slot lost, no lock left"));
}
