//! `shell`: the administrator's and the user's command line of `pam_session_limit`.

use std::io::{self, IsTerminal, Write};

use clap::Parser;
use rustix::fs::Mode;
use session_limit_admin::config_store::ConfigFile;
use session_limit_admin::sessions::Sessions;
use session_limit_core::system::users::User;
use session_limit_session::session_process;
use shell::command::batch;
use shell::command::check;
use shell::command::cli::Args;
use shell::command::completion_scripts;
use shell::command::engine::Engine;
use shell::command::executor::Interpreter;
use shell::interactive::prompt;
use shell::output::exit_code::{CommandError, ExitCode};
use shell::output::response::render_failure;
use shell::output::views;

fn main() -> std::process::ExitCode {
    // clap ends the program itself, with Exit::Usage's number, where it does not understand.
    let args = Args::parse();
    std::process::ExitCode::from(run(&args).code())
}

fn run(args: &Args) -> ExitCode {
    if args.holder {
        return session_process::run().map_or(ExitCode::Usage, |()| ExitCode::Success);
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
        let message = "must be run as root; try `sudo shell`";
        return fail(args, CommandError::new(ExitCode::NeedsRoot, message));
    }
    // The configuration is for all to read, whatever the caller's mask.
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    let has_commands = !args.words.is_empty() || !args.command.is_empty();
    let wants_login = args.clear_sessions || args.user.is_some();
    if wants_login || (!has_commands && io::stdin().is_terminal()) {
        return prompt::run(args);
    }
    match run_commands(args) {
        Ok(()) => ExitCode::Success,
        Err(failure) => fail(args, failure),
    }
}

/// Runs what needs no login, with the rights of the caller.
fn run_commands(args: &Args) -> Result<(), CommandError> {
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
fn caller() -> Result<User, CommandError> {
    let uid = rustix::process::getuid();
    if uid.is_root() {
        return views::user_named("root");
    }
    Err(CommandError::new(ExitCode::NeedsRoot, "must be run as root; try `sudo shell`"))
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
        // Nobody is left to tell if this fails too.
        let _ = io::stderr().write_all(render_failure(&failure, args.output).as_bytes());
    }
    failure.exit
}
