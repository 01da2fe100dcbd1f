//! What a refused user reads, and when they are asked.

use testkit::{SILENT, Stack, code};

use crate::{eventually, host, rows};

const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\nPlease clear the sessions using shell --clear-sessions";
const ERROR_MSG: i32 = 3;
const PROMPT_ECHO_ON: i32 = 2;
const QUESTION: &str = "WARNING: Maximum concurrent session count has been reached.\nClear 2 sessions and log in? [y/N] ";

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

/// Two sessions are open, and a third login may ask.
fn asking(mode: &str, arguments: &str) -> (testkit::Host, Vec<testkit::Login>, testkit::Login) {
    let host = host();
    host.limit(2);
    host.stack("sshd", &Stack::both().with(arguments));
    let open = vec![host.logged_in("login", "alice"), host.logged_in("login", "alice")];
    let third = host.conversing("sshd", "alice", mode);
    (host, open, third)
}

#[test]
fn ask_with_yes_clears_when_the_session_opens_and_not_before() {
    for yes in ["y", "Y", "yes", " YES "] {
        let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
        third.will_answer(yes);
        assert_eq!(third.acct(), 0, "{yes}");
        assert_eq!(third.said(), [(PROMPT_ECHO_ON, QUESTION.to_owned())]);
        assert!(
            open.iter_mut().all(|login| !login.has_ended()),
            "the account phase ends no session"
        );
        assert_eq!(third.open(), 0);
        assert_eq!(third.said(), []);
        eventually("both are ended", || open.iter_mut().all(testkit::Login::has_ended));
        assert_eq!(rows(&host).len(), 1);
    }
}

#[test]
fn ask_with_anything_else_is_a_refusal() {
    for no in ["n", "", "no", "yep", "clear"] {
        let (_host, mut open, mut third) = asking("scripted", "on_limit=ask");
        third.will_answer(no);
        assert_eq!(third.acct(), code::PERM_DENIED, "{no:?}");
        assert_eq!(
            third.said(),
            [(PROMPT_ECHO_ON, QUESTION.to_owned()), (ERROR_MSG, WARNING.to_owned())]
        );
        assert!(open.iter_mut().all(|login| !login.has_ended()));
    }
}

#[test]
fn where_no_user_can_be_asked_ask_is_a_plain_refusal() {
    let (_host, _open, mut third) = asking("text-only", "on_limit=ask");
    assert_eq!(third.acct(), code::PERM_DENIED);
    assert_eq!(third.said(), warning(), "sshd with a key");

    let (_host, _open, mut third) = asking("null", "on_limit=ask");
    assert_eq!(third.acct(), code::PERM_DENIED, "no conversation");

    let (_host, _open, mut third) = asking("no-answer", "on_limit=ask");
    assert_eq!(third.acct(), code::PERM_DENIED);
    assert_eq!(third.said().last(), warning().first(), "a prompt that returns nothing");

    let (_host, _open, mut third) = asking("scripted", "on_limit=ask");
    assert_eq!(third.tell(&format!("acct {SILENT}")), code::PERM_DENIED);
    assert_eq!(third.said(), [], "PAM_SILENT forbids a question");
}

#[test]
fn ask_works_in_a_stack_without_an_account_line() {
    let (host, mut open, _) = asking("scripted", "on_limit=ask");
    host.stack("remote", &Stack::session_only().with("on_limit=ask"));
    let mut third = host.login("remote", "alice");
    third.will_answer("y");
    assert_eq!(third.log_in(), 0);
    eventually("both are ended", || open.iter_mut().all(testkit::Login::has_ended));
}

#[test]
fn the_argument_overrides_the_file() {
    let host = host();
    host.configure(&format!("{}[policy]\non_limit = \"ask\"\n", testkit::default_limit(1)));
    host.stack("sshd", &Stack::both().with("on_limit=reject"));
    let _first = host.logged_in("login", "alice");
    let mut rejected = host.login("sshd", "alice");
    rejected.will_answer("y");
    assert_eq!(rejected.acct(), code::PERM_DENIED);
    let mut asked = host.login("login", "alice");
    asked.will_answer("y");
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
        second.will_answer("y");
        assert_eq!(second.acct(), code::PERM_DENIED, "{on_limit}");
        assert_eq!(second.said(), warning());
    }
}
