//! `notice = true`: a login that takes the last slot says so.

use testkit::{Host, SILENT, Stack, default_limit};

use crate::host;

const TEXT_INFO: i32 = 4;

fn noticing(limit: u32) -> Host {
    let host = host();
    let services = "counted_services = [\"sshd\", \"login\", \"su\", \"cockpit\", \"cron\"]";
    host.configure(&format!("{}[policy]\nnotice = true\n{services}\n", default_limit(limit)));
    host
}

#[test]
fn the_login_that_takes_the_last_slot_says_so_when_it_opens() {
    let host = noticing(2);
    let first = host.logged_in("login", "alice");
    assert_eq!(first.said(), [], "not the last slot");
    let mut second = host.login("sshd", "alice");
    assert_eq!(second.acct(), 0);
    assert_eq!(second.said(), [], "sshd would show it twice");
    assert_eq!(second.open(), 0);
    assert_eq!(second.said(), [(TEXT_INFO, "This is session 2 of 2.".to_owned())]);
}

#[test]
fn by_default_nothing_is_said() {
    let host = host();
    host.limit(1);
    assert_eq!(host.logged_in("login", "alice").said(), []);
}

#[test]
fn without_a_limit_there_is_no_last_slot() {
    assert_eq!(noticing(0).logged_in("login", "alice").said(), []);
}

#[test]
fn above_the_limit_nothing_is_said() {
    let host = noticing(1);
    host.stack("sshd", &Stack::both().with("on_limit=log"));
    let _first = host.logged_in("login", "alice");
    assert_eq!(host.logged_in("sshd", "alice").said(), []);
}

#[test]
fn an_application_that_wants_silence_gets_it() {
    let host = noticing(1);
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), 0);
    assert_eq!(login.tell(&format!("open {SILENT}")), 0);
    assert_eq!(login.said(), []);
}

#[test]
fn programs_whose_output_may_be_a_scripts_say_nothing() {
    for service in ["su", "cockpit"] {
        let host = noticing(1);
        host.stack(service, &Stack::both());
        assert_eq!(host.logged_in(service, "alice").said(), [], "{service}");
    }
}

#[test]
fn an_application_without_a_conversation_is_let_in_all_the_same() {
    let host = noticing(1);
    for (mode, service) in [("null", "login"), ("no-answer", "login")] {
        let mut login = host.conversing(service, "alice", mode);
        assert_eq!(login.log_in(), 0, "{mode}");
        assert_eq!(login.close(), 0);
    }
}
