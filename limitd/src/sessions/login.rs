//! One login: starts a session process and answers what it asks.

use std::path::Path;
use std::time::Duration;

use session_limit_admin::api::AtLimit;
use session_limit_session::ipc::HolderMessage;
use session_limit_session::pam_client::{LoginStart, PamError, Phase, Style, Verdict};
use session_limit_session::secret::Secret;

use super::packets::Packets;
use super::settings::SESSION_SOCKET;

/// PAM service of a login.
const SERVICE: &str = "session-limitd";
/// PAM service of a login that ends the user's other sessions.
const CLEARING_SERVICE: &str = "session-limitd-clear-sessions";
/// Delays for wrong passwords, and sessions that are ended first, take seconds.
const DEADLINE: Duration = Duration::from_secs(60);
/// Messages that a login may have.
const MAX_MESSAGES: usize = 64;

/// Why there is no session.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Name or password are wrong.
    NotAuthenticated,
    /// The user may not log in; what the modules said.
    Refused(String, Option<AtLimit>),
    /// The login service is out of order.
    Broken(String),
}

/// What a login does to the user's other sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Others {
    /// Ends them all.
    Clear,
    /// Ends these where the module asks at the limit which to end; nothing where it does not.
    EndAtLimit(Vec<i64>),
}

impl Others {
    /// Returns the PAM service of such a login, and the sessions that it ends at the limit.
    pub fn service(self) -> (&'static str, Vec<i64>) {
        match self {
            Self::Clear => (CLEARING_SERVICE, Vec::new()),
            Self::EndAtLimit(sessions) => (SERVICE, sessions),
        }
    }
}

/// Logs a user in. Takes the password, which is wiped when this returns.
///
/// # Errors
/// See [`Refusal`].
pub async fn log_in(
    user: String,
    password: Secret,
    rhost: String,
    others: Others,
) -> Result<(Packets, String), Refusal> {
    let (service, end_sessions) = others.service();
    let start = LoginStart {
        service: service.to_owned(),
        user: Some(user),
        tty: Some("http".to_owned()),
        rhost: Some(rhost),
        ruser: None,
        end_sessions,
    };
    match tokio::time::timeout(DEADLINE, converse(&start, password)).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::Broken("the login took too long".to_owned())),
    }
}

async fn converse(start: &LoginStart, password: Secret) -> Result<(Packets, String), Refusal> {
    let broken = |error: std::io::Error| {
        Refusal::Broken(format!("the login process cannot be reached: {error}"))
    };
    let packets = Packets::connect(Path::new(SESSION_SOCKET)).await.map_err(broken)?;
    packets.start(start).await.map_err(broken)?;
    let mut password = Some(password);
    let mut is_authenticated = false;
    let mut said = Vec::new();
    let mut at_limit = None;
    for _ in 0..MAX_MESSAGES {
        match packets.message().await.map_err(broken)? {
            Some(HolderMessage::Opened(user)) => return Ok((packets, user)),
            Some(HolderMessage::Authenticated) => {
                is_authenticated = true;
                password = None;
            }
            Some(HolderMessage::Failed(failure)) => return Err(refusal(failure, &said, at_limit)),
            Some(HolderMessage::AtLimit(told)) => at_limit = Some(told),
            Some(HolderMessage::Message(style, text)) => {
                match Style::from_number(style.into()) {
                    Some(Style::PromptHidden) if password.is_some() => {
                        if let Some(password) = password.take() {
                            packets.answer(&password).await.map_err(broken)?;
                        }
                    }
                    // Shall sessions be cleared? A new password? Nobody is there to say.
                    Some(style) if style.is_question() && is_authenticated => {
                        let nothing = Secret::new().map_err(broken)?;
                        packets.answer(&nothing).await.map_err(broken)?;
                    }
                    // A second factor: there is no way to ask for it.
                    Some(style) if style.is_question() => return Err(Refusal::NotAuthenticated),
                    Some(Style::Error) => said.push(text),
                    _ => {}
                }
            }
            Some(HolderMessage::Settings(_) | HolderMessage::Statistics(_)) | None => break,
        }
    }
    Err(Refusal::Broken("the login process broke off".to_owned()))
}

/// Returns what a failed login means to the client.
pub fn refusal(failure: PamError, said: &[String], at_limit: Option<AtLimit>) -> Refusal {
    let reason = if said.is_empty() { failure.text.clone() } else { said.join("\n") };
    match (failure.verdict, failure.phase) {
        (Verdict::NotAuthenticated, _) => Refusal::NotAuthenticated,
        (Verdict::Refused, _) => Refusal::Refused(reason, at_limit),
        // An account that has expired, a password that must be changed.
        (Verdict::Broken, Phase::Account | Phase::ChangePassword) => Refusal::Refused(reason, None),
        (Verdict::Broken, _) => Refusal::Broken(format!("the login failed: {}", failure.text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_words_of_the_modules() {
        let failure = |phase, verdict| PamError { phase, verdict, text: "pam".to_owned() };
        let said = ["one".to_owned(), "two".to_owned()];
        assert_eq!(
            refusal(failure(Phase::Account, Verdict::Refused), &said, None),
            Refusal::Refused("one\ntwo".to_owned(), None)
        );
        assert_eq!(
            refusal(failure(Phase::Account, Verdict::Broken), &[], None),
            Refusal::Refused("pam".to_owned(), None)
        );
        assert_eq!(
            refusal(failure(Phase::Authenticate, Verdict::NotAuthenticated), &said, None),
            Refusal::NotAuthenticated
        );
        assert!(matches!(
            refusal(failure(Phase::Open, Verdict::Broken), &said, None),
            Refusal::Broken(_)
        ));
    }
}
