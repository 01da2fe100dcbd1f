//! A password that is too old has to be changed, whichever way the user has logged in.

use std::time::{SystemTime, UNIX_EPOCH};

use testkit::{SILENT, code};

use super::{account_host, write_shadow};

const ERROR_MSG: i32 = 3;
const TEXT_INFO: i32 = 4;

fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400
}

fn line(hash: &str, age: u64) -> String {
    format!("{hash}:{}:0:99999:7:::", today() - age)
}

fn host_with(age: u64) -> testkit::Host {
    let host = account_host("credentials_timeout_threshold = 90", "");
    write_shadow(&host, &[("alice", line("$y$x", age)), ("bob", line("$y$x", 9000))]);
    host
}

#[test]
fn an_old_password_has_to_be_changed_with_password_or_key() {
    let host = host_with(90);
    for service in ["login", "cockpit"] {
        let mut login = host.login(service, "alice");
        if service == "login" {
            assert_eq!(login.auth(), 0);
        }
        assert_eq!(login.acct(), code::NEW_AUTHTOK_REQD, "{service}");
        let text = "You are required to change your password immediately (it is 90 days old, 90 are allowed).";
        assert_eq!(login.said(), [(ERROR_MSG, text.to_owned())]);
    }
    assert_eq!(host.login("cockpit", "bob").acct(), 0, "the default profile has no such limit");
}

#[test]
fn the_last_days_bring_a_warning() {
    for (age, text) in [
        (82, None),
        (83, Some("Warning: your password will expire in 7 days.")),
        (89, Some("Warning: your password will expire in 1 day.")),
    ] {
        let host = host_with(age);
        let mut login = host.login("cockpit", "alice");
        assert_eq!(login.acct(), 0, "{age}");
        let expected: Vec<_> = text.map(|text| (TEXT_INFO, text.to_owned())).into_iter().collect();
        assert_eq!(login.said(), expected);
        assert_eq!(login.tell(&format!("acct {SILENT}")), 0);
        assert_eq!(login.said(), []);
    }
}

#[test]
fn a_job_is_not_a_login() {
    let host = host_with(4000);
    assert_eq!(host.login("cron", "alice").acct(), 0, "cron is not counted");
}

#[test]
fn an_account_without_a_password_of_its_own_is_left_alone() {
    let host = account_host("credentials_timeout_threshold = 90", "");
    for hash in ["!", "*", "!!", "!$y$x", ""] {
        write_shadow(&host, &[("alice", line(hash, 4000))]);
        assert_eq!(host.login("cockpit", "alice").acct(), 0, "{hash:?}");
    }
    write_shadow(&host, &[("bob", line("$y$x", 4000))]);
    assert_eq!(host.login("cockpit", "alice").acct(), 0, "of a directory server");
    write_shadow(&host, &[("alice", "$y$x::0:99999:7:::".to_owned())]);
    assert_eq!(host.login("cockpit", "alice").acct(), 0, "no date");
}

#[test]
fn a_caller_who_may_not_read_the_dates_is_let_pass() {
    let host = host_with(4000);
    let mut locker = host.login("cockpit", "alice");
    locker.tell("seteuid 4001");
    assert_eq!(locker.acct(), 0);
}

#[test]
fn root_is_subject_to_the_profile_that_root_is_assigned_to() {
    let host = account_host("credentials_timeout_threshold = 90", "");
    write_shadow(&host, &[("root", line("$y$x", 91))]);
    assert_eq!(host.login("cockpit", "root").acct(), code::NEW_AUTHTOK_REQD);
    host.configure(include_str!("../../../packaging/config.toml"));
    assert_eq!(host.login("cockpit", "root").acct(), 0, "by the shipped file");
}
