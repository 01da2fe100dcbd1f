//! The prompt: login, lines, silent re-validation, and the way out.

use std::io::{self, Write};

use crate::command::engine::Engine;
use crate::command::executor::{ControlFlow, Interpreter};
use crate::interactive::dialogue::LoginError;
use crate::interactive::line_reader::{Input, LineReader};
use crate::interactive::login::{self, Typed, log_in, say};
use crate::interactive::screen::TerminalScreen;
use crate::interactive::session::{HeldSession, Route};
use crate::interactive::terminal;
use crate::language::grammar::Mode;
use crate::output::exit_code::ExitCode;
use crate::program::args::Args;
use session_limit_session::hardening;
use session_limit_session::ipc::local::LocalLogin;

/// Logs a user in and runs what they type.
#[must_use]
pub fn run(args: &Args, route: &Route) -> ExitCode {
    if !terminal::is_interactive() {
        return report_error(
            "a login needs a terminal, expected one on standard input and output (ssh -t)",
        );
    }
    let unfit = |error: &dyn std::fmt::Display| {
        report_error(&format!("the terminal cannot be prepared: {error}"))
    };
    // The editor takes SIGINT for itself when it is made; made first, it is asked second.
    let prompt = match LineReader::new() {
        Ok(prompt) => prompt,
        Err(error) => return unfit(&error),
    };
    if let Err(error) = hardening::protect()
        .and_then(|()| terminal::prepare())
        .and_then(|()| terminal::forbid_suspension())
    {
        return unfit(&error);
    }
    let login = LocalLogin { user: args.user.clone(), clear_sessions: args.clear_sessions };
    let (credentials, held) = match log_in(route, &login) {
        Ok(in_now) => in_now,
        Err(exit) => return exit,
    };
    let engine = match held.engine(args) {
        Ok(engine) => engine,
        Err(failure) => {
            held.end();
            say(&format!("shell: {failure}"));
            return failure.exit;
        }
    };
    let mut person = InteractiveAnswers { args, route, credentials, held };
    let exit = converse(prompt, &mut person, engine);
    person.held.end();
    exit
}

fn report_error(problem: &str) -> ExitCode {
    say(&format!("shell: {problem}"));
    ExitCode::Usage
}

/// Who is logged in, and how.
struct InteractiveAnswers<'a> {
    args: &'a Args,
    route: &'a Route,
    credentials: Typed,
    held: HeldSession,
}

fn converse(
    mut reader: LineReader,
    person: &mut InteractiveAnswers<'_>,
    engine: Engine,
) -> ExitCode {
    let mut interpreter =
        Interpreter::new(engine, person.args.format(), io::stdout(), Box::new(TerminalScreen));
    loop {
        let mode = interpreter.mode();
        let line = match reader.read(&text(person.held.user(), mode), mode, &interpreter.engine) {
            Input::Line(line) => line,
            Input::Interrupted => continue,
            Input::End if mode != Mode::Top => {
                interpreter.cancel();
                continue;
            }
            Input::End => return ExitCode::Success,
        };
        if line.trim().is_empty() {
            continue;
        }
        interpreter.remember(&line);
        // To exit needs no session.
        let exits = mode == Mode::Top && matches!(line.trim(), "exit" | "quit" | "logout");
        if !exits && !person.held.is_alive() {
            match person.validate_again(&mut interpreter) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(exit) => return exit,
            }
        }
        match terminal::while_running(|| interpreter.line(&line)) {
            Ok(ControlFlow::Continue) => {}
            Ok(ControlFlow::Exit) => return ExitCode::Success,
            Err(failure) => interpreter.report_error(&failure, &mut io::stderr()),
        }
    }
}

impl InteractiveAnswers<'_> {
    /// Opens a new session with the same credentials; returns whether the typed line may run.
    ///
    /// Where that is refused the reason is shown and `Login:` is offered again; the line is dropped,
    /// for it was typed by the user who was logged in before.
    fn validate_again<O: Write>(
        &mut self,
        interpreter: &mut Interpreter<O>,
    ) -> Result<bool, ExitCode> {
        let mut answers = self.credentials.again();
        // Never through the clearing service: two prompts would end each other again and again.
        let login = LocalLogin { user: self.args.user.clone(), clear_sessions: false };
        match HeldSession::log_in(self.route, &login, &mut answers) {
            Ok(held) => {
                self.replace(held, interpreter)?;
                Ok(true)
            }
            Err(error) => {
                answers.show_what_was_said();
                match error {
                    // A question that only the user can answer, such as a code that is good once.
                    LoginError::GaveUp => say("Please log in again."),
                    error => login::explain(&error),
                }
                interpreter.cancel();
                let (credentials, held) = log_in(self.route, &LocalLogin::default())?;
                self.credentials = credentials;
                self.replace(held, interpreter)?;
                Ok(false)
            }
        }
    }

    fn replace<O: Write>(
        &mut self,
        held: HeldSession,
        interpreter: &mut Interpreter<O>,
    ) -> Result<(), ExitCode> {
        let old = std::mem::replace(&mut self.held, held);
        old.end();
        match self.held.engine(self.args) {
            Ok(engine) => {
                interpreter.engine = engine;
                Ok(())
            }
            Err(failure) => {
                interpreter.report_error(&failure, &mut io::stderr());
                Err(failure.exit)
            }
        }
    }
}

/// Returns the prompt: user, host with dots as dashes, mode.
fn text(user: &str, mode: Mode) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().replace('.', "-");
    let mode = match mode {
        Mode::Top => "",
        Mode::Configure(kind) => kind.word(),
    };
    format!("[{}:{host}]: {mode}> ", crate::output::table::printable(user))
}
