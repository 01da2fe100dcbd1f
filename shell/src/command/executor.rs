//! Lines → effects: the modes, the history, and what is printed. The same for people and scripts.

use std::io::{self, Write};
use std::time::Duration;

use crate::command::engine::{CommandOutcome, Engine};
use crate::language::grammar::{self, Command, Mode, Show, SubCommand};
use crate::language::help;
use crate::language::lexer;
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::pipeline::Pipeline;
use crate::output::response::{Format, Response, render_failure};
use crate::output::screen::Screen;
use crate::output::table::{Table, printable};
use session_limit_admin::config::draft::ConfigDraft;

/// How long `watch` shows an answer.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

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
    screen: Box<dyn Screen>,
}

impl<O: Write> Interpreter<O> {
    /// Makes an interpreter that prints to `out`, with what the terminal can do.
    pub fn new(engine: Engine, format: Format, out: O, screen: Box<dyn Screen>) -> Self {
        Self { engine, format, draft: None, history: Vec::new(), out, screen }
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

    /// Ends the sub-mode, if in one, without a change.
    pub fn cancel(&mut self) {
        self.draft = None;
    }

    /// Runs one line.
    ///
    /// # Errors
    /// What the command failed of, to be shown by [`Interpreter::report_error`].
    pub fn line(&mut self, line: &str) -> Result<ControlFlow, CommandError> {
        let typed = lexer::split(line).map_err(|error| usage(error.to_string()))?;
        self.words(&typed.words, &typed.pipeline)
    }

    /// Runs one command whose words are known already.
    ///
    /// # Errors
    /// As [`Interpreter::line`].
    pub fn words(
        &mut self,
        words: &[String],
        pipeline: &Pipeline,
    ) -> Result<ControlFlow, CommandError> {
        if words.is_empty() {
            return Ok(ControlFlow::Continue);
        }
        match self.draft.take() {
            None => self.top(words, pipeline),
            Some(draft) => self.inside(draft, words, pipeline),
        }
    }

    /// Shows what a command failed of; on the same stream as the answers where a person reads both.
    pub fn report_error(&self, failure: &CommandError, to: &mut impl Write) {
        // If this fails too, no reader is left.
        let _ = to.write_all(render_failure(failure, self.format).as_bytes());
        let _ = to.flush();
    }

    fn top(&mut self, words: &[String], pipeline: &Pipeline) -> Result<ControlFlow, CommandError> {
        match grammar::command(words).map_err(usage)? {
            Command::Exit => return Ok(ControlFlow::Exit),
            Command::Help(words) => {
                let help = help::help(Mode::Top, &words, self.engine.admin.administers());
                self.answer(&help, pipeline)?;
            }
            Command::Watch(show) => self.watch(&show, pipeline)?,
            Command::History => self.show_history(pipeline)?,
            command => match self.engine.run(&command)? {
                CommandOutcome::Response(reply) => self.answer(&reply, pipeline)?,
                CommandOutcome::Configure(draft) => {
                    self.print_draft_intro(&draft, pipeline)?;
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
        pipeline: &Pipeline,
    ) -> Result<ControlFlow, CommandError> {
        let result = match grammar::sub_command(draft.kind(), words).map_err(usage) {
            Ok(SubCommand::Cancel) => return Ok(ControlFlow::Continue),
            Ok(SubCommand::Save) => match self.engine.save(&mut draft) {
                Ok(reply) => return self.answer(&reply, pipeline).map(|()| ControlFlow::Continue),
                Err(failure) => Err(failure),
            },
            Ok(command) => self.stay(&mut draft, command, pipeline),
            Err(failure) => Err(failure),
        };
        self.draft = Some(draft);
        result.map(|()| ControlFlow::Continue)
    }

    fn stay(
        &mut self,
        draft: &mut ConfigDraft,
        command: SubCommand,
        pipeline: &Pipeline,
    ) -> Result<(), CommandError> {
        match command {
            SubCommand::Change(change) => match draft.apply(&change) {
                Some(field) => self.print_notice(&format!(
                    "Overwriting the previously entered value for {field}\n"
                )),
                None => Ok(()),
            },
            SubCommand::Where => {
                let table = Table::of_fields(draft.current().fields()).to_string();
                let fields: serde_json::Map<_, _> = draft
                    .current()
                    .fields()
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                self.answer(&Response::new("where", &[fields], table), pipeline)
            }
            SubCommand::Do(show) => {
                let reply = self.engine.show(&show)?;
                self.answer(&reply, pipeline)
            }
            SubCommand::Help(words) => {
                self.answer(&help::help(Mode::Configure(draft.kind()), &words, true), pipeline)
            }
            SubCommand::History => self.show_history(pipeline),
            SubCommand::Save | SubCommand::Cancel => Ok(()),
        }
    }

    fn print_draft_intro(
        &mut self,
        draft: &ConfigDraft,
        pipeline: &Pipeline,
    ) -> Result<(), CommandError> {
        let text = if draft.is_new() {
            "New object being created\n".to_owned()
        } else {
            format!(
                "Updating an existing object. Currently, the object is:\n{}",
                Table::of_fields(draft.current().fields())
            )
        };
        self.print_notice(&pipeline.apply(&text))
    }

    /// Shows something again and again, until the user stops it or the reader is gone.
    fn watch(&mut self, show: &Show, pipeline: &Pipeline) -> Result<(), CommandError> {
        loop {
            let reply = self.engine.show(show)?;
            self.warn(&reply);
            let text = reply.render(self.format, pipeline);
            self.screen.clear().map_err(|error| cannot_print(&error))?;
            self.write(&text)?;
            if self.screen.pause(WATCH_INTERVAL).map_err(|error| cannot_print(&error))? {
                return Ok(());
            }
        }
    }

    fn show_history(&mut self, pipeline: &Pipeline) -> Result<(), CommandError> {
        let text: String = (1..)
            .zip(&self.history)
            .map(|(n, line)| format!("{n:5}  {}\n", printable(line)))
            .collect();
        self.answer(&Response::new("history", &self.history, text), pipeline)
    }

    fn answer(&mut self, reply: &Response, pipeline: &Pipeline) -> Result<(), CommandError> {
        self.warn(reply);
        let text = reply.render(self.format, pipeline);
        if pipeline.pages() {
            return self.screen.page(&text, &mut self.out).or_else(not_printed);
        }
        self.write(&text)?;
        reply.failure().map_or(Ok(()), |failure| Err(failure.clone()))
    }

    fn warn(&self, reply: &Response) {
        // If this fails too, no reader is left.
        let _ = io::stderr().write_all(reply.warning_lines(self.format).as_bytes());
    }

    /// Prints what only people need; programs get the answers alone.
    fn print_notice(&mut self, text: &str) -> Result<(), CommandError> {
        match self.format {
            Format::Table => self.write(text),
            Format::Json => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), CommandError> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).or_else(not_printed)
    }
}

/// Says why there is no output; a reader that is gone (`| head`) has seen enough.
fn not_printed(error: io::Error) -> Result<(), CommandError> {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Err(CommandError::new(ExitCode::Success, "")),
        _ => Err(cannot_print(&error)),
    }
}

fn cannot_print(error: &io::Error) -> CommandError {
    let reason = session_limit_core::system::error_text(error);
    CommandError::new(ExitCode::Failed, format!("cannot print: {reason}"))
}

fn usage(message: String) -> CommandError {
    CommandError::new(ExitCode::Usage, message)
}
