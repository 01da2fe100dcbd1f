//! Lines → effects: the modes, the history, and what is printed. The same for people and scripts.

use std::io::{self, Write};

use crate::admin::draft::Draft;
use crate::admin::engine::{Done, Engine};
use crate::command::grammar::{self, Command, Mode, SubCommand};
use crate::command::help;
use crate::command::lexer::{self, Filter};
use crate::output::exit_code::{Exit, Failure};
use crate::output::response::{Format, Reply, render_failure};

/// What follows a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next line.
    Go,
    /// The end.
    Leave,
}

/// Runs lines one after the other.
pub struct Interpreter<O> {
    /// Carries the commands out.
    pub engine: Engine,
    format: Format,
    draft: Option<Box<Draft>>,
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
    /// What the command failed of, to be shown by [`Interpreter::complain`].
    pub fn line(&mut self, line: &str) -> Result<Flow, Failure> {
        let typed = lexer::split(line).map_err(|error| usage(error.to_string()))?;
        self.words(&typed.words, typed.filter.as_ref())
    }

    /// Runs one command whose words are known already.
    ///
    /// # Errors
    /// As [`Interpreter::line`].
    pub fn words(&mut self, words: &[String], filter: Option<&Filter>) -> Result<Flow, Failure> {
        if words.is_empty() {
            return Ok(Flow::Go);
        }
        match self.draft.take() {
            None => self.top(words, filter),
            Some(draft) => self.inside(draft, words, filter),
        }
    }

    /// Shows what a command failed of; on the same stream as the answers where a person reads both.
    pub fn complain(&self, failure: &Failure, to: &mut impl Write) {
        // Nobody is left to tell if this fails too.
        let _ = to.write_all(render_failure(failure, self.format).as_bytes());
        let _ = to.flush();
    }

    fn top(&mut self, words: &[String], filter: Option<&Filter>) -> Result<Flow, Failure> {
        match grammar::command(words).map_err(usage)? {
            Command::Exit => return Ok(Flow::Leave),
            Command::Help(words) => self.text(&help::help(Mode::Top, &words), filter)?,
            Command::History => self.show_history(filter)?,
            command => match self.engine.run(&command)? {
                Done::Reply(reply) => self.answer(&reply, filter)?,
                Done::Configure(draft) => {
                    self.greet(&draft, filter)?;
                    self.draft = Some(draft);
                }
            },
        }
        Ok(Flow::Go)
    }

    /// Runs a line of the sub-mode; the draft stays unless it was saved or cancelled.
    fn inside(
        &mut self,
        mut draft: Box<Draft>,
        words: &[String],
        filter: Option<&Filter>,
    ) -> Result<Flow, Failure> {
        let result = match grammar::sub_command(draft.kind(), words).map_err(usage) {
            Ok(SubCommand::Cancel) => return Ok(Flow::Go),
            Ok(SubCommand::Save) => match self.engine.save(&mut draft) {
                Ok(reply) => return self.answer(&reply, filter).map(|()| Flow::Go),
                Err(failure) => Err(failure),
            },
            Ok(command) => self.stay(&mut draft, command, filter),
            Err(failure) => Err(failure),
        };
        self.draft = Some(draft);
        result.map(|()| Flow::Go)
    }

    fn stay(
        &mut self,
        draft: &mut Draft,
        command: SubCommand,
        filter: Option<&Filter>,
    ) -> Result<(), Failure> {
        match command {
            SubCommand::Change(change) => match draft.apply(&change) {
                Some(field) => {
                    self.remark(&format!("Overwriting the previously entered value for {field}\n"))
                }
                None => Ok(()),
            },
            SubCommand::Where => {
                self.remark("Tenant: admin\n")?;
                let table = draft.current().table().to_string();
                let fields: serde_json::Map<_, _> = draft
                    .current()
                    .fields()
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                self.answer(&Reply::new("where", &[fields], table), filter)
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

    fn greet(&mut self, draft: &Draft, filter: Option<&Filter>) -> Result<(), Failure> {
        let text = if draft.is_new() {
            "New object being created\n".to_owned()
        } else {
            format!(
                "Updating an existing object. Currently, the object is:\n{}",
                draft.current().table()
            )
        };
        self.remark(&filter.map_or(text.clone(), |filter| filter.apply(&text)))
    }

    fn show_history(&mut self, filter: Option<&Filter>) -> Result<(), Failure> {
        let lines = (1..).zip(&self.history);
        let text: String = lines
            .map(|(n, line)| format!("{n:5}  {}\n", crate::output::table::printable(line)))
            .collect();
        self.text(&text, filter)
    }

    fn answer(&mut self, reply: &Reply, filter: Option<&Filter>) -> Result<(), Failure> {
        let text = reply.render(self.format, filter);
        self.write(&text)
    }

    fn text(&mut self, text: &str, filter: Option<&Filter>) -> Result<(), Failure> {
        match filter {
            Some(filter) => self.write(&filter.apply(text)),
            None => self.write(text),
        }
    }

    /// Prints what only people need; programs get the answers alone.
    fn remark(&mut self, text: &str) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.write(text),
            Format::Json => Ok(()),
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        match written {
            // Whoever read (`| head`) has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Exit::Success, ""))
            }
            Err(error) => Err(Failure::new(
                Exit::Failed,
                format!("cannot print: {}", session_limit_core::system::error_text(&error)),
            )),
            Ok(()) => Ok(()),
        }
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}
