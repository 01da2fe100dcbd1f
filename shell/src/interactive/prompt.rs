//! The prompt: login, lines, silent re-validation, and the way out.

use std::io::{self, Write};

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{CompletionType, Config, Context, Editor, Helper, Highlighter, Hinter, Validator};

use crate::command::cli::Args;
use crate::command::completion::complete;
use crate::command::engine::Engine;
use crate::command::executor::{ControlFlow, Interpreter};
use crate::command::grammar::{ArgumentKind, Mode};
use crate::interactive::login::{self, HeldSession, LoginError, Typed};
use crate::interactive::terminal;
use crate::output::exit_code::{CommandError, ExitCode};
use crate::output::views;
use session_limit_admin::authorization::AccessScope;
use session_limit_admin::config_store::ConfigFile;
use session_limit_admin::sessions::Sessions;
use session_limit_session::hardening;
use session_limit_session::pam_client::{self, LoginStart, Verdict};

/// PAM service of a login.
const SERVICE: &str = "shell";
/// PAM service of a login that ends the user's other sessions.
const CLEARING_SERVICE: &str = "shell-clear-sessions";
/// How often name and password may be wrong.
const TRIES: usize = 3;

type Prompt = Editor<Tab, MemHistory>;

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
    let prompt = match editor() {
        Ok(prompt) => prompt,
        Err(error) => return unfit(&error),
    };
    if let Err(error) = hardening::protect().and_then(|()| terminal::prepare()) {
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

fn converse(mut prompt: Prompt, person: &mut InteractiveAnswers<'_>, engine: Engine) -> ExitCode {
    let mut interpreter = Interpreter::new(engine, person.args.output, io::stdout());
    loop {
        let mode = interpreter.mode();
        prompt.set_helper(Some(Tab { mode, engine: interpreter.engine.clone() }));
        let line = match prompt.readline(&text(person.held.user(), mode)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) if mode != Mode::Top => {
                interpreter.cancel();
                continue;
            }
            Err(_) => return ExitCode::Success,
        };
        if line.trim().is_empty() {
            continue;
        }
        let _ = prompt.add_history_entry(&line);
        interpreter.remember(&line);
        // Who leaves needs no session for it.
        let leaves = mode == Mode::Top && line.trim() == "exit";
        if !leaves && !person.held.is_alive() {
            match person.validate_again(&mut interpreter) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(exit) => return exit,
            }
        }
        match interpreter.line(&line) {
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
    LoginStart { service: service.to_owned(), user: user.map(str::to_owned), tty: terminal::name() }
}

fn engine_for(args: &Args, held: &HeldSession) -> Result<Engine, CommandError> {
    Ok(Engine {
        config: ConfigFile::at(&args.config),
        sessions: Sessions::at(&args.state),
        user: views::user_named(held.user())?,
        holder: held.pid(),
    })
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

fn editor() -> rustyline::Result<Prompt> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        // A signal that ends the program restores the terminal's settings, and only those.
        .bracketed_paste(false)
        .build();
    Editor::with_history(config, MemHistory::new())
}

/// What Tab knows.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Tab {
    mode: Mode,
    engine: Engine,
}

impl Completer for Tab {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..pos).unwrap_or_default();
        let (start, candidates) =
            complete(self.mode, before, |noun| names(&self.engine, noun).unwrap_or_default());
        let pairs = candidates.into_iter().map(|candidate| Pair {
            display: match candidate.help.as_str() {
                "" => candidate.word.clone(),
                help => format!("{}  ({help})", candidate.word),
            },
            // The space saves a key; rustyline keeps what several candidates share.
            replacement: format!("{} ", candidate.word),
        });
        Ok((start, pairs.collect()))
    }
}

/// Returns the names that the acting user may see; Tab shows no more than the commands do.
fn names(engine: &Engine, noun: ArgumentKind) -> Result<Vec<String>, CommandError> {
    let config = engine.read()?;
    let reach = engine.reach(&config)?;
    let own = engine.user.name.to_string_lossy().into_owned();
    let mut names = match (noun, reach) {
        (ArgumentKind::Profile, AccessScope::All) => {
            config.profiles.iter().map(|profile| profile.name.clone()).collect()
        }
        (ArgumentKind::Profile, AccessScope::OwnUser(_)) => {
            vec![views::profile_of(&config, &engine.user)?.name]
        }
        (ArgumentKind::User, AccessScope::OwnUser(_)) => vec![own],
        (ArgumentKind::User, AccessScope::All) => {
            let attached = config.users.iter().map(|entry| entry.name.clone());
            let active = engine.sessions.seen(None)?.into_iter().map(|seen| seen.session.user);
            attached.chain(active).collect()
        }
        (ArgumentKind::Group, AccessScope::All) => {
            config.groups.iter().map(|entry| entry.name.clone()).collect()
        }
        (ArgumentKind::Service, _) => {
            let patterns = config.policy.counted_services.iter();
            patterns.filter(|pattern| !pattern.ends_with('*')).cloned().collect()
        }
        (ArgumentKind::Session, _) => {
            let uid = match reach {
                AccessScope::All => None,
                AccessScope::OwnUser(own) => Some(own),
            };
            engine.sessions.seen(uid)?.iter().map(|seen| seen.session.id.to_string()).collect()
        }
        _ => Vec::new(),
    };
    names.sort();
    names.dedup();
    Ok(names)
}
