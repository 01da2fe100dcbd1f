//! Commands without a person: from the command line or a script. The first failure ends them.

use std::io::{BufRead, Read, Write};

use crate::command::executor::{ControlFlow, Interpreter};
use crate::language::grammar::{self, Command, Mode};
use crate::language::lexer::MAX_LINE;
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::pipeline::Pipeline;

/// Runs the words of the command line as one command.
///
/// # Errors
/// What the command failed of.
pub fn run_words<O: Write>(
    interpreter: &mut Interpreter<O>,
    words: &[String],
) -> Result<(), CommandError> {
    if let Ok(Command::Configure(_, _, changes)) = grammar::command(words) {
        if changes.is_empty() {
            let message = format!("`{}` is not complete, expected FIELD VALUE", words.join(" "));
            return Err(CommandError::new(ExitCode::Usage, message));
        }
    }
    interpreter.words(words, &Pipeline::default()).map(drop)
}

/// Runs lines given as `-c LINE`.
///
/// # Errors
/// What the first line to fail failed of.
pub fn run_lines<O: Write>(
    interpreter: &mut Interpreter<O>,
    lines: &[String],
) -> Result<(), CommandError> {
    for line in lines.iter().flat_map(|given| given.lines()) {
        if interpreter.line(line)? == ControlFlow::Exit {
            return Ok(());
        }
    }
    finished(interpreter, "-c")
}

/// Runs a script, line by line as it arrives.
///
/// # Errors
/// What the first line to fail failed of, with the number of the line.
pub fn run_script<O: Write>(
    interpreter: &mut Interpreter<O>,
    mut script: impl BufRead,
) -> Result<(), CommandError> {
    for number in 1_usize.. {
        let placed = |failure: CommandError| match failure.exit {
            ExitCode::Success => failure,
            _ => CommandError { message: format!("line {number}: {}", failure.message), ..failure },
        };
        let Some(line) = read_line(&mut script).map_err(placed)? else { break };
        if interpreter.line(&line).map_err(placed)? == ControlFlow::Exit {
            return Ok(());
        }
    }
    finished(interpreter, "the script")
}

/// Reads a line of bounded length.
fn read_line(script: &mut impl BufRead) -> Result<Option<String>, CommandError> {
    let usage = |message: String| CommandError::new(ExitCode::Usage, message);
    let mut line = Vec::new();
    let mut bounded = script.by_ref().take(MAX_LINE as u64 + 2);
    bounded.read_until(b'\n', &mut line).map_err(|error| {
        CommandError::new(
            ExitCode::Failed,
            format!("cannot read: {}", session_limit_core::system::error_text(&error)),
        )
    })?;
    if line.is_empty() {
        return Ok(None);
    }
    let line = String::from_utf8(line).map_err(|_| usage("not UTF-8, expected text".to_owned()))?;
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}

fn finished<O: Write>(interpreter: &Interpreter<O>, what: &str) -> Result<(), CommandError> {
    match interpreter.mode() {
        Mode::Top => Ok(()),
        Mode::Configure(_) => Err(CommandError::new(
            ExitCode::Usage,
            format!(
                "{what} ends inside `configure`, expected save, exit or cancel; nothing was saved"
            ),
        )),
    }
}
