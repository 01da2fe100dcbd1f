//! `shell`: the administrator's and the user's command line of `pam_session_limit`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;
use session_limit_core::system::users::User;
use session_limit_session::session_process;
use shell::admin::check;
use shell::admin::config_store::ConfigFile;
use shell::admin::engine::Engine;
use shell::admin::sessions::Sessions;
use shell::command::batch;
use shell::command::cli::Args;
use shell::command::completion_scripts;
use shell::command::executor::Interpreter;
use shell::interactive::prompt;
use shell::output::exit_code::{Exit, Failure};
use shell::output::response::render_failure;
use shell::output::views;

fn main() -> ExitCode {
    // clap ends the program itself, with Exit::Usage's number, where it does not understand.
    let args = Args::parse();
    ExitCode::from(run(&args).code())
}

fn run(args: &Args) -> Exit {
    if args.holder {
        return session_process::run().map_or(Exit::Usage, |()| Exit::Success);
    }
    if let Some(shell) = args.completions {
        return print(&completion_scripts::script(shell));
    }
    if let Some(file) = &args.check_config {
        let path = file.as_deref().unwrap_or(&args.config);
        return match check::check(path) {
            Ok(reply) => print(&reply.render(args.output, None)),
            Err(failure) => fail(args, without_drawing(failure)),
        };
    }
    if !rustix::process::geteuid().is_root() {
        let message = "must be run by root, expected `sudo shell`";
        return fail(args, Failure::new(Exit::NeedsRoot, message));
    }
    // The configuration is for all to read, whatever the caller's mask.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let has_commands = !args.words.is_empty() || !args.command.is_empty();
    let wants_login = args.clear_sessions || args.user.is_some();
    if wants_login || (!has_commands && io::stdin().is_terminal()) {
        return prompt::run(args);
    }
    match run_commands(args) {
        Ok(()) => Exit::Success,
        Err(failure) => fail(args, failure),
    }
}

/// Runs what needs no login, with the rights of the caller.
fn run_commands(args: &Args) -> Result<(), Failure> {
    let engine = Engine {
        config: ConfigFile::at(&args.config),
        sessions: Sessions::at(&args.state),
        user: caller()?,
        holder: None,
    };
    let mut interpreter = Interpreter::new(engine, args.output, io::stdout());
    if !args.words.is_empty() {
        batch::run_words(&mut interpreter, &args.words)
    } else if !args.command.is_empty() {
        batch::run_lines(&mut interpreter, &args.command)
    } else {
        batch::run_script(&mut interpreter, io::stdin().lock())
    }
}

/// Returns the user who started the program: root, as long as it is not installed setuid.
fn caller() -> Result<User, Failure> {
    let uid = rustix::process::getuid();
    if uid.is_root() {
        return views::user_named("root");
    }
    Err(Failure::new(Exit::NeedsRoot, "must be run by root, expected `sudo shell`"))
}

/// Programs get one line; a drawing is for people.
fn without_drawing(failure: Failure) -> Failure {
    let details = failure.details.filter(|_| io::stderr().is_terminal());
    Failure { details, ..failure }
}

fn print(text: &str) -> Exit {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Failed,
        _ => Exit::Success,
    }
}

fn fail(args: &Args, failure: Failure) -> Exit {
    if failure.exit != Exit::Success {
        // Nobody is left to tell if this fails too.
        let _ = io::stderr().write_all(render_failure(&failure, args.output).as_bytes());
    }
    failure.exit
}
