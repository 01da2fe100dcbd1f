//! Completions for bash, zsh and fish, made from the arguments and the grammar.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use crate::args::Args;
use crate::grammar::{Form, Noun, Slot, TOP};

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
    // Made anew: the hidden arguments are for programs, and the words are told by the commands.
    let shown =
        arguments.get_arguments().filter(|arg| !arg.is_hide_set() && arg.get_id() != "words");
    let mut whole = Command::new("shell").args(shown).disable_help_subcommand(true);
    for form in TOP {
        if let [Slot::Word(first), rest @ ..] = form.slots {
            if is_for_a_prompt(first) {
                continue;
            }
            let known = whole.find_subcommand(first).is_some();
            whole = match (known, rest) {
                (true, [Slot::Word(second), ..]) => {
                    whole.mut_subcommand(first, |sub| sub.subcommand(leaf(second, form)))
                }
                (false, [Slot::Word(second), ..]) => whole.subcommand(
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

/// Returns whether a command means nothing outside a prompt.
fn is_for_a_prompt(word: &str) -> bool {
    matches!(word, "?" | "history" | "exit")
}

fn leaf<T>(word: &'static str, form: &Form<T>) -> Command {
    let leaf = Command::new(word).about(form.help);
    let asks_for_fields =
        form.slots.iter().any(|slot| matches!(slot, Slot::Many(Noun::Assignments)));
    let takes_files = form.slots.iter().any(|slot| matches!(slot, Slot::Many(Noun::Files)));
    match (asks_for_fields, takes_files) {
        (true, _) if word == "useraccountprofile" => {
            let fields = crate::field::Field::ALL.map(crate::field::Field::name);
            leaf.arg(Arg::new("name"))
                .arg(Arg::new("field").value_parser(PossibleValuesParser::new(fields)))
        }
        (true, _) => leaf
            .arg(Arg::new("name"))
            .arg(Arg::new("field").value_parser([crate::grammar::PROFILE_REF])),
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
