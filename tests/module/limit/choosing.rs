//! `on_limit = "ask"`: the user is asked which session to end.

use testkit::{Host, Login, Message, SILENT, Stack, code};

use crate::{eventually, host, rewrite_rows, rows};

const FIRST_LINE: &str = "WARNING: Maximum concurrent session count has been reached.";
const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\nPlease clear the sessions using shell --clear-sessions";
const ERROR_MSG: i32 = 3;
const PROMPT_ECHO_ON: i32 = 2;
const SINCE: &str = "since 2026-11-25 18:42:05 UTC";
const PROMPT: &str = "Session to end (1-2, a = all, Enter = none): ";

fn warning() -> Vec<Message> {
    vec![(ERROR_MSG, WARNING.to_owned())]
}

fn question() -> Message {
    (PROMPT_ECHO_ON, format!("{FIRST_LINE}\n1: login {SINCE}\n2: login {SINCE}\n{PROMPT}"))
}

fn not_a_choice() -> Message {
    (PROMPT_ECHO_ON, format!("Not a choice. {PROMPT}"))
}

/// Two sessions are open, and a third login may ask.
fn asking(mode: &str, arguments: &str) -> (Host, Vec<Login>, Login) {
    let host = host();
    host.limit(2);
    host.stack("sshd", &Stack::both().with(arguments));
    let open = vec![host.logged_in("login", "alice"), host.logged_in("login", "alice")];
    rewrite_rows(&host, |row| row.since = 1_795_632_125);
    let third = host.conversing("sshd", "alice", mode);
    (host, open, third)
}

fn ended(open: &mut [Login]) -> Vec<bool> {
    open.iter_mut().map(Login::has_ended).collect()
}

#[test]
fn all_are_ended_when_the_session_opens_and_not_before() {
    for all in ["a", "A", " a "] {
        let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
        third.will_answer(all);
        assert_eq!(third.acct(), 0, "{all}");
        assert_eq!(third.said(), [question()]);
        assert_eq!(ended(&mut open), [false, false], "the account phase ends no session");
        assert_eq!(third.open(), 0);
        assert_eq!(third.said(), []);
        eventually("both are ended", || ended(&mut open) == [true, true]);
        assert_eq!(rows(&host).len(), 1);
    }
}

#[test]
fn the_chosen_session_is_ended_and_no_other() {
    for (number, expected) in [("1", [true, false]), (" 2 ", [false, true])] {
        let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
        third.will_answer(number);
        assert_eq!(third.acct(), 0);
        assert_eq!(ended(&mut open), [false, false], "the account phase ends no session");
        assert_eq!(third.open(), 0);
        assert_eq!(ended(&mut open), expected);
        assert_eq!(rows(&host).len(), 2);
    }
}

#[test]
fn enter_ends_none_and_is_a_refusal() {
    let (_host, mut open, mut third) = asking("scripted", "on_limit=ask");
    third.will_answer("");
    assert_eq!(third.acct(), code::PERM_DENIED);
    assert_eq!(third.said(), [question(), (ERROR_MSG, WARNING.to_owned())]);
    assert_eq!(ended(&mut open), [false, false]);
}

#[test]
fn other_input_asks_again_three_times_at_most() {
    let (_host, mut open, mut third) = asking("scripted", "on_limit=ask");
    for wrong in ["y", "0", "3", "1"] {
        third.will_answer(wrong);
    }
    assert_eq!(third.acct(), code::PERM_DENIED, "the fourth is not asked for");
    let asked = [question(), not_a_choice(), not_a_choice(), (ERROR_MSG, WARNING.to_owned())];
    assert_eq!(third.said(), asked);
    assert_eq!(ended(&mut open), [false, false]);

    let (_host, mut open, mut third) = asking("scripted", "on_limit=ask");
    third.will_answer("yes").will_answer("12").will_answer("2");
    assert_eq!(third.log_in(), 0);
    assert_eq!(ended(&mut open), [false, true]);
}

#[test]
fn a_chosen_session_that_ended_meanwhile_is_no_error() {
    let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
    third.will_answer("1");
    assert_eq!(third.acct(), 0);
    assert_eq!(open[0].close(), 0);
    assert_eq!(third.open(), 0);
    assert_eq!(ended(&mut open), [false, false]);
    assert_eq!(rows(&host).len(), 2);
}

#[test]
fn another_session_that_ended_meanwhile_saves_the_chosen_one() {
    let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
    third.will_answer("1");
    assert_eq!(third.acct(), 0);
    assert_eq!(open[1].close(), 0);
    assert_eq!(third.open(), 0);
    assert_eq!(ended(&mut open), [false, false]);
    assert_eq!(rows(&host).len(), 2);
}

#[test]
fn a_slot_that_another_login_took_meanwhile_is_not_blamed_on_a_session() {
    let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
    third.will_answer("1");
    assert_eq!(third.acct(), 0);
    assert_eq!(open[0].close(), 0);
    let _fourth = host.logged_in("login", "alice");
    assert_eq!(third.open(), code::PERM_DENIED);
    assert_eq!(third.said(), warning());
    assert_eq!(ended(&mut open), [false, false]);
}

#[test]
fn where_one_is_not_enough_only_all_can_be_chosen() {
    let (host, mut open, mut third) = asking("scripted", "on_limit=ask");
    host.limit(1);
    third.will_answer("1").will_answer("a");
    assert_eq!(third.log_in(), 0);
    assert_eq!(ended(&mut open), [true, true]);
}

#[test]
fn of_many_sessions_nine_can_be_chosen() {
    let host = host();
    host.limit(30);
    host.stack("sshd", &Stack::both().with("on_limit=ask"));
    let mut open: Vec<Login> = (0..30).map(|_| host.logged_in("login", "alice")).collect();
    let mut next = host.login("sshd", "alice");
    next.will_answer("10").will_answer("9");
    assert_eq!(next.acct(), 0);
    let text = &next.said()[0].1;
    assert_eq!(text.lines().count(), 12, "{text}");
    assert!(text.contains("\nand 21 more\nSession to end (1-9, a = all"), "{text}");
    assert_eq!(next.open(), 0);
    assert_eq!(ended(&mut open).iter().position(|&ended| ended), Some(8));
}

#[test]
fn sshds_child_asks_and_its_parent_ends_the_chosen_one() {
    let host = host().with_program_name("sshd");
    host.limit(2);
    host.stack("sshd", &Stack::both().with("on_limit=ask"));
    let mut open: Vec<Login> = (0..2)
        .map(|_| {
            let mut login = host.login("login", "alice");
            login.item(4, Some(b"192.0.2.7"));
            assert_eq!(login.log_in(), 0);
            login
        })
        .collect();
    rewrite_rows(&host, |row| row.since = 1_795_632_125);
    let mut monitor = host.login("sshd", "alice");
    monitor.tell("setsid");
    monitor.will_answer("2");
    assert_eq!(monitor.tell("acct-in-child"), 0);
    assert_eq!(monitor.said(), [question()], "not from where: another factor may be missing");
    assert_eq!(monitor.open(), 0);
    assert_eq!(ended(&mut open), [false, true]);
}

#[test]
fn callers_of_one_line_are_asked_in_one() {
    let (host, _open, _) = asking("scripted", "");
    host.configure(&format!(
        "{}[policy]\non_limit = \"ask\"\ncounted_services = [\"*\"]\n",
        testkit::default_limit(2)
    ));
    host.stack("gdm-password", &Stack::both());
    let mut third = host.login("gdm-password", "alice");
    third.will_answer("");
    assert_eq!(third.acct(), code::PERM_DENIED);
    let text = format!("{FIRST_LINE} 1: login {SINCE}. 2: login {SINCE}. {PROMPT}");
    assert_eq!(third.said()[0], (PROMPT_ECHO_ON, text));
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
    third.will_answer("a");
    assert_eq!(third.log_in(), 0);
    eventually("both are ended", || ended(&mut open) == [true, true]);
}

#[test]
fn the_example_in_the_manual_is_what_is_asked() {
    let page = std::fs::read_to_string("man/session-limit.5").unwrap();
    let (_, text) = question();
    assert!(page.contains(&format!("-literal -offset indent\n{text}\n.Ed")), "{text}");
}
