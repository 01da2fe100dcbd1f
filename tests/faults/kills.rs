//! F1: SIGKILL at random instants.

use testkit::code;

use crate::{amount, figure, hex, host, rows};

#[test]
fn f1_writers_killed_at_random_instants_leak_nothing() {
    let kills = amount(1_000, 50_000);
    let host = host();
    host.limit(4);
    let mut killer = host.application();
    let command = format!("massacre {} {} 8 {kills}", hex("login"), hex("alice"));
    assert_eq!(killer.tell(&command), 0, "{}", host.stderr());
    let database = rusqlite::Connection::open(host.state()).unwrap();
    let check: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    drop(database);
    assert_eq!(crate::damaged_files(&host), Vec::<String>::new(), "no database was given up");
    let _open: Vec<_> = (0..4).map(|_| host.logged_in("login", "alice")).collect();
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(rows(&host).len(), 4);
    figure("F1", format!("{kills} kills of 8 writers: integrity ok, no place lost, no lock left"));
}
