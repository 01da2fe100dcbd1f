//! Logging in: starts a session process, answers its questions, and keeps the answers for the next time.

use std::io::{self, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::interactive::terminal;
use crate::output::table::printable;
use session_limit_session::ipc::{self, HolderMessage};
use session_limit_session::pam_client::{LoginStart, PamError, Phase, Style, Verdict};
use session_limit_session::program;
use session_limit_session::secret::Secret;

/// How long a holder is waited for that was told to close its session.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
const CLOSE_POLL: Duration = Duration::from_millis(5);

/// Why there is no session.
#[derive(Debug)]
pub enum LoginError {
    /// PAM said no; true if a module told the user why.
    Failed(PamError, bool),
    /// The user gave up (Ctrl-D), or the kept answers do not answer what is asked.
    GaveUp,
    /// The holder could not be started or broke off.
    Broken(String),
}

/// A session, held by another process.
#[derive(Debug)]
pub struct HeldSession {
    holder: Child,
    socket: OwnedFd,
    user: String,
}

impl HeldSession {
    /// Returns the name of the user who logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the pid of the holder.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        i32::try_from(self.holder.id()).ok()
    }

    /// Returns whether the session is still there.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        let mut socket = [PollFd::new(&self.socket, PollFlags::IN)];
        // The holder says nothing after the login: an event is the end.
        matches!(poll(&mut socket, Some(&Timespec::default())), Ok(0))
            && matches!(self.holder.try_wait(), Ok(None))
    }

    /// Ends the session and waits until it is closed.
    pub fn end(self) {
        let Self { mut holder, socket, .. } = self;
        drop(socket);
        let began = Instant::now();
        while began.elapsed() < CLOSE_DEADLINE && matches!(holder.try_wait(), Ok(None)) {
            std::thread::sleep(CLOSE_POLL);
        }
    }
}

/// Who answers the modules' questions.
pub trait PromptResponder {
    /// Shows a message of a module.
    fn show(&mut self, style: Style, text: &str);
    /// Name and password were right. What is asked from now on (shall the other sessions be cleared?
    /// a new password) must not be answered for the user another time.
    fn authenticated(&mut self);
    /// Answers a question; nothing to give up.
    fn answer(&mut self, style: Style, prompt: &str) -> Option<&Secret>;
}

/// Logs in.
///
/// # Errors
/// See [`LoginError`].
pub fn log_in(
    start: &LoginStart,
    answers: &mut impl PromptResponder,
) -> Result<HeldSession, LoginError> {
    let broken = |error: io::Error| {
        LoginError::Broken(format!(
            "the login process cannot be reached: {}",
            session_limit_core::system::error_text(&error)
        ))
    };
    let (socket, theirs) = ipc::pair().map_err(broken)?;
    let mut holder = spawn(theirs).map_err(broken)?;
    let ended = talk(&socket, start, answers);
    match ended {
        Ok(user) => Ok(HeldSession { holder, socket, user }),
        Err(error) => {
            drop(socket);
            // It exits by itself now that its socket is closed.
            let _ = holder.wait();
            Err(error)
        }
    }
}

fn spawn(socket: OwnedFd) -> io::Result<Child> {
    program::command(&program::installed()?, socket).spawn()
}

fn talk(
    socket: &OwnedFd,
    start: &LoginStart,
    answers: &mut impl PromptResponder,
) -> Result<String, LoginError> {
    let broken_off = || LoginError::Broken("the login process broke off".to_owned());
    ipc::send_start(socket, start).map_err(|_| broken_off())?;
    let mut told = false;
    loop {
        match ipc::receive(socket).map_err(|_| broken_off())?.ok_or_else(broken_off)? {
            HolderMessage::Authenticated => answers.authenticated(),
            HolderMessage::AtLimit(_) => {}
            HolderMessage::Opened(user) => return Ok(user),
            HolderMessage::Failed(failure) => return Err(LoginError::Failed(failure, told)),
            HolderMessage::Settings(_) | HolderMessage::Statistics(_) => return Err(broken_off()),
            HolderMessage::Message(style, text) => {
                let style = Style::from_number(style.into()).ok_or_else(broken_off)?;
                if style.is_question() {
                    let answer = answers.answer(style, &text).ok_or(LoginError::GaveUp)?;
                    ipc::send_answer(socket, answer).map_err(|_| broken_off())?;
                } else {
                    told |= style == Style::Error;
                    answers.show(style, &text);
                }
            }
        }
    }
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
        _ => io::stdout().write_all(text.as_bytes()),
    };
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
        LoginError::Broken(text) => format!("shell: {text}"),
    };
    show(Style::Error, &text);
}
