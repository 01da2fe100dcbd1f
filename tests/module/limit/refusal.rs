//! What a refused user reads.

use testkit::{SILENT, Stack, code};

use crate::host;

const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\nPlease clear the sessions using shell --clear-sessions";
const ERROR_MSG: i32 = 3;

fn warning() -> Vec<testkit::Message> {
    vec![(ERROR_MSG, WARNING.to_owned())]
}

#[test]
fn the_account_phase_says_the_two_lines_in_one_error_message() {
    let host = host();
    host.limit(1);
    let first = host.logged_in("login", "alice");
    assert_eq!(first.said(), [], "a successful login shows nothing");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), code::PERM_DENIED);
    assert_eq!(second.said(), warning());
}

#[test]
fn opening_says_the_same() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::session_only());
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.log_in(), code::PERM_DENIED);
    assert_eq!(second.said(), warning());
}

#[test]
fn an_application_that_wants_silence_gets_it() {
    let host = host();
    host.limit(1);
    host.stack("remote", &Stack::session_only());
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.tell(&format!("acct {SILENT}")), code::PERM_DENIED);
    assert_eq!(second.said(), []);
    let mut second = host.login("remote", "alice");
    assert_eq!(second.tell(&format!("open {SILENT}")), code::PERM_DENIED);
    assert_eq!(second.said(), []);
}

#[test]
fn an_application_without_a_conversation_is_refused_all_the_same() {
    let host = host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    assert_eq!(host.conversing("login", "alice", "null").acct(), code::PERM_DENIED);
}

#[test]
fn the_argument_overrides_the_file() {
    let host = host();
    host.configure(&format!("{}[policy]\non_limit = \"ask\"\n", testkit::default_limit(1)));
    host.stack("sshd", &Stack::both().with("on_limit=reject"));
    let _first = host.logged_in("login", "alice");
    let mut rejected = host.login("sshd", "alice");
    rejected.will_answer("a");
    assert_eq!(rejected.acct(), code::PERM_DENIED);
    let mut asked = host.login("login", "alice");
    asked.will_answer("a");
    assert_eq!(asked.acct(), 0);
}

#[test]
fn reservations_alone_are_no_reason_to_ask_or_to_evict() {
    for on_limit in ["ask", "evict-oldest"] {
        let host = host();
        host.limit(1);
        host.stack("sshd", &Stack::both().with(&format!("on_limit={on_limit}")));
        let mut pending = host.login("sshd", "alice");
        assert_eq!(pending.acct(), 0);
        let mut second = host.login("sshd", "alice");
        second.will_answer("a");
        assert_eq!(second.acct(), code::PERM_DENIED, "{on_limit}");
        assert_eq!(second.said(), warning());
    }
}
