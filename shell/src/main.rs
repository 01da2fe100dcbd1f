//! `shell`: the administrator's and the user's command line of `pam_session_limit`.

#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::path::Path;

use clap::Parser;
use rustix::fs::Mode;
use session_limit_admin::administration::Administration;
use session_limit_admin::config::store::ConfigFile;
use session_limit_admin::sessions::Sessions;
use session_limit_core::log::{Level, Log};
use shell::command::engine::{Engine, PROGRAM};
use shell::command::executor::Interpreter;
use shell::command::{batch, check};
use shell::interactive::screen::TerminalScreen;
use shell::interactive::session::Route;
use shell::interactive::{one_login, prompt, terminal};
use shell::language::grammar::Mode as CommandMode;
use shell::language::help;
use shell::output::exit_code::{CommandError, ExitCode};
use shell::output::pipeline::Pipeline;
use shell::output::response::{Format, render_failure};
use shell::output::screen::{NoScreen, Screen};
use shell::output::table::printable;
use shell::program::args::{self, Args};
use shell::program::caller::{self, Caller};
use shell::program::completion_scripts;

const SET_USER_ID: &str = "is installed set-user-ID, expected a program without rights of its own";
/// The engine is tried with the password and the key of the host.
const TRIES_ENGINE: &str = "only root may try the engine of the fleet";
/// What a user may not do without the rights of root.
const NAMES_FILES: &str = "only root may name --config, --state or a file to check";

fn main() -> std::process::ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return std::process::ExitCode::from(not_understood(&error).code()),
    };
    panic::set_hook(Box::new(log_panic));
    let exit = panic::catch_unwind(|| run(&args)).unwrap_or_else(|_| {
        terminal::restore();
        fail(&args, CommandError::new(ExitCode::Failed, "internal error, see the system's log"))
    });
    std::process::ExitCode::from(exit.code())
}

/// A panic is a line in the log, not on the user's screen; a store that made SQLite's wrapper panic is
/// reported as damaged by those who read it.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let text = format!("internal error: {}", panic.to_string().replace('\n', " "));
    Log::new("shell", "panic", false).write(Level::Critical, &text);
}

fn run(args: &Args) -> ExitCode {
    if let Some(shell) = args.completions {
        return print(&completion_scripts::script(shell));
    }
    if let Some(hint) = args.words.first().and_then(|word| args::dash_hint(word)) {
        return fail(args, CommandError::new(ExitCode::Usage, hint));
    }
    if args.asks_for_help() {
        return help(args);
    }
    if let Some(file) = &args.check_config {
        return check_config(args, file.as_deref());
    }
    if caller::is_set_user_id() {
        return fail(args, CommandError::new(ExitCode::NotAllowed, SET_USER_ID));
    }
    let is_root = caller::is_started_by_root();
    let caller = match is_root.then(Caller::identify).transpose() {
        Ok(caller) => caller,
        Err(failure) => return fail(args, failure),
    };
    if args.names_files() && !caller.as_ref().is_some_and(Caller::is_root) {
        return fail(args, CommandError::new(ExitCode::NotAllowed, NAMES_FILES));
    }
    if let (Some(path), false) = (&args.state, args.state().exists()) {
        let message =
            format!("{}: there is no store of sessions", printable(&path.to_string_lossy()));
        return fail(args, CommandError::new(ExitCode::Store, message));
    }
    // The configuration is for all to read, whatever the caller's mask.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let has_commands = !args.words.is_empty() || !args.command.is_empty();
    let route = Route::of(args, is_root);
    if args.clear_sessions || (!has_commands && io::stdin().is_terminal()) {
        return prompt::run(args, &route);
    }
    let result = match caller.filter(|_| route == Route::Start && args.user.is_none()) {
        Some(caller) => run_commands(args, engine_of(args, caller)),
        None => {
            let held = match one_login::log_in(args, &route) {
                Ok(held) => held,
                Err(exit) => return exit,
            };
            let result = held.engine(args).and_then(|engine| run_commands(args, engine));
            held.end();
            result
        }
    };
    match result {
        Ok(()) => ExitCode::Success,
        Err(failure) => fail(args, failure),
    }
}

/// Says what the arguments should have been, or prints `--help` and `--version`.
fn not_understood(error: &clap::Error) -> ExitCode {
    let line: Vec<_> = std::env::args_os().collect();
    if !error.use_stderr() || !args::wants_json(&line) {
        // If this fails, no reader is left.
        let _ = error.print();
        return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
    }
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let failure = CommandError::new(ExitCode::Usage, message);
    let _ = io::stderr().write_all(render_failure(&failure, Format::Json).as_bytes());
    ExitCode::Usage
}

/// Explains the commands; that needs no rights.
fn help(args: &Args) -> ExitCode {
    let words = match args.words.as_slice() {
        [first, rest @ ..] if first == "help" || first == "?" => rest,
        [words @ .., _] => words,
        [] => &[],
    };
    print(&help::help(CommandMode::Top, words, true).render(args.format(), &Pipeline::default()))
}

/// Checks a configuration file, with the caller's own rights unless they are root's.
fn check_config(args: &Args, file: Option<&Path>) -> ExitCode {
    let is_root = rustix::process::geteuid().is_root();
    let forbidden = match args.engine {
        true => Some(TRIES_ENGINE),
        false => (is_root && args.names_files()).then_some(NAMES_FILES),
    };
    if let Some(forbidden) = forbidden {
        match is_root.then(Caller::identify).transpose() {
            Ok(Some(caller)) if caller.is_root() => {}
            Ok(_) => return fail(args, CommandError::new(ExitCode::NotAllowed, forbidden)),
            Err(failure) => return fail(args, failure),
        }
    }
    let agent = args.engine.then_some(Path::new(check::AGENT));
    match check::check(file.unwrap_or(args.config()), agent) {
        Ok(reply) => print(&reply.render(args.format(), &Pipeline::default())),
        Err(failure) => fail(args, without_drawing(failure)),
    }
}

/// Returns what carries commands out in this process, with the rights of the caller.
fn engine_of(args: &Args, caller: Caller) -> Engine {
    let actor = caller.actor();
    let admin = Administration {
        config: ConfigFile::at(args.config()),
        sessions: Sessions::at(args.state()),
        user: caller.user,
        actor,
        holder: None,
        program: PROGRAM,
    };
    Engine { admin: admin.into() }
}

/// Runs the commands of the command line, or a script.
fn run_commands(args: &Args, engine: Engine) -> Result<(), CommandError> {
    let screen: Box<dyn Screen> = if terminal::is_interactive() && terminal::prepare().is_ok() {
        Box::new(TerminalScreen)
    } else {
        Box::new(NoScreen)
    };
    let mut interpreter = Interpreter::new(engine, args.format(), io::stdout(), screen);
    if !args.words.is_empty() {
        batch::run_words(&mut interpreter, &args.words)
    } else if !args.command.is_empty() {
        batch::run_lines(&mut interpreter, &args.command)
    } else {
        batch::run_script(&mut interpreter, io::stdin().lock())
    }
}

/// Programs get one line; a drawing is for people.
fn without_drawing(failure: CommandError) -> CommandError {
    let details = failure.details.filter(|_| io::stderr().is_terminal());
    CommandError { details, ..failure }
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::Failed,
        _ => ExitCode::Success,
    }
}

fn fail(args: &Args, failure: CommandError) -> ExitCode {
    if failure.exit != ExitCode::Success {
        // If this fails too, no reader is left.
        let _ = io::stderr().write_all(render_failure(&failure, args.format()).as_bytes());
    }
    failure.exit
}
