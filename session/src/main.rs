//! `session-limit-session`: holds one PAM session, for the socket on standard input.
//!
//! With `--local` the other end of the socket is any user of the host; without, it is root or session-limitd. With
//! `--accept` the socket listens, and a process with `--local` is started for each connection.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use session_limit_core::log::{Level, Log};
use session_limit_session::{acceptor, local_session, session_process};

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("internal error: {}", panic.to_string().replace('\n', " "));
        Log::new(session_process::PROGRAM, "panic", false).write(Level::Critical, &text);
    }));
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let run = match arguments.as_slice() {
        [] => session_process::run,
        [option] if option == "--accept" => acceptor::run,
        [option] if option == "--local" => local_session::run,
        _ => {
            let text = "unknown arguments, expected none, --accept or --local";
            Log::new(session_process::PROGRAM, "start", false).write(Level::Error, text);
            return ExitCode::from(2);
        }
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = session_limit_core::system::error_text(&error);
            Log::new(session_process::PROGRAM, "socket", false).write(Level::Error, &text);
            ExitCode::from(2)
        }
    }
}
