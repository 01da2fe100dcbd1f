//! The configuration is read at every login.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use testkit::{FAIL_CLOSED, Host, Stack};

use crate::host;

/// How many sessions alice may hold now, up to three.
fn admitted(host: &Host) -> usize {
    let mut logins: Vec<_> = (0..3).map(|_| host.login("login", "alice")).collect();
    logins.iter_mut().filter_map(|login| (login.log_in() == 0).then_some(())).count()
}

#[test]
fn every_change_of_the_configuration_is_seen_by_the_next_login() {
    type Change = fn(&Host);
    let changes: [(&str, Change, usize); 7] = [
        ("another text of the same length", |host| host.limit(2), 2),
        (
            "another file in its place",
            |host| {
                let new = host.path("new.toml");
                fs::write(&new, testkit::default_limit(2)).unwrap();
                fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
                fs::rename(new, host.config()).unwrap();
            },
            2,
        ),
        (
            "a text with the old time stamps",
            |host| {
                let modified = fs::metadata(host.config()).unwrap().modified().unwrap();
                host.limit(2);
                let file = fs::File::options().write(true).open(host.config()).unwrap();
                file.set_modified(modified).unwrap();
            },
            2,
        ),
        ("none at all", |host| fs::remove_file(host.config()).unwrap(), 0),
        (
            "a mode that lets others write",
            |host| {
                let mode = fs::Permissions::from_mode(0o666);
                fs::set_permissions(host.config(), mode).unwrap();
            },
            0,
        ),
        (
            "another owner",
            |host| std::os::unix::fs::chown(host.config(), Some(1234), None).unwrap(),
            0,
        ),
        (
            "a symbolic link to it",
            |host| {
                let moved = host.path("moved.toml");
                fs::rename(host.config(), &moved).unwrap();
                symlink(moved, host.config()).unwrap();
            },
            0,
        ),
    ];
    for (what, change, expected) in changes {
        let host = host();
        host.stack("login", &Stack::both().control(FAIL_CLOSED));
        host.limit(1);
        assert_eq!(host.login("login", "bob").log_in(), 0);
        change(&host);
        assert_eq!(admitted(&host), expected, "{what}");
    }
}
