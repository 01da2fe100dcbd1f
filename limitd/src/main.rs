//! `session-limitd`: the REST API and the web console of `pam_session_limit`.
//!
//! ```text
//! main -> launcher (only with --session-command: root, starts session processes, reads nothing from the network)
//!      -> front -> net (clients) -> { api, console } -> calls -> sessions -> one session process for each login
//! ```
//!
//! The front has no rights. It knows neither the store nor the configuration; each login is a connection to a
//! process of its own, which authenticates the user and acts with that user's rights.

#![forbid(unsafe_code)]

mod api;
mod args;
mod calls;
mod console;
mod front;
mod launcher;
mod log;
mod net;
mod sampler;
mod sessions;

use std::process::ExitCode;

use args::Args;

fn main() -> ExitCode {
    let result = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args::Help) => {
            print!("{}", args::USAGE);
            Ok(())
        }
        Ok(Args::Version) => {
            println!("session-limitd {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Args::Serve) => front::run(),
        Ok(Args::Launch(program)) => launcher::run(&program),
        Err(problem) => {
            eprint!("session-limitd: {problem}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            log::line(&problem);
            ExitCode::FAILURE
        }
    }
}
