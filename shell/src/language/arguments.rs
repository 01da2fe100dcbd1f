//! What the arguments of a command mean: each checked, and named where it is not valid.

use session_limit_admin::config::field::{self, Field};
use session_limit_admin::config::object::{self, Change, ON_LIMIT, ObjectKind, PROFILE_REF};
use session_limit_core::fleet::HostSession;

use super::grammar::{Command, SubCommand, needed};

/// Returns whether a word is, or only it begins, the field whose values are words.
fn is_on_limit(word: &str) -> bool {
    !word.is_empty() && ON_LIMIT.starts_with(word)
}

/// Reads a field of a profile and its value.
pub fn profile_change(word: &str, value: &str) -> Result<Change, String> {
    if is_on_limit(word) {
        return object::on_limit(value).map(|on_limit| Change::OnLimit(Some(on_limit)));
    }
    let field = field_named(word)?;
    field::value(field, value).map(|value| Change::Set(field, value))
}

/// Reads what follows `no`.
pub fn unset(word: &str) -> Result<Change, String> {
    if is_on_limit(word) {
        return Ok(Change::OnLimit(None));
    }
    field_named(word).map(Change::Unset)
}

/// Returns the field of this name, or the only one whose name begins so.
fn field_named(word: &str) -> Result<Field, String> {
    let mut begun = Field::ALL.into_iter().filter(|field| field.name().starts_with(word));
    if let (false, Some(only), None) = (word.is_empty(), begun.next(), begun.next()) {
        return Ok(only);
    }
    word.parse().map_err(|()| {
        let names = Field::ALL.map(Field::name).join(", ");
        format!("unknown field `{word}`, expected one of: {names}, {ON_LIMIT}")
    })
}

/// Reads the value of a field.
pub fn set(field: Field, arguments: &[String]) -> Result<SubCommand, String> {
    field::value(field, &needed(arguments))
        .map(|value| SubCommand::Change(Change::Set(field, value)))
}

/// Reads a name and what is to change.
pub fn configure(kind: ObjectKind, arguments: &[String]) -> Result<Command, String> {
    let (name, rest) = arguments.split_first().ok_or("a name is missing")?;
    let mut changes = Vec::new();
    for pair in rest.chunks(2) {
        let [word, value] = pair else {
            return Err(format!("`{}` is not complete, expected FIELD VALUE", pair.join(" ")));
        };
        changes.push(match kind {
            ObjectKind::Profile if word == "no" => unset(value)?,
            ObjectKind::Profile => profile_change(word, value)?,
            ObjectKind::User | ObjectKind::Group if word == PROFILE_REF => {
                Change::Assign(value.clone())
            }
            ObjectKind::User | ObjectKind::Group => {
                return Err(format!("unknown field `{word}`, expected {PROFILE_REF}"));
            }
        });
    }
    Ok(Command::Configure(kind, name.clone(), changes))
}

/// Reads profile, `max_concurrent_sessions` and a number: what can be tried out.
pub fn check_limit(arguments: &[String]) -> Result<Command, String> {
    let limit = Field::MaxConcurrentSessions;
    match arguments {
        [name, word, value] if field_named(word)? == limit => {
            Ok(Command::CheckLimit(name.clone(), field::value(limit, value)?))
        }
        _ => Err(format!("what is to be checked? expected {limit} NUMBER after the profile")),
    }
}

/// Reads the number of a session, or host and number.
pub fn cleared_session(arguments: &[String]) -> Result<Command, String> {
    let typed = needed(arguments);
    if let Some(of_host) = HostSession::parse(&typed) {
        return Ok(Command::ClearSessionOf(of_host));
    }
    match typed.parse() {
        Ok(id) if id > 0 => Ok(Command::ClearSession(id)),
        _ => Err(format!(
            "session `{typed}`, expected an id that `show session` lists, or HOST:ID in a fleet"
        )),
    }
}

/// Reads files and `--apply`.
pub fn import(arguments: &[String]) -> Command {
    let (flags, files): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|word| word == "--apply");
    Command::ImportLimits { files, apply: !flags.is_empty() }
}
