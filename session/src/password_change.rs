//! The acting user's password, changed through the password stack of the service.
#![forbid(unsafe_code)]

use session_limit_admin::api::PasswordChange;
use session_limit_admin::error::{AdminError, AdminErrorKind};

use crate::pam_client::{
    Answer, Conversation, LoginStart, PamError, Phase, Style, Transaction, Verdict,
};
use crate::secret::Secret;

/// Changes the password of the user who logged in by `start`.
///
/// The old one is checked as at a login: a wrong one counts as a failure of the account.
///
/// # Errors
/// The field that is wrong, with what the modules said.
pub fn change(start: &LoginStart, user: &str, change: &PasswordChange) -> Result<(), AdminError> {
    let mut script =
        Script { change, is_changing: false, asked: 0, has_given_up: false, said: Vec::new() };
    let start = LoginStart { user: Some(user.to_owned()), ..start.clone() };
    let changed = run(&start, &mut script);
    changed.map_err(|error| match (error.phase, error.verdict) {
        (Phase::Authenticate, Verdict::NotAuthenticated) => {
            AdminError::field("old_password", "is not the password in use")
        }
        (Phase::ChangePassword, _) => AdminError::field("password", &script.reason(&error)),
        _ => AdminError::new(AdminErrorKind::Io, error.text),
    })
}

fn run(start: &LoginStart, script: &mut Script<'_>) -> Result<(), PamError> {
    {
        let mut checking: &mut Script<'_> = script;
        let mut transaction = Transaction::start(start, &mut checking)?;
        transaction.authenticate()?;
    }
    script.is_changing = true;
    script.said.clear();
    let mut changing: &mut Script<'_> = script;
    let mut transaction = Transaction::start(start, &mut changing)?;
    transaction.change_password()
}

/// Answers what the modules ask: the password in use first, then the new one.
struct Script<'a> {
    change: &'a PasswordChange,
    is_changing: bool,
    asked: usize,
    /// Whether a question was left without an answer: what is said after that is about this, not about the password.
    has_given_up: bool,
    said: Vec<String>,
}

impl Script<'_> {
    /// Remembers what a module says; one that asks several times says the same each time.
    fn note(&mut self, text: &str) {
        if !self.has_given_up && self.said.last().is_none_or(|last| last != text) {
            self.said.push(text.to_owned());
        }
    }

    fn give_up(&mut self) -> Option<Answer> {
        self.has_given_up = true;
        None
    }

    /// Returns what the modules said against the new password, else libpam's own words.
    fn reason(&self, error: &PamError) -> String {
        if self.said.is_empty() { error.text.clone() } else { self.said.join(" ") }
    }
}

impl Conversation for &mut Script<'_> {
    fn converse(&mut self, style: Style, text: &str) -> Option<Answer> {
        match style {
            Style::PromptHidden => {}
            Style::Error => {
                self.note(text);
                return Some(Answer::Shown);
            }
            Style::Info => return Some(Answer::Shown),
            // A second factor: there is no way to ask for it.
            Style::PromptShown => return self.give_up(),
        }
        self.asked += usize::from(self.is_changing);
        // The old one, the new one and the new one once more; a module that asks again has refused the new one.
        let text = match self.asked {
            0 | 1 => &self.change.old_password,
            2 | 3 => &self.change.password,
            _ => return self.give_up(),
        };
        let mut secret = Secret::new().ok()?;
        text.bytes().all(|byte| secret.push(byte)).then_some(Answer::Text(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_against_a_password_is_said_once() {
        let change = PasswordChange::new("old".to_owned(), "abc".to_owned()).unwrap();
        let mut script = Script {
            change: &change,
            is_changing: true,
            asked: 0,
            has_given_up: false,
            said: Vec::new(),
        };
        let mut answers = Vec::new();
        // As pam_pwquality asks with retry=3.
        for (style, text) in [
            (Style::PromptHidden, "Current password: "),
            (Style::PromptHidden, "New password: "),
            (Style::Error, "BAD PASSWORD: it is too short"),
            (Style::PromptHidden, "New password: "),
            (Style::Error, "BAD PASSWORD: it is too short"),
            (Style::PromptHidden, "New password: "),
            (Style::Error, "Password change has been aborted."),
        ] {
            answers.push(match (&mut script).converse(style, text) {
                Some(Answer::Text(secret)) => String::from_utf8(secret.bytes().to_vec()).unwrap(),
                Some(Answer::Shown) => "shown".to_owned(),
                None => "none".to_owned(),
            });
        }
        assert_eq!(answers, ["old", "abc", "shown", "abc", "shown", "none", "shown"]);
        let error = PamError {
            phase: Phase::ChangePassword,
            verdict: Verdict::Broken,
            text: "Authentication token manipulation error".to_owned(),
        };
        assert_eq!(script.reason(&error), "BAD PASSWORD: it is too short");
    }
}
