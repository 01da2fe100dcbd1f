//! The commands: one table of forms, from which lines are parsed, completed and explained.

use session_limit_admin::config::field::Field;
use session_limit_admin::config::object::ON_LIMIT_HELP;
pub use session_limit_admin::config::object::{Change, ON_LIMIT, ObjectKind, PROFILE_REF};
use session_limit_core::fleet::HostSession;

use super::arguments::{
    check_limit, cleared_session, configure, import, profile_change, set, unset,
};
use super::parse;
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
    /// `show fleet`
    Fleet,
    /// `show refusal [USER]`
    Refusals(Option<String>),
}

/// A command at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `show …`
    Show(Show),
    /// `watch show …`
    Watch(Show),
    /// `configure KIND NAME [FIELD VALUE]…`; without changes it opens the sub-mode.
    Configure(ObjectKind, String, Vec<Change>),
    /// `delete KIND NAME`
    Delete(ObjectKind, String),
    /// `clear session ID`
    ClearSession(i64),
    /// `clear session HOST:ID`
    ClearSessionOf(HostSession),
    /// `clear sessions [USER]`
    ClearSessions(Option<String>),
    /// `unlock user NAME`
    Unlock(String),
    /// `status`
    Status,
    /// `explain USER [SERVICE]`
    Explain(String, Option<String>),
    /// `check useraccountprofile NAME max_concurrent_sessions N`
    CheckLimit(String, u32),
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
        slots: &[Word("show"), Word("fleet")],
        help: "the hosts that share one limit",
        make: |_| Ok(Command::Show(Show::Fleet)),
    },
    CommandSyntax {
        slots: &[Word("show"), Word("refusal"), Maybe(User)],
        help: "the last logins that were refused, and what held the slots",
        make: |a| Ok(Command::Show(Show::Refusals(first(a)))),
    },
    CommandSyntax {
        slots: &[Word("watch"), Word("show"), Many(ArgumentKind::Command)],
        help: "repeat a show command every two seconds; q or Ctrl-C ends it",
        make: |a| show(a).map(Command::Watch),
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
        slots: &[Word("check"), Word("useraccountprofile"), One(Profile), Many(Assignments)],
        help: "whom a limit would refuse, now and in the last days",
        make: check_limit,
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
        make: cleared_session,
    },
    CommandSyntax {
        slots: &[Word("clear"), Word("sessions"), Maybe(User)],
        help: "end a user's sessions, your own others by default",
        make: |a| Ok(Command::ClearSessions(first(a))),
    },
    CommandSyntax {
        slots: &[Word("unlock"), Word("user"), One(User)],
        help: "forget a user's failed logins, which may lock the account",
        make: |a| Ok(Command::Unlock(needed(a))),
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
    CommandSyntax { slots: &[Word("quit")], help: "the same as exit", make: |_| Ok(Command::Exit) },
    CommandSyntax {
        slots: &[Word("logout")],
        help: "the same as exit",
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
    make: |a| show(a).map(SubCommand::Do),
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
        slots: &[Word(ON_LIMIT), One(ArgumentKind::OnLimit)],
        help: ON_LIMIT_HELP,
        make: |a| Ok(SubCommand::Change(profile_change(ON_LIMIT, &needed(a))?)),
    },
    CommandSyntax {
        slots: &[Word("no"), One(ArgumentKind::Field)],
        help: "take a field back to its default",
        make: |a| Ok(SubCommand::Change(unset(&needed(a))?)),
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
        make: |a| Ok(SubCommand::Change(Change::Assign(needed(a)))),
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

/// Parses words typed at the top.
///
/// A word of the grammar may be abbreviated as long as only one word begins so; a `?` at the end
/// asks for the help of what is before it.
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn command(words: &[String]) -> Result<Command, String> {
    match before_question_mark(words) {
        Some(before) => Ok(Command::Help(before.to_vec())),
        None => parse::parse(TOP, words),
    }
}

/// Parses words typed inside `configure`; see [`command`].
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn sub_command(kind: ObjectKind, words: &[String]) -> Result<SubCommand, String> {
    match before_question_mark(words) {
        Some(before) => Ok(SubCommand::Help(before.to_vec())),
        None => parse::parse(forms_in(kind), words),
    }
}

/// Returns what may follow `words`, with the help of each; empty where they do not fit.
#[must_use]
pub fn expected(mode: Mode, words: &[String]) -> Vec<(Next, &'static str)> {
    let words = &match mode {
        Mode::Top => parse::expand(TOP, words),
        Mode::Configure(kind) => parse::expand(forms_in(kind), words),
    }
    .unwrap_or_else(|_| words.to_vec());
    match (mode, words.as_slice()) {
        (_, [first, rest @ ..]) if (first == "do" || first == "watch") && !rest.is_empty() => {
            let rest = &parse::expand(TOP, rest).unwrap_or_else(|_| rest.to_vec());
            let mut after = parse::nexts(TOP, rest);
            after.retain(|_| rest.first().is_some_and(|word| word == "show"));
            after
        }
        (Mode::Configure(kind), _) => parse::nexts(forms_in(kind), words),
        (Mode::Top, [help, rest @ ..]) if help == "help" || help == "?" => parse::nexts(TOP, rest),
        (Mode::Top, _) => parse::nexts(TOP, words),
    }
}

fn before_question_mark(words: &[String]) -> Option<&[String]> {
    match words.split_last() {
        Some((last, before)) if last == "?" && !before.is_empty() => Some(before),
        _ => None,
    }
}

/// What the first words mean that begin several commands, for lists of what may be typed.
const FIRST_WORDS: [(&str, &str); 9] = [
    ("show", "look at profiles, users, groups, sessions and refusals"),
    ("watch", "repeat a show command"),
    ("check", "try a limit out without saving it"),
    ("configure", "make or change a profile, or assign one"),
    ("delete", "delete a profile or an assignment"),
    ("clear", "end sessions"),
    ("import", "take over limits of pam_limits"),
    ("export", "print limits for pam_limits"),
    ("do", "run a show command"),
];

/// Returns what a word means after `words`, where it begins several commands.
#[must_use]
pub fn first_word_help(words: &[String], word: &str) -> Option<&'static str> {
    let of_word = FIRST_WORDS.iter().find(|(first, _)| words.is_empty() && *first == word);
    of_word.map(|(_, help)| *help)
}

/// Returns whether a form is of use only to root and the members of `admin_groups`: the help of
/// others leaves it out.
#[must_use]
pub fn is_for_administrators(slots: &[SyntaxElement]) -> bool {
    matches!(
        slots,
        [Word("status" | "check" | "configure" | "delete" | "unlock" | "import" | "export"), ..]
            | [Word("show"), Word("group" | "fleet"), ..]
    )
}

fn first(arguments: &[String]) -> Option<String> {
    arguments.first().cloned()
}

/// Returns the first argument; a form whose slot is `One` always has it.
pub(super) fn needed(arguments: &[String]) -> String {
    first(arguments).unwrap_or_default()
}

/// Reads what follows the word `show`.
fn show(arguments: &[String]) -> Result<Show, String> {
    let mut words = vec!["show".to_owned()];
    words.extend_from_slice(arguments);
    match command(&words)? {
        Command::Show(show) => Ok(show),
        _ => Err("expected a show command".to_owned()),
    }
}

#[cfg(test)]
mod tests;
