//! Locked after the number of failures that the profile says, by pam_faillock's own tally.

use std::fs;

use testkit::code;

use super::{account_host, fail, failures, succeed};

const LOCKED: &str = "The account is locked due to 3 failed logins.";

#[test]
fn an_account_is_locked_at_the_profiles_count_and_says_so_in_pam_faillocks_words() {
    let host = account_host("max_login_failure_count = 3\naccount_lock_timeout = 5", "");
    for n in 1..=3 {
        assert_eq!(fail(&host, "alice"), code::AUTH_ERR);
        assert_eq!(failures(&host, "alice"), n);
    }
    let mut login = host.login("login", "alice");
    assert_eq!(login.auth(), code::AUTH_ERR, "locked before the password is asked for");
    let texts: Vec<&str> = login.said().iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, [LOCKED, "(5 minutes left to unlock)"]);
    assert_eq!(fail(&host, "alice"), code::AUTH_ERR);
    assert_eq!(failures(&host, "alice"), 3, "a locked account counts no further");
    assert_eq!(succeed(&host, "bob"), (0, 0), "of another profile");
}

#[test]
fn the_right_password_in_time_forgets_the_failures() {
    let host = account_host("max_login_failure_count = 3", "");
    for _ in 0..2 {
        fail(&host, "alice");
        fail(&host, "alice");
        assert_eq!(failures(&host, "alice"), 2);
        assert_eq!(succeed(&host, "alice"), (0, 0));
        assert_eq!(failures(&host, "alice"), 0);
    }
}

#[test]
fn the_number_is_each_users_own_and_zero_never_locks_or_counts() {
    let host = account_host("max_login_failure_count = 0", "");
    for _ in 0..4 {
        assert_eq!(fail(&host, "alice"), code::AUTH_ERR);
        assert_eq!(fail(&host, "bob"), code::AUTH_ERR);
    }
    assert_eq!((failures(&host, "alice"), failures(&host, "bob")), (0, 4));
    assert_eq!(succeed(&host, "alice"), (0, 0));
    assert_eq!(succeed(&host, "bob"), (0, 0), "4 of the default 20");
}

#[test]
fn a_lock_ends_after_the_profiles_minutes() {
    let host = account_host("max_login_failure_count = 1\naccount_lock_timeout = 2", "");
    fail(&host, "alice");
    assert_eq!(succeed(&host, "alice").0, code::AUTH_ERR);
    age_records(&host, "alice", 100);
    assert_eq!(succeed(&host, "alice").0, code::AUTH_ERR, "after 100 s of 120");
    age_records(&host, "alice", 30);
    assert_eq!(unlocked_by_time(&host, "alice"), (0, 0), "after 130 s of 120");
    assert_eq!(failures(&host, "alice"), 0);
}

#[test]
fn no_minutes_are_a_lock_until_it_is_removed_and_too_many_are_seven_days() {
    let week = 7 * 24 * 3600;
    for (minutes, is_locked) in [(0, true), (u32::MAX, false)] {
        let profile = format!("max_login_failure_count = 1\naccount_lock_timeout = {minutes}");
        let host = account_host(&profile, "");
        fail(&host, "alice");
        age_records(&host, "alice", week - 60);
        assert_eq!(succeed(&host, "alice").0, code::AUTH_ERR, "{minutes}");
        age_records(&host, "alice", 120);
        assert_eq!(unlocked_by_time(&host, "alice").0 == code::AUTH_ERR, is_locked, "{minutes}");
        fs::remove_file(host.path("tally/alice")).unwrap();
        assert_eq!(succeed(&host, "alice"), (0, 0), "{minutes}: as `faillock --reset` does");
    }
}

#[test]
fn a_login_without_a_password_is_neither_blocked_nor_forgets_failures() {
    let host = account_host("max_login_failure_count = 2", "");
    fail(&host, "alice");
    assert_eq!(host.login("cockpit", "alice").acct(), 0);
    assert_eq!(failures(&host, "alice"), 1, "a key says nothing about the password");
    fail(&host, "alice");
    assert_eq!(host.login("cockpit", "alice").acct(), 0, "a key is not a guess");
    assert_eq!(succeed(&host, "alice").0, code::AUTH_ERR);
}

#[test]
fn root_is_counted_and_not_locked_unless_faillock_is_told_to() {
    let profile = "max_login_failure_count = 1";
    let host = account_host(profile, "");
    fail(&host, "root");
    assert_eq!(failures(&host, "root"), 1);
    assert_eq!(succeed(&host, "root"), (0, 0));
    let host = account_host(profile, "even_deny_root");
    fail(&host, "root");
    assert_eq!(succeed(&host, "root").0, code::AUTH_ERR);
}

#[test]
fn a_user_unknown_to_the_host_is_not_counted() {
    let host = account_host("max_login_failure_count = 1", "");
    for _ in 0..3 {
        assert_eq!(fail(&host, "no-such-user"), code::AUTH_ERR);
    }
    assert_eq!(fs::read_dir(host.path("tally")).unwrap().count(), 0);
    assert_eq!(host.login("login", "no-such-user").auth(), 0, "another line refuses that user");
}

#[test]
fn failures_typed_meanwhile_lock_a_login_whose_password_was_right() {
    let host = account_host("max_login_failure_count = 2", "");
    let mut login = host.login("login", "alice");
    assert_eq!(login.auth(), 0);
    fail(&host, "alice");
    fail(&host, "alice");
    assert_eq!(login.acct(), code::AUTH_ERR);
    assert_eq!(failures(&host, "alice"), 2);
}

#[test]
fn a_storm_of_wrong_passwords_counts_exactly() {
    let host = account_host("max_login_failure_count = 17", "");
    let mut logins: Vec<_> = (0..200).map(|_| host.login("sshd", "alice")).collect();
    logins.iter_mut().for_each(|login| login.begin("auth"));
    assert!(logins.iter_mut().all(|login| login.finish() == code::AUTH_ERR));
    assert_eq!(failures(&host, "alice"), 17);
}

#[test]
fn an_invalid_configuration_is_an_error_that_the_stack_decides_about() {
    let host = account_host("max_login_failure_count = 1", "");
    fail(&host, "alice");
    host.configure("nonsense");
    assert_eq!(succeed(&host, "alice"), (0, 0), "fails open");
    let path = host.path("pam.d/login");
    let strict = fs::read_to_string(&path).unwrap().replace("default=ignore]", "default=die]");
    fs::write(&path, strict).unwrap();
    assert_eq!(host.login("login", "alice").auth(), code::SERVICE_ERR);
}

/// A login with the right password, the account phase in a child: pam_faillock of Linux-PAM 1.5 leaves a socket
/// to the kernel's audit open when it records that a lock has ended.
fn unlocked_by_time(host: &testkit::Host, user: &str) -> (i32, i32) {
    let mut login = host.login("login", user);
    let auth = login.auth();
    (auth, if auth == 0 { login.tell("acct-in-child") } else { -1 })
}

/// Makes the failures older.
fn age_records(host: &testkit::Host, user: &str, seconds: u64) {
    let path = host.path("tally").join(user);
    let mut records = fs::read(&path).unwrap();
    for record in records.chunks_exact_mut(64) {
        let time = u64::from_ne_bytes(record[56..].try_into().unwrap());
        record[56..].copy_from_slice(&(time - seconds).to_ne_bytes());
    }
    fs::write(&path, records).unwrap();
}
