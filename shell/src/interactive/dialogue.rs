//! The dialogue of a login with a session process.

use std::os::fd::OwnedFd;

use session_limit_session::ipc::{self, HolderMessage};
use session_limit_session::pam_client::{PamError, Style};
use session_limit_session::secret::Secret;

/// Why there is no session.
#[derive(Debug)]
pub enum LoginError {
    /// PAM said no; true if a module told the user why.
    Failed(PamError, bool),
    /// The user gave up (Ctrl-D), or the kept answers do not answer what is asked.
    GaveUp,
    /// The holder could not be started or broke off.
    Broken(String),
    /// There is no holder that could be reached.
    Unreachable(String),
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

/// Goes through a login with a session process that has been asked for it; returns the name of the user.
///
/// # Errors
/// See [`LoginError`].
pub fn talk(socket: &OwnedFd, answers: &mut impl PromptResponder) -> Result<String, LoginError> {
    let broken_off = || LoginError::Broken("the login process broke off".to_owned());
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
