//! `session-limit-session`: holds one PAM session, for the socket on standard input.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use session_limit_core::log::{Level, Log};
use session_limit_session::session_process;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!("internal error: {}", panic.to_string().replace('\n', " "));
        Log::new(session_process::PROGRAM, "panic", false).write(Level::Critical, &text);
    }));
    match session_process::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = session_limit_core::system::error_text(&error);
            Log::new(session_process::PROGRAM, "socket", false).write(Level::Error, &text);
            ExitCode::from(2)
        }
    }
}
