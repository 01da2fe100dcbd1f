//! Logging in: what a user answers, kept for the next time, and what they are told.

use std::io::{self, IsTerminal, Write};

use crate::interactive::dialogue::{LoginError, PromptResponder};
use crate::interactive::session::{HeldSession, Route};
use crate::interactive::terminal;
use crate::output::exit_code::ExitCode;
use crate::output::table::printable;
use session_limit_session::ipc::local::LocalLogin;
use session_limit_session::pam_client::{PamError, Phase, Style, Verdict};
use session_limit_session::secret::Secret;

/// How often name and password may be wrong.
const TRIES: usize = 3;

/// Asks for name and password, three times if they are wrong, and says why there is no session.
///
/// # Errors
/// The exit code.
pub fn log_in(route: &Route, login: &LocalLogin) -> Result<(Typed, HeldSession), ExitCode> {
    let mut exit = ExitCode::NotAuthenticated;
    for _ in 0..TRIES {
        let mut typed = Typed::default();
        match HeldSession::log_in(route, login, &mut typed) {
            Ok(held) => {
                typed.keep_credentials_only();
                return Ok((typed, held));
            }
            Err(error) => {
                explain(&error);
                exit = match &error {
                    LoginError::Failed(PamError { verdict, .. }, _) => match verdict {
                        Verdict::NotAuthenticated => continue,
                        Verdict::Refused => ExitCode::Refused,
                        Verdict::Broken => exit,
                    },
                    LoginError::Unreachable(_) => ExitCode::Unreachable,
                    LoginError::GaveUp | LoginError::Broken(_) => exit,
                };
                break;
            }
        }
    }
    Err(exit)
}

/// Answers typed at the terminal, and kept.
#[derive(Debug, Default)]
pub struct Typed {
    given: Vec<SavedAnswers>,
    /// How many of them were given before name and password were known to be right.
    credentials: usize,
}

#[derive(Debug)]
struct SavedAnswers {
    style: Style,
    prompt: String,
    answer: Secret,
}

impl PromptResponder for Typed {
    fn show(&mut self, style: Style, text: &str) {
        show(style, text);
    }

    fn authenticated(&mut self) {
        self.credentials = self.given.len();
    }

    fn answer(&mut self, style: Style, prompt: &str) -> Option<&Secret> {
        let hidden = style == Style::PromptHidden;
        let lines: Vec<String> = prompt.split('\n').map(printable).collect();
        let answer = match terminal::ask(&lines.join("\n"), hidden) {
            Ok(answer) => answer?,
            Err(error) => {
                show(
                    Style::Error,
                    &format!("shell: {}", session_limit_core::system::error_text(&error)),
                );
                return None;
            }
        };
        self.given.push(SavedAnswers { style, prompt: prompt.to_owned(), answer });
        self.given.last().map(|given| &given.answer)
    }
}

impl Typed {
    /// Forgets what was answered after name and password.
    pub fn keep_credentials_only(&mut self) {
        self.given.truncate(self.credentials);
    }

    /// Returns the same answers again, in the same order, to the same questions.
    pub fn again(&self) -> Kept<'_> {
        Kept { given: &self.given, said: Vec::new() }
    }
}

/// Answers kept from an earlier login.
#[derive(Debug)]
pub struct Kept<'a> {
    given: &'a [SavedAnswers],
    said: Vec<(Style, String)>,
}

impl PromptResponder for Kept<'_> {
    fn show(&mut self, style: Style, text: &str) {
        self.said.push((style, text.to_owned()));
    }

    fn authenticated(&mut self) {
        self.given = &[];
    }

    fn answer(&mut self, style: Style, prompt: &str) -> Option<&Secret> {
        let (given, rest) = self.given.split_first()?;
        self.given = rest;
        (given.style == style && given.prompt == prompt).then_some(&given.answer)
    }
}

impl Kept<'_> {
    /// Shows what the modules said meanwhile; for a login that went well it is not needed.
    pub fn show_what_was_said(&self) {
        for (style, text) in &self.said {
            show(*style, text);
        }
    }
}

/// Shows a message of a module, line by line: errors may have several.
fn show(style: Style, text: &str) {
    let text: String = text.lines().map(|line| format!("{}\n", printable(line))).collect();
    // A terminal that is gone reads nothing.
    let _ = match style {
        Style::Error if io::stderr().is_terminal() => io::stderr().write_all(text.as_bytes()),
        _ if io::stdout().is_terminal() => io::stdout().write_all(text.as_bytes()),
        // A program reads the answers there.
        _ => io::stderr().write_all(text.as_bytes()),
    };
}

/// Says something to the user; a terminal that is gone hears nothing.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says in a person's words why there is no session, unless a module has said it already.
pub fn explain(error: &LoginError) {
    let text = match error {
        LoginError::GaveUp => return,
        LoginError::Failed(PamError { verdict: Verdict::Refused, .. }, true) => return,
        LoginError::Failed(
            PamError { verdict: Verdict::NotAuthenticated, phase: Phase::Authenticate, .. },
            _,
        ) => "Login incorrect".to_owned(),
        LoginError::Failed(failure, _) => format!("shell: the login failed: {failure}"),
        LoginError::Broken(text) | LoginError::Unreachable(text) => format!("shell: {text}"),
    };
    show(Style::Error, &text);
}
