//! The prompt: login, lines, silent re-validation, and the way out.

use std::io::{self, Write};

use crate::command::engine::{Engine, PROGRAM};
use crate::command::executor::{ControlFlow, Interpreter};
use crate::interactive::line_reader::{Input, LineReader};
use crate::interactive::login::{self, HeldSession, LoginError, Typed};
use crate::interactive::screen::TerminalScreen;
use crate::interactive::terminal;
use crate::language::grammar::Mode;
use crate::output::exit_code::{CommandError, ExitCode};
use crate::program::args::Args;
use session_limit_admin::administration::{Administration, user_named};
use session_limit_admin::config_store::ConfigFile;
use session_limit_admin::sessions::Sessions;
use session_limit_core::model::sanitize::printable;
use session_limit_session::hardening;
use session_limit_session::pam_client::{self, LoginStart, Verdict};

/// PAM service of a login.
const SERVICE: &str = "shell";
/// PAM service of a login that ends the user's other sessions.
const CLEARING_SERVICE: &str = "shell-clear-sessions";
/// How often name and password may be wrong.
const TRIES: usize = 3;

/// Logs a user in and runs what they type.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
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
    let (credentials, held) = match first_login(args) {
        Ok(in_now) => in_now,
        Err(exit) => return exit,
    };
    let engine = match engine_for(args, &held) {
        Ok(engine) => engine,
        Err(failure) => {
            held.end();
            say(&format!("shell: {failure}"));
            return failure.exit;
        }
    };
    let mut person = InteractiveAnswers { args, credentials, held };
    let exit = converse(prompt, &mut person, engine);
    person.held.end();
    exit
}

fn report_error(problem: &str) -> ExitCode {
    say(&format!("shell: {problem}"));
    ExitCode::Usage
}

/// Says something on the terminal; one that is gone hears nothing.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Who is logged in, and how.
struct InteractiveAnswers<'a> {
    args: &'a Args,
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
        let start = start(SERVICE, self.args.user.as_deref());
        match login::log_in(&start, &mut answers) {
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
                let (credentials, held) = log_in(SERVICE, None)?;
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
        match engine_for(self.args, &self.held) {
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

fn first_login(args: &Args) -> Result<(Typed, HeldSession), ExitCode> {
    let service = if args.clear_sessions { CLEARING_SERVICE } else { SERVICE };
    log_in(service, args.user.as_deref())
}

/// Asks for name and password, three times if they are wrong.
fn log_in(service: &str, user: Option<&str>) -> Result<(Typed, HeldSession), ExitCode> {
    let mut exit = ExitCode::NotAuthenticated;
    for _ in 0..TRIES {
        let mut typed = Typed::default();
        match login::log_in(&start(service, user), &mut typed) {
            Ok(held) => {
                typed.keep_credentials_only();
                return Ok((typed, held));
            }
            Err(error) => {
                login::explain(&error);
                exit = match &error {
                    LoginError::Failed(
                        pam_client::PamError { verdict: Verdict::NotAuthenticated, .. },
                        _,
                    ) => continue,
                    LoginError::Failed(
                        pam_client::PamError { verdict: Verdict::Refused, .. },
                        _,
                    ) => ExitCode::Refused,
                    _ => exit,
                };
                break;
            }
        }
    }
    Err(exit)
}

fn start(service: &str, user: Option<&str>) -> LoginStart {
    LoginStart {
        end_sessions: Vec::new(),
        service: service.to_owned(),
        user: user.map(str::to_owned),
        tty: terminal::name(),
        rhost: None,
    }
}

fn engine_for(args: &Args, held: &HeldSession) -> Result<Engine, CommandError> {
    let user = user_named(held.user())?;
    let admin = Administration {
        config: ConfigFile::at(args.config()),
        sessions: Sessions::at(args.state()),
        actor: printable(user.name.to_bytes()),
        user,
        holder: held.pid(),
        program: PROGRAM,
    };
    Ok(Engine { admin })
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
