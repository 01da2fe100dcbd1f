//! Who is counted, and up to which number.

use testkit::{Stack, code};

use crate::{host, rows};

/// Logs in until refused, at most `tries` times; returns how many got in.
fn admitted(limit: u32, tries: usize) -> usize {
    let host = host();
    host.limit(limit);
    let mut logins = Vec::new();
    for _ in 0..tries {
        let mut login = host.login("login", "alice");
        match login.log_in() {
            code::SUCCESS => logins.push(login),
            code::PERM_DENIED => break,
            other => panic!("code {other}"),
        }
    }
    assert_eq!(rows(&host).len(), logins.len());
    logins.len()
}

#[test]
fn limit_zero_is_off_and_still_records() {
    assert_eq!(admitted(0, 8), 8);
}

#[test]
fn limit_one_admits_one() {
    assert_eq!(admitted(1, 8), 1);
}

#[test]
fn limit_two_admits_two() {
    assert_eq!(admitted(2, 8), 2);
}

#[test]
fn limit_five_admits_five() {
    assert_eq!(admitted(5, 8), 5);
}

const PROFILES: &str = r#"
[[useraccountprofile]]
name = "Default-User-Account-Profile"
max_concurrent_sessions = 1
[[useraccountprofile]]
name = "Operators"
max_concurrent_sessions = 2
[[useraccountprofile]]
name = "Auditors"
max_concurrent_sessions = 4
[[useraccountprofile]]
name = "Carol"
max_concurrent_sessions = 3
[[user]]
username = "carol"
user_profile = "Carol"
[[group]]
name = "operators"
user_profile = "Operators"
[[group]]
name = "auditors"
user_profile = "Auditors"
[[group]]
name = "dave"
user_profile = "Auditors"
"#;

#[test]
fn a_users_own_entry_precedes_the_groups_and_they_precede_the_default() {
    let host = host();
    host.configure(PROFILES);
    let count = |user: &str| {
        let mut logins = Vec::new();
        loop {
            let mut login = host.login("login", user);
            match login.log_in() {
                code::SUCCESS => logins.push(login),
                code => {
                    assert_eq!(code, code::PERM_DENIED);
                    return logins.len();
                }
            }
        }
    };
    assert_eq!(count("alice"), 1, "default profile");
    assert_eq!(count("bob"), 2, "supplementary group");
    assert_eq!(count("carol"), 3, "own entry, though in both groups");
    assert_eq!(count("dave"), 4, "primary group");
}

#[test]
fn the_first_group_in_file_order_holds() {
    let host = host();
    let user_entry = "[[user]]\nusername = \"carol\"\nuser_profile = \"Carol\"\n";
    host.configure(&PROFILES.replace(user_entry, ""));
    let _first = host.logged_in("login", "carol");
    let _second = host.logged_in("login", "carol");
    assert_eq!(host.login("login", "carol").log_in(), code::PERM_DENIED, "operators come first: 2");
}

#[test]
fn one_users_sessions_take_nothing_from_another() {
    let host = host();
    host.limit(1);
    let _alice = host.logged_in("login", "alice");
    let _bob = host.logged_in("login", "bob");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
}

#[test]
fn services_share_the_count() {
    let host = host();
    host.limit(2);
    let _console = host.logged_in("login", "alice");
    let _ssh = host.logged_in("sshd", "alice");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(host.login("sshd", "alice").log_in(), code::PERM_DENIED);
}

#[test]
fn a_service_that_is_not_counted_touches_no_file() {
    let host = host();
    host.limit(1);
    let _alice = host.logged_in("login", "alice");
    let before = std::fs::metadata(host.state()).unwrap().modified().unwrap();
    for service in ["cron", "systemd-user", "su", "sudo", "polkit-1", "xscreensaver"] {
        host.stack(service, &Stack::both());
        let mut login = host.login(service, "alice");
        assert_eq!((login.acct(), login.open(), login.close()), (0, 0, 0), "{service}");
        assert_eq!(login.end(0), 0);
    }
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(std::fs::metadata(host.state()).unwrap().modified().unwrap(), before);

    let untouched = crate::host();
    untouched.limit(1);
    untouched.stack("cron", &Stack::both());
    assert_eq!(untouched.login("cron", "alice").log_in(), 0);
    assert_eq!(std::fs::read_dir(untouched.path("state")).unwrap().count(), 0, "no store was made");
}

#[test]
fn an_account_line_alone_refuses_while_slots_are_reserved() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::account_only());
    let mut first = host.login("login", "alice");
    assert_eq!(first.acct(), 0);
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
    assert_eq!(first.end(0), 0);
    assert_eq!(host.login("login", "alice").acct(), 0, "the handle's end released the slot");
}

#[test]
fn a_session_line_alone_is_the_authority() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::session_only());
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), 0);
    assert_eq!(second.open(), code::PERM_DENIED);
}

#[test]
fn a_slot_reserved_in_the_account_phase_counts_before_it_opens() {
    let host = host();
    host.limit(1);
    let mut first = host.login("sshd", "alice");
    assert_eq!(first.acct(), 0);
    assert_eq!(host.login("sshd", "alice").acct(), code::PERM_DENIED);
    assert_eq!(first.open(), 0);
    assert_eq!(rows(&host).len(), 1, "the reservation became the session");
}

#[test]
fn an_account_phase_run_twice_reserves_one_slot() {
    let host = host();
    host.limit(2);
    let mut first = host.login("login", "alice");
    assert_eq!((first.acct(), first.acct(), first.acct()), (0, 0, 0));
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(first.open(), 0);
    assert_eq!(first.acct(), 0, "as screen lockers do in an open session");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn a_lowered_limit_ends_no_session_and_refuses_new_ones() {
    let host = host();
    host.limit(3);
    let mut open: Vec<_> = (0..3).map(|_| host.logged_in("login", "alice")).collect();
    host.limit(1);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert!(open.iter_mut().all(|login| !login.has_ended()));
    open.truncate(1);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    open.clear();
    assert_eq!(host.login("login", "alice").log_in(), 0);
}

#[test]
fn a_limit_set_later_counts_the_sessions_recorded_before() {
    let host = host();
    host.limit(0);
    let _open: Vec<_> = (0..2).map(|_| host.logged_in("login", "alice")).collect();
    host.limit(2);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
}

#[test]
fn what_the_account_phase_found_holds_for_the_opening_in_the_same_process() {
    let host = host();
    host.limit(2);
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), 0);
    host.limit(1);
    assert_eq!(second.open(), 0, "neither the file nor the name services are asked again");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
}

#[test]
fn an_opening_in_another_process_than_the_account_phase_reads_the_configuration() {
    let host = host();
    host.stack("sshd", &Stack::both().control("required"));
    host.limit(2);
    let _first = host.logged_in("sshd", "alice");
    let mut second = host.login("sshd", "alice");
    second.tell("setsid");
    assert_eq!(second.tell("acct-in-child"), 0);
    host.limit(1);
    assert_eq!(second.open(), code::PERM_DENIED);
    assert_eq!(rows(&host).len(), 1, "the refused login's reservation is gone");
}

#[test]
fn an_unknown_user_is_unknown() {
    let host = host();
    host.limit(1);
    host.stack("fail-closed", &Stack::both().control("required"));
    host.configure(&format!(
        "{}[policy]\ncounted_services = [\"fail-closed\"]\n",
        testkit::default_limit(1)
    ));
    let mut unknown = host.login("fail-closed", "no-such-user");
    assert_eq!(unknown.acct(), code::USER_UNKNOWN);
    assert_eq!(unknown.open(), code::USER_UNKNOWN);
    assert_eq!(unknown.said(), []);
}

#[test]
fn without_any_configuration_file_no_user_is_limited() {
    // The default path of this machine has no file, or one that is the administrator's: use a stack
    // without config= only where it is missing.
    if std::path::Path::new("/etc/session-limit/config.toml").exists() {
        return;
    }
    let host = host();
    let module = host.module().display().to_string();
    let state = host.state().display().to_string();
    std::fs::write(
        host.path("pam.d/login"),
        format!(
            "account required {module} state={state}\nsession required {module} state={state}\n"
        ),
    )
    .unwrap();
    let logins: Vec<_> = (0..4).map(|_| host.logged_in("login", "alice")).collect();
    assert_eq!(rows(&host).len(), logins.len());
}

#[test]
fn switches_to_the_own_uid_are_free_and_others_count_for_the_target() {
    let host = host();
    host.configure(&format!(
        "{}[policy]\ncounted_services = [\"sshd\", \"su\", \"sudo\"]\n",
        testkit::default_limit(2)
    ));
    host.stack("su", &Stack::both());
    host.stack("sudo", &Stack::both());
    let _one = host.logged_in("su", "root");
    let _two = host.logged_in("su", "root");
    let mut third = host.login("su", "root");
    assert_eq!(third.log_in(), code::PERM_DENIED, "su is checked in the account phase");
    let mut sudo = host.login("sudo", "root");
    assert_eq!(sudo.acct(), 0, "sudo's account phase names the invoking user");
    assert_eq!(sudo.open(), code::PERM_DENIED);
    assert_eq!(sudo.said()[0].0, 3);
}
