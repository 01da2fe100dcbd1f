//! Tests of the file beside.

use super::*;
use crate::language::lexer::split;
use session_limit_core::model::policy::OnLimit;

fn top(line: &str) -> Result<Command, String> {
    command(&split(line).unwrap().words)
}

fn sub(kind: ObjectKind, line: &str) -> Result<SubCommand, String> {
    sub_command(kind, &split(line).unwrap().words)
}

#[test]
fn commands_are_read() {
    let profile = |name: &str| Show::Object(ObjectKind::Profile, Some(name.to_owned()));
    assert_eq!(
        top("show useraccountprofile Default-User-Account-Profile"),
        Ok(Command::Show(profile("Default-User-Account-Profile")))
    );
    assert_eq!(top("show user"), Ok(Command::Show(Show::Object(ObjectKind::User, None))));
    assert_eq!(
        top("configure useraccountprofile C max_concurrent_sessions 5 no account_lock_timeout"),
        Ok(Command::Configure(
            ObjectKind::Profile,
            "C".to_owned(),
            vec![
                Change::Set(Field::MaxConcurrentSessions, 5),
                Change::Unset(Field::AccountLockTimeout)
            ]
        ))
    );
    assert_eq!(top("status"), Ok(Command::Status));
    let alice = || "alice".to_owned();
    assert_eq!(top("explain alice"), Ok(Command::Explain(alice(), None)));
    let by_login = Ok(Command::Explain(alice(), Some("login".to_owned())));
    assert_eq!(top("explain alice login"), by_login);
    assert_eq!(top("clear session 7"), Ok(Command::ClearSession(7)));
    let of_host = HostSession { host: "web-2".to_owned(), id: 7 };
    assert_eq!(top("clear session web-2:7"), Ok(Command::ClearSessionOf(of_host)));
    assert_eq!(top("clear sessions"), Ok(Command::ClearSessions(None)));
    assert_eq!(top("unlock user alice"), Ok(Command::Unlock("alice".to_owned())));
    assert_eq!(
        top("import limits --apply /a"),
        Ok(Command::ImportLimits { files: vec!["/a".to_owned()], apply: true })
    );
    assert_eq!(top("? show"), Ok(Command::Help(vec!["show".to_owned()])));
}

#[test]
fn sub_commands_are_read() {
    assert_eq!(
        sub(ObjectKind::Profile, "max_concurrent_sessions 5"),
        Ok(SubCommand::Change(Change::Set(Field::MaxConcurrentSessions, 5)))
    );
    assert_eq!(
        sub(ObjectKind::Profile, "do show session alice"),
        Ok(SubCommand::Do(Show::Sessions(Some("alice".to_owned()))))
    );
    assert_eq!(
        sub(ObjectKind::User, "user_profile_ref 'No Lockout'"),
        Ok(SubCommand::Change(Change::Assign("No Lockout".to_owned())))
    );
    assert_eq!(sub(ObjectKind::Group, "exit"), Ok(SubCommand::Save));
}

#[test]
fn each_set_form_sets_the_field_it_is_called_by() {
    for field in Field::ALL {
        let read = sub(ObjectKind::Profile, &format!("{field} 7"));
        assert_eq!(read, Ok(SubCommand::Change(Change::Set(field, 7))));
    }
}

#[test]
fn on_limit_takes_one_of_its_words() {
    let on_limit = |on_limit| Ok(SubCommand::Change(Change::OnLimit(on_limit)));
    assert_eq!(sub(ObjectKind::Profile, "on_limit log"), on_limit(Some(OnLimit::Log)));
    assert_eq!(sub(ObjectKind::Profile, "on ask"), on_limit(Some(OnLimit::Ask)));
    assert_eq!(sub(ObjectKind::Profile, "no on_limit"), on_limit(None));
    let expected = "on_limit: `never`, expected one of: reject, ask, evict-oldest, log";
    assert_eq!(sub(ObjectKind::Profile, "on_limit never"), Err(expected.to_owned()));
    assert_eq!(
        top("configure useraccountprofile C on_limit evict-oldest no account_lock_timeout"),
        Ok(Command::Configure(
            ObjectKind::Profile,
            "C".to_owned(),
            vec![
                Change::OnLimit(Some(OnLimit::EvictOldest)),
                Change::Unset(Field::AccountLockTimeout)
            ]
        ))
    );
}

#[test]
fn words_may_be_abbreviated_as_long_as_they_are_unambiguous() {
    let ambiguous = "`usera` is ambiguous, expected one of: useraccountprofile, useractivity";
    assert_eq!(top("sh usera alice"), Err(ambiguous.to_owned()));
    assert_eq!(top("sh useract alice"), top("show useractivity alice"));
    // A whole word is itself, whatever else begins so.
    assert_eq!(top("sh user alice"), top("show user alice"));
    assert_eq!(top("cl session 7"), Ok(Command::ClearSession(7)));
    assert_eq!(
        top("conf useracc C max_con 5"),
        top("configure useraccountprofile C max_concurrent_sessions 5")
    );
    // Names are never taken for words.
    assert_eq!(
        top("show user s"),
        Ok(Command::Show(Show::Object(ObjectKind::User, Some("s".to_owned()))))
    );
    assert_eq!(
        sub(ObjectKind::Profile, "max_c 5"),
        Ok(SubCommand::Change(Change::Set(Field::MaxConcurrentSessions, 5)))
    );
    assert_eq!(sub(ObjectKind::Profile, "d sh session"), Ok(SubCommand::Do(Show::Sessions(None))));
    assert_eq!(
        sub(ObjectKind::Profile, "max_l 5"),
        Ok(SubCommand::Change(Change::Set(Field::MaxLoginFailureCount, 5)))
    );
    assert_eq!(
        sub(ObjectKind::Profile, "no max"),
        Err("unknown field `max`, expected one of: max_password_history_count, max_login_failure_count, account_lock_timeout, max_concurrent_sessions, credentials_timeout_threshold, on_limit".to_owned())
    );
}

#[test]
fn a_question_mark_at_the_end_asks_for_help() {
    assert_eq!(top("show ?"), Ok(Command::Help(vec!["show".to_owned()])));
    assert_eq!(top("conf user ?"), Ok(Command::Help(vec!["conf".to_owned(), "user".to_owned()])));
    assert_eq!(sub(ObjectKind::User, "do ?"), Ok(SubCommand::Help(vec!["do".to_owned()])));
    assert_eq!(top("?"), Ok(Command::Help(Vec::new())));
}

#[test]
fn watch_repeats_show_commands_only() {
    assert_eq!(top("watch show session"), Ok(Command::Watch(Show::Sessions(None))));
    assert_eq!(top("watch clear sessions"), Err("`clear` after `watch`, expected show".to_owned()));
}

#[test]
fn a_misfit_says_what_was_expected() {
    for (line, message) in [
        (
            "shoe",
            "unknown command `shoe`, expected one of: show, watch, status, explain, check, configure, delete, clear, unlock, import, export, help, ?, history, exit, quit, logout",
        ),
        (
            "show",
            "`show` is not complete, expected one of: useraccountprofile, user, group, useractivity, session, fleet, refusal",
        ),
        ("explain", "`explain` is not complete, expected USER"),
        ("explain a b c", "`c` after `explain a b`, expected nothing more"),
        ("delete user", "`delete user` is not complete, expected USER"),
        ("delete user a b", "`b` after `delete user a`, expected nothing more"),
        ("show user a b", "`b` after `show user a`, expected nothing more"),
        (
            "clear session x",
            "session `x`, expected an id that `show session` lists, or HOST:ID in a fleet",
        ),
        (
            "clear session web2:0",
            "session `web2:0`, expected an id that `show session` lists, or HOST:ID in a fleet",
        ),
        (
            "clear session :7",
            "session `:7`, expected an id that `show session` lists, or HOST:ID in a fleet",
        ),
        ("configure user a b c", "unknown field `b`, expected user_profile_ref"),
        (
            "configure useraccountprofile a max_concurrent_sessions",
            "`max_concurrent_sessions` is not complete, expected FIELD VALUE",
        ),
    ] {
        assert_eq!(top(line), Err(message.to_owned()), "{line}");
    }
    assert_eq!(
        sub(ObjectKind::Profile, "do clear sessions"),
        Err("`clear` after `do`, expected show".to_owned())
    );
}
