//! Tests of the file beside.

use super::*;
use crate::command::lexer::split;

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
    assert_eq!(top("clear sessions"), Ok(Command::ClearSessions(None)));
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
        Ok(SubCommand::Change(Change::Attach("No Lockout".to_owned())))
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
fn a_misfit_says_what_was_expected() {
    for (line, message) in [
        (
            "shoe",
            "unknown command `shoe`, expected one of: show, status, explain, configure, delete, clear, import, export, help, ?, history, exit",
        ),
        (
            "show",
            "`show` is not complete, expected one of: useraccountprofile, user, group, useractivity, session",
        ),
        ("explain", "`explain` is not complete, expected USER"),
        ("explain a b c", "`c` after `explain a b`, expected nothing more"),
        ("delete user", "`delete user` is not complete, expected USER"),
        ("delete user a b", "`b` after `delete user a`, expected nothing more"),
        ("show user a b", "`b` after `show user a`, expected nothing more"),
        ("clear session x", "session `x`, expected an id that `show session` lists"),
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
