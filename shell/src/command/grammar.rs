//! The commands: one table of forms, from which lines are read, completed and explained.

use session_limit_admin::field::{self, Field};
pub use session_limit_admin::object::{Change, ObjectKind, PROFILE_REF};

pub use super::syntax::{ArgumentKind, CommandSyntax, Next, SyntaxElement};

use ArgumentKind::{Assignments, Files, Group, Profile, Service, Session, User, Value};
use SyntaxElement::{Many, Maybe, One, Word};

/// What `show` can show; the name is optional everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Show {
    /// `show useraccountprofile [NAME]`, `show user [NAME]`, `show group [NAME]`
    Object(ObjectKind, Option<String>),
    /// `show useractivity [NAME]`
    Activity(Option<String>),
    /// `show session [USER]`
    Sessions(Option<String>),
}

/// A command at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `show …`
    Show(Show),
    /// `configure KIND NAME [FIELD VALUE]…`; without changes it opens the sub-mode.
    Configure(ObjectKind, String, Vec<Change>),
    /// `delete KIND NAME`
    Delete(ObjectKind, String),
    /// `clear session ID`
    ClearSession(i64),
    /// `clear sessions [USER]`
    ClearSessions(Option<String>),
    /// `status`
    Status,
    /// `explain USER [SERVICE]`
    Explain(String, Option<String>),
    /// `import limits [FILE…] [--apply]`
    ImportLimits {
        /// Files to read instead of the host's.
        files: Vec<String>,
        /// Write what is proposed.
        apply: bool,
    },
    /// `export limits`
    ExportLimits,
    /// `help [WORD…]`
    Help(Vec<String>),
    /// `history`
    History,
    /// `exit`
    Exit,
}

/// A command inside `configure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubCommand {
    /// `FIELD VALUE`, `no FIELD`, `user_profile_ref PROFILE`
    Change(Change),
    /// `where`
    Where,
    /// `do show …`
    Do(Show),
    /// `save`, `exit`
    Save,
    /// `cancel`
    Cancel,
    /// `help [WORD…]`
    Help(Vec<String>),
    /// `history`
    History,
}

/// Where a line is typed: at the top or inside `configure` of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The prompt `[USER:HOST]: > `.
    Top,
    /// The prompt `[USER:HOST]: KIND> `.
    Configure(ObjectKind),
}

/// The forms at the top, in the order of the help.
pub const TOP: &[CommandSyntax<Command>] = &[
    CommandSyntax {
        slots: &[Word("show"), Word("useraccountprofile"), Maybe(Profile)],
        help: "all profiles, or one with its fields",
        make: |a| Ok(Command::Show(Show::Object(ObjectKind::Profile, first(a)))),
    },
    CommandSyntax {
        slots: &[Word("show"), Word("user"), Maybe(User)],
        help: "the users that have an entry, or the profile that holds for one",
        make: |a| Ok(Command::Show(Show::Object(ObjectKind::User, first(a)))),
    },
    CommandSyntax {
        slots: &[Word("show"), Word("group"), Maybe(Group)],
        help: "the groups that have an entry, or one",
        make: |a| Ok(Command::Show(Show::Object(ObjectKind::Group, first(a)))),
    },
    CommandSyntax {
        slots: &[Word("show"), Word("useractivity"), Maybe(User)],
        help: "how many sessions users hold",
        make: |a| Ok(Command::Show(Show::Activity(first(a)))),
    },
    CommandSyntax {
        slots: &[Word("show"), Word("session"), Maybe(User)],
        help: "the sessions one by one",
        make: |a| Ok(Command::Show(Show::Sessions(first(a)))),
    },
    CommandSyntax {
        slots: &[Word("status")],
        help: "whether limits take effect on this host, and what to do if not",
        make: |_| Ok(Command::Status),
    },
    CommandSyntax {
        slots: &[Word("explain"), One(User), Maybe(Service)],
        help: "why a user's next login is let in or refused",
        make: |a| Ok(Command::Explain(needed(a), a.get(1).cloned())),
    },
    CommandSyntax {
        slots: &[Word("configure"), Word("useraccountprofile"), One(Profile), Many(Assignments)],
        help: "make or change a profile",
        make: |a| configure(ObjectKind::Profile, a),
    },
    CommandSyntax {
        slots: &[Word("configure"), Word("user"), One(User), Many(Assignments)],
        help: "assign a user to a profile (user_profile_ref)",
        make: |a| configure(ObjectKind::User, a),
    },
    CommandSyntax {
        slots: &[Word("configure"), Word("group"), One(Group), Many(Assignments)],
        help: "assign a group to a profile (user_profile_ref)",
        make: |a| configure(ObjectKind::Group, a),
    },
    CommandSyntax {
        slots: &[Word("delete"), Word("useraccountprofile"), One(Profile)],
        help: "delete a profile that is assigned to no user and no group",
        make: |a| Ok(Command::Delete(ObjectKind::Profile, needed(a))),
    },
    CommandSyntax {
        slots: &[Word("delete"), Word("user"), One(User)],
        help: "remove a user's own entry",
        make: |a| Ok(Command::Delete(ObjectKind::User, needed(a))),
    },
    CommandSyntax {
        slots: &[Word("delete"), Word("group"), One(Group)],
        help: "remove a group's entry",
        make: |a| Ok(Command::Delete(ObjectKind::Group, needed(a))),
    },
    CommandSyntax {
        slots: &[Word("clear"), Word("session"), One(Session)],
        help: "end one session",
        make: |a| session_id(a).map(Command::ClearSession),
    },
    CommandSyntax {
        slots: &[Word("clear"), Word("sessions"), Maybe(User)],
        help: "end a user's sessions, your own others by default",
        make: |a| Ok(Command::ClearSessions(first(a))),
    },
    CommandSyntax {
        slots: &[Word("import"), Word("limits"), Many(Files)],
        help: "propose profiles for pam_limits's maxlogins lines, or write them",
        make: |a| Ok(import(a)),
    },
    CommandSyntax {
        slots: &[Word("export"), Word("limits")],
        help: "print the limits as maxlogins lines of limits.conf",
        make: |_| Ok(Command::ExportLimits),
    },
    CommandSyntax {
        slots: &[Word("help"), Many(ArgumentKind::Command)],
        help: "explain the commands; also ?",
        make: |a| Ok(Command::Help(a.to_vec())),
    },
    CommandSyntax {
        slots: &[Word("?"), Many(ArgumentKind::Command)],
        help: "the same as help",
        make: |a| Ok(Command::Help(a.to_vec())),
    },
    CommandSyntax {
        slots: &[Word("history")],
        help: "the lines typed so far",
        make: |_| Ok(Command::History),
    },
    CommandSyntax {
        slots: &[Word("exit")],
        help: "exit; also Ctrl-D",
        make: |_| Ok(Command::Exit),
    },
];

const SAVE: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("save")],
    help: "write the object and leave",
    make: |_| Ok(SubCommand::Save),
};
const EXIT: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("exit")],
    help: "the same as save",
    make: |_| Ok(SubCommand::Save),
};
const CANCEL: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("cancel")],
    help: "leave without a change; also Ctrl-D",
    make: |_| Ok(SubCommand::Cancel),
};
const WHERE: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("where")],
    help: "the object as it is so far",
    make: |_| Ok(SubCommand::Where),
};
const DO: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("do"), Word("show"), Many(ArgumentKind::Command)],
    help: "run a show command",
    make: do_show,
};
const SUB_HELP: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("help"), Many(ArgumentKind::Command)],
    help: "explain the commands; also ?",
    make: |a| Ok(SubCommand::Help(a.to_vec())),
};
const SUB_QUESTION: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("?"), Many(ArgumentKind::Command)],
    help: "the same as help",
    make: |a| Ok(SubCommand::Help(a.to_vec())),
};
const SUB_HISTORY: CommandSyntax<SubCommand> = CommandSyntax {
    slots: &[Word("history")],
    help: "the lines typed so far",
    make: |_| Ok(SubCommand::History),
};

/// The forms inside `configure useraccountprofile`.
pub const IN_PROFILE: &[CommandSyntax<SubCommand>] = &[
    set_form(&[Word("max_password_history_count"), One(Value)], Field::MaxPasswordHistoryCount),
    set_form(&[Word("max_login_failure_count"), One(Value)], Field::MaxLoginFailureCount),
    set_form(&[Word("account_lock_timeout"), One(Value)], Field::AccountLockTimeout),
    set_form(&[Word("max_concurrent_sessions"), One(Value)], Field::MaxConcurrentSessions),
    set_form(
        &[Word("credentials_timeout_threshold"), One(Value)],
        Field::CredentialsTimeoutThreshold,
    ),
    CommandSyntax {
        slots: &[Word("no"), One(ArgumentKind::Field)],
        help: "take a field back to its default",
        make: |a| Ok(SubCommand::Change(Change::Unset(field_named(&needed(a))?))),
    },
    WHERE,
    DO,
    SAVE,
    EXIT,
    CANCEL,
    SUB_HELP,
    SUB_QUESTION,
    SUB_HISTORY,
];

/// The forms inside `configure user` and `configure group`.
pub const IN_ATTACHMENT: &[CommandSyntax<SubCommand>] = &[
    CommandSyntax {
        slots: &[Word(PROFILE_REF), One(Profile)],
        help: "the profile that holds",
        make: |a| Ok(SubCommand::Change(Change::Attach(needed(a)))),
    },
    WHERE,
    DO,
    SAVE,
    EXIT,
    CANCEL,
    SUB_HELP,
    SUB_QUESTION,
    SUB_HISTORY,
];

const fn set_form(slots: &'static [SyntaxElement], field: Field) -> CommandSyntax<SubCommand> {
    // A plain function has no room for the field, so there is one for each.
    let make: fn(&[String]) -> Result<SubCommand, String> = match field {
        Field::MaxPasswordHistoryCount => |a| set(Field::MaxPasswordHistoryCount, a),
        Field::MaxLoginFailureCount => |a| set(Field::MaxLoginFailureCount, a),
        Field::AccountLockTimeout => |a| set(Field::AccountLockTimeout, a),
        Field::MaxConcurrentSessions => |a| set(Field::MaxConcurrentSessions, a),
        Field::CredentialsTimeoutThreshold => |a| set(Field::CredentialsTimeoutThreshold, a),
    };
    CommandSyntax { slots, help: field.help(), make }
}

/// Returns the forms inside `configure` of a kind.
#[must_use]
pub fn forms_in(kind: ObjectKind) -> &'static [CommandSyntax<SubCommand>] {
    match kind {
        ObjectKind::Profile => IN_PROFILE,
        ObjectKind::User | ObjectKind::Group => IN_ATTACHMENT,
    }
}

/// Reads words typed at the top.
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn command(words: &[String]) -> Result<Command, String> {
    read(TOP, words)
}

/// Reads words typed inside `configure`.
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn sub_command(kind: ObjectKind, words: &[String]) -> Result<SubCommand, String> {
    read(forms_in(kind), words)
}

/// Returns what may follow `words`, with the help of each; empty where they do not fit.
#[must_use]
pub fn expected(mode: Mode, words: &[String]) -> Vec<(Next, &'static str)> {
    match (mode, words) {
        (Mode::Configure(_), [first, rest @ ..]) if first == "do" && !rest.is_empty() => {
            let mut after_do = nexts(TOP, rest);
            after_do.retain(|_| rest.first().is_some_and(|word| word == "show"));
            after_do
        }
        (Mode::Configure(kind), _) => nexts(forms_in(kind), words),
        (Mode::Top, [help, rest @ ..]) if help == "help" || help == "?" => nexts(TOP, rest),
        (Mode::Top, _) => nexts(TOP, words),
    }
}

fn nexts<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Vec<(Next, &'static str)> {
    forms.iter().filter_map(|form| form.next_slot(words).map(|next| (next, form.help))).collect()
}

fn read<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Result<T, String> {
    for form in forms {
        let complete = matches!(
            form.next_slot(words),
            Some(Next::End | Next::SyntaxElement(Maybe(_) | Many(_)))
        );
        if complete {
            return (form.make)(&form.arguments(words));
        }
    }
    Err(misfit(forms, words))
}

/// Says which word does not fit and what was expected in its place.
fn misfit<T>(forms: &[CommandSyntax<T>], words: &[String]) -> String {
    let fitting = |n: usize| nexts(forms, words.get(..n).unwrap_or_default());
    let fits = (0..=words.len()).rev().find(|&n| !fitting(n).is_empty()).unwrap_or(0);
    let mut expected: Vec<String> = Vec::new();
    for (next, _) in fitting(fits) {
        let text = match next {
            Next::SyntaxElement(slot) => slot.to_string(),
            Next::End => "nothing more".to_owned(),
        };
        if !expected.contains(&text) {
            expected.push(text);
        }
    }
    let expected = match expected.as_slice() {
        [one] => one.clone(),
        several => format!("one of: {}", several.join(", ")),
    };
    let before = words.get(..fits).unwrap_or_default().join(" ");
    match words.get(fits) {
        Some(word) if before.is_empty() => format!("unknown command `{word}`, expected {expected}"),
        Some(word) => format!("`{word}` after `{before}`, expected {expected}"),
        None => format!("`{before}` is not complete, expected {expected}"),
    }
}

fn first(arguments: &[String]) -> Option<String> {
    arguments.first().cloned()
}

/// Returns the first argument; a form whose slot is `One` always has it.
fn needed(arguments: &[String]) -> String {
    first(arguments).unwrap_or_default()
}

fn field_named(word: &str) -> Result<Field, String> {
    word.parse().map_err(|()| {
        let names = Field::ALL.map(Field::name).join(", ");
        format!("unknown field `{word}`, expected one of: {names}")
    })
}

fn set(field: Field, arguments: &[String]) -> Result<SubCommand, String> {
    field::value(field, &needed(arguments))
        .map(|value| SubCommand::Change(Change::Set(field, value)))
}

fn configure(kind: ObjectKind, arguments: &[String]) -> Result<Command, String> {
    let (name, rest) = arguments.split_first().ok_or("a name is missing")?;
    let mut changes = Vec::new();
    for pair in rest.chunks(2) {
        let [word, value] = pair else {
            return Err(format!("`{}` is not complete, expected FIELD VALUE", pair.join(" ")));
        };
        changes.push(match kind {
            ObjectKind::Profile if word == "no" => Change::Unset(field_named(value)?),
            ObjectKind::Profile => {
                let field = field_named(word)?;
                Change::Set(field, field::value(field, value)?)
            }
            ObjectKind::User | ObjectKind::Group if word == PROFILE_REF => {
                Change::Attach(value.clone())
            }
            ObjectKind::User | ObjectKind::Group => {
                return Err(format!("unknown field `{word}`, expected {PROFILE_REF}"));
            }
        });
    }
    Ok(Command::Configure(kind, name.clone(), changes))
}

fn session_id(arguments: &[String]) -> Result<i64, String> {
    let typed = needed(arguments);
    match typed.parse() {
        Ok(id) if id > 0 => Ok(id),
        _ => Err(format!("session `{typed}`, expected an id that `show session` lists")),
    }
}

fn import(arguments: &[String]) -> Command {
    let (flags, files): (Vec<_>, Vec<_>) =
        arguments.iter().cloned().partition(|word| word == "--apply");
    Command::ImportLimits { files, apply: !flags.is_empty() }
}

fn do_show(arguments: &[String]) -> Result<SubCommand, String> {
    let mut words = vec!["show".to_owned()];
    words.extend_from_slice(arguments);
    match command(&words)? {
        Command::Show(show) => Ok(SubCommand::Do(show)),
        _ => Err("after `do` expected a show command".to_owned()),
    }
}

#[cfg(test)]
mod tests;
