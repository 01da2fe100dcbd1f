//! Lines → effects: the modes, the history, and what is printed. The same for people and scripts.

use crate::output::table::Table;
use std::io::{self, Write};

use crate::command::engine::{CommandOutcome, Engine};
use crate::command::grammar::{self, Command, Mode, SubCommand};
use crate::command::help;
use crate::command::lexer::{self, Filter};
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::response::{Format, Response, render_failure};
use session_limit_admin::draft::ConfigDraft;

/// What follows a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlFlow {
    /// The next line.
    Continue,
    /// The end.
    Exit,
}

/// Runs lines one after the other.
pub struct Interpreter<O> {
    /// Carries the commands out.
    pub engine: Engine,
    format: Format,
    draft: Option<Box<ConfigDraft>>,
    history: Vec<String>,
    out: O,
}

impl<O: Write> Interpreter<O> {
    /// Makes an interpreter that prints to `out`.
    pub fn new(engine: Engine, format: Format, out: O) -> Self {
        Self { engine, format, draft: None, history: Vec::new(), out }
    }

    /// Returns where the next line is typed.
    pub fn mode(&self) -> Mode {
        self.draft.as_ref().map_or(Mode::Top, |draft| Mode::Configure(draft.kind()))
    }

    /// Keeps a line for `history`.
    pub fn remember(&mut self, line: &str) {
        if self.history.last().is_none_or(|last| last != line) {
            self.history.push(line.to_owned());
        }
    }

    /// Leaves the sub-mode, if in one, without a change.
    pub fn cancel(&mut self) {
        self.draft = None;
    }

    /// Runs one line.
    ///
    /// # Errors
    /// What the command failed of, to be shown by [`Interpreter::report_error`].
    pub fn line(&mut self, line: &str) -> Result<ControlFlow, CommandError> {
        let typed = lexer::split(line).map_err(|error| usage(error.to_string()))?;
        self.words(&typed.words, typed.filter.as_ref())
    }

    /// Runs one command whose words are known already.
    ///
    /// # Errors
    /// As [`Interpreter::line`].
    pub fn words(
        &mut self,
        words: &[String],
        filter: Option<&Filter>,
    ) -> Result<ControlFlow, CommandError> {
        if words.is_empty() {
            return Ok(ControlFlow::Continue);
        }
        match self.draft.take() {
            None => self.top(words, filter),
            Some(draft) => self.inside(draft, words, filter),
        }
    }

    /// Shows what a command failed of; on the same stream as the answers where a person reads both.
    pub fn report_error(&self, failure: &CommandError, to: &mut impl Write) {
        // Nobody is left to tell if this fails too.
        let _ = to.write_all(render_failure(failure, self.format).as_bytes());
        let _ = to.flush();
    }

    fn top(
        &mut self,
        words: &[String],
        filter: Option<&Filter>,
    ) -> Result<ControlFlow, CommandError> {
        match grammar::command(words).map_err(usage)? {
            Command::Exit => return Ok(ControlFlow::Exit),
            Command::Help(words) => self.text(&help::help(Mode::Top, &words), filter)?,
            Command::History => self.show_history(filter)?,
            command => match self.engine.run(&command)? {
                CommandOutcome::Response(reply) => self.answer(&reply, filter)?,
                CommandOutcome::Configure(draft) => {
                    self.print_draft_intro(&draft, filter)?;
                    self.draft = Some(draft);
                }
            },
        }
        Ok(ControlFlow::Continue)
    }

    /// Runs a line of the sub-mode; the draft stays unless it was saved or cancelled.
    fn inside(
        &mut self,
        mut draft: Box<ConfigDraft>,
        words: &[String],
        filter: Option<&Filter>,
    ) -> Result<ControlFlow, CommandError> {
        let result = match grammar::sub_command(draft.kind(), words).map_err(usage) {
            Ok(SubCommand::Cancel) => return Ok(ControlFlow::Continue),
            Ok(SubCommand::Save) => match self.engine.save(&mut draft) {
                Ok(reply) => return self.answer(&reply, filter).map(|()| ControlFlow::Continue),
                Err(failure) => Err(failure),
            },
            Ok(command) => self.stay(&mut draft, command, filter),
            Err(failure) => Err(failure),
        };
        self.draft = Some(draft);
        result.map(|()| ControlFlow::Continue)
    }

    fn stay(
        &mut self,
        draft: &mut ConfigDraft,
        command: SubCommand,
        filter: Option<&Filter>,
    ) -> Result<(), CommandError> {
        match command {
            SubCommand::Change(change) => match draft.apply(&change) {
                Some(field) => self.print_notice(&format!(
                    "Overwriting the previously entered value for {field}\n"
                )),
                None => Ok(()),
            },
            SubCommand::Where => {
                self.print_notice("Tenant: admin\n")?;
                let table = Table::of_fields(draft.current().fields()).to_string();
                let fields: serde_json::Map<_, _> = draft
                    .current()
                    .fields()
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                self.answer(&Response::new("where", &[fields], table), filter)
            }
            SubCommand::Do(show) => {
                let reply = self.engine.show(&show)?;
                self.answer(&reply, filter)
            }
            SubCommand::Help(words) => {
                let text = help::help(Mode::Configure(draft.kind()), &words);
                self.text(&text, filter)
            }
            SubCommand::History => self.show_history(filter),
            SubCommand::Save | SubCommand::Cancel => Ok(()),
        }
    }

    fn print_draft_intro(
        &mut self,
        draft: &ConfigDraft,
        filter: Option<&Filter>,
    ) -> Result<(), CommandError> {
        let text = if draft.is_new() {
            "New object being created\n".to_owned()
        } else {
            format!(
                "Updating an existing object. Currently, the object is:\n{}",
                Table::of_fields(draft.current().fields())
            )
        };
        self.print_notice(&filter.map_or(text.clone(), |filter| filter.apply(&text)))
    }

    fn show_history(&mut self, filter: Option<&Filter>) -> Result<(), CommandError> {
        let lines = (1..).zip(&self.history);
        let text: String = lines
            .map(|(n, line)| format!("{n:5}  {}\n", crate::output::table::printable(line)))
            .collect();
        self.text(&text, filter)
    }

    fn answer(&mut self, reply: &Response, filter: Option<&Filter>) -> Result<(), CommandError> {
        let text = reply.render(self.format, filter);
        self.write(&text)?;
        reply.failure().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn text(&mut self, text: &str, filter: Option<&Filter>) -> Result<(), CommandError> {
        match filter {
            Some(filter) => self.write(&filter.apply(text)),
            None => self.write(text),
        }
    }

    /// Prints what only people need; programs get the answers alone.
    fn print_notice(&mut self, text: &str) -> Result<(), CommandError> {
        match self.format {
            Format::Table => self.write(text),
            Format::Json => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), CommandError> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        match written {
            // Whoever read (`| head`) has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(CommandError::new(ExitCode::Success, ""))
            }
            Err(error) => Err(CommandError::new(
                ExitCode::Failed,
                format!("cannot print: {}", session_limit_core::system::error_text(&error)),
            )),
            Ok(()) => Ok(()),
        }
    }
}

fn usage(message: String) -> CommandError {
    CommandError::new(ExitCode::Usage, message)
}
