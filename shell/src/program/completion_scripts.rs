//! Completions for bash, zsh and fish, made from the arguments and the grammar.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use crate::language::grammar::{ArgumentKind, CommandSyntax, SyntaxElement, TOP};
use crate::program::args::Args;
use session_limit_admin::config::field::Field;

/// Returns the completion script for a shell.
#[must_use]
pub fn script(shell: Shell) -> String {
    let mut command = with_commands(&Args::command());
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "shell", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Describes each command as a subcommand; the program itself reads them by its grammar.
fn with_commands(arguments: &Command) -> Command {
    let shown =
        arguments.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "words");
    let mut whole = Command::new("shell").args(shown.map(alone)).disable_help_subcommand(true);
    for form in TOP {
        if let [SyntaxElement::Word(first), rest @ ..] = form.slots {
            if is_for_a_prompt(first) {
                continue;
            }
            let known = whole.find_subcommand(first).is_some();
            whole = match (known, rest) {
                (true, [SyntaxElement::Word(second), ..]) => {
                    whole.mut_subcommand(first, |sub| sub.subcommand(leaf(second, form)))
                }
                (false, [SyntaxElement::Word(second), ..]) => whole.subcommand(
                    Command::new(*first)
                        .disable_help_subcommand(true)
                        .subcommand(leaf(second, form)),
                ),
                _ => whole.subcommand(leaf(first, form)),
            };
        }
    }
    whole
}

/// Returns an option without its ties to others, which are not all shown.
fn alone(option: &Arg) -> Arg {
    let mut alone = Arg::new(option.get_id().clone())
        .action(option.get_action().clone())
        .value_hint(option.get_value_hint());
    if let Some(long) = option.get_long() {
        alone = alone.long(long.to_owned());
    }
    if let Some(short) = option.get_short() {
        alone = alone.short(short);
    }
    if let Some(help) = option.get_help() {
        alone = alone.help(help.clone());
    }
    if let Some(number) = option.get_num_args() {
        alone = alone.num_args(number);
    }
    match option.get_possible_values() {
        // A flag has the values true and false, which no user types.
        values if !values.is_empty() && option.get_action().takes_values() => {
            alone.value_parser(PossibleValuesParser::new(values))
        }
        _ => alone,
    }
}

/// Returns whether a command means nothing outside a prompt.
fn is_for_a_prompt(word: &str) -> bool {
    matches!(word, "?" | "history" | "exit" | "quit" | "logout")
}

fn leaf<T>(word: &'static str, form: &CommandSyntax<T>) -> Command {
    let leaf = Command::new(word).about(form.help);
    let asks_for_fields = form
        .slots
        .iter()
        .any(|slot| matches!(slot, SyntaxElement::Many(ArgumentKind::Assignments)));
    let takes_files =
        form.slots.iter().any(|slot| matches!(slot, SyntaxElement::Many(ArgumentKind::Files)));
    match (asks_for_fields, takes_files) {
        (true, _) if word == "useraccountprofile" => {
            let numbers = Field::ALL.map(Field::name);
            let fields = numbers.into_iter().chain([crate::language::grammar::ON_LIMIT]);
            leaf.arg(Arg::new("name"))
                .arg(Arg::new("field").value_parser(PossibleValuesParser::new(fields)))
        }
        (true, _) => leaf
            .arg(Arg::new("name"))
            .arg(Arg::new("field").value_parser([crate::language::grammar::PROFILE_REF])),
        (_, true) => leaf
            .arg(
                Arg::new("apply")
                    .long("apply")
                    .action(clap::ArgAction::SetTrue)
                    .help("Write what is proposed"),
            )
            .arg(Arg::new("files").num_args(0..).value_hint(clap::ValueHint::FilePath)),
        _ => leaf,
    }
}
