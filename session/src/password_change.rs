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
    let mut script = Script { change, is_changing: false, asked: 0, said: Vec::new() };
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
    said: Vec<String>,
}

impl Script<'_> {
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
                self.said.push(text.to_owned());
                return Some(Answer::Shown);
            }
            Style::Info => return Some(Answer::Shown),
            // A second factor: there is no way to ask for it.
            Style::PromptShown => return None,
        }
        self.asked += usize::from(self.is_changing);
        // The old one, the new one and the new one once more; a module that asks again has refused the new one.
        let text = match self.asked {
            0 | 1 => &self.change.old_password,
            2 | 3 => &self.change.password,
            _ => return None,
        };
        let mut secret = Secret::new().ok()?;
        text.bytes().all(|byte| secret.push(byte)).then_some(Answer::Text(secret))
    }
}
