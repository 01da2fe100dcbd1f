//! SIGKILL at any instant: the database stays intact and no slot leaks.

use testkit::{code, sqlite};

use crate::{alone, host, rows};

#[test]
fn five_thousand_kills_of_eight_writers_leak_nothing() {
    let _alone = alone();
    let host = host();
    host.limit(4);
    let mut killer = host.application();
    assert_eq!(killer.tell("kill-all 6c6f67696e 616c696365 8 5000"), 0, "{}", host.stderr());
    assert_eq!(sqlite(&host.state(), "PRAGMA integrity_check"), "ok");
    let names: Vec<_> = std::fs::read_dir(host.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("damaged"))
        .collect();
    assert_eq!(names, Vec::<String>::new(), "no database was moved aside");
    let mut open: Vec<_> = (0..4).map(|_| host.logged_in("login", "alice")).collect();
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(rows(&host).len(), 4);
    for login in &mut open {
        assert_eq!(login.close(), 0);
    }
    assert_eq!(rows(&host), []);
}
