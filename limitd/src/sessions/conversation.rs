//! A login as a browser has it: one question of PAM on each page.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use session_limit_admin::api::AtLimit;
use session_limit_session::ipc::HolderMessage;
use session_limit_session::pam_client::{LoginStart, Style};
use session_limit_session::secret::Secret;

use super::attempts::Attempt;
use super::cookies::Hash;
use super::login::{self, Others, Refusal};
use super::packets::Packets;
use super::settings::SESSION_SOCKET;

/// Delays for wrong passwords, and sessions that are ended first, take seconds.
const STEP_DEADLINE: Duration = Duration::from_secs(60);
/// How long a user may take for one answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages that a login may have.
const MAX_MESSAGES: usize = 64;
/// Logins that wait for an answer, in all and from one address: each keeps a process.
const MAX_PENDING: usize = 64;
const MAX_PENDING_OF_ADDRESS: usize = 8;

/// A login that has begun.
pub struct Conversation {
    packets: Packets,
    password: Option<Secret>,
    said: Vec<String>,
    errors: Vec<String>,
    at_limit: Option<AtLimit>,
    messages: usize,
    /// When it began.
    pub began: Instant,
    /// Whether the user's other sessions are to be ended.
    pub clears: bool,
}

/// A question of PAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// Whether the answer is not shown.
    pub is_hidden: bool,
    /// What the modules have said before.
    pub said: Vec<String>,
}

/// How far a login has come.
pub enum Step {
    /// The session is open.
    Opened(Packets),
    /// An answer is needed.
    Asked(Conversation, Question),
}

impl Conversation {
    /// Begins a login. The password answers the first question whose answer is not shown.
    ///
    /// # Errors
    /// When no session process can be reached.
    pub async fn begin(
        user: &str,
        password: Secret,
        rhost: &str,
        others: Others,
    ) -> Result<Self, Refusal> {
        let clears = others == Others::Clear;
        let (service, end_sessions) = others.service();
        let start = LoginStart {
            service: service.to_owned(),
            user: Some(user.to_owned()),
            tty: Some("http".to_owned()),
            rhost: Some(rhost.to_owned()),
            ruser: None,
            end_sessions,
        };
        let packets = Packets::connect(Path::new(SESSION_SOCKET)).await.map_err(broken)?;
        packets.start(&start).await.map_err(broken)?;
        let password = Some(password);
        Ok(Self {
            packets,
            password,
            said: Vec::new(),
            errors: Vec::new(),
            at_limit: None,
            messages: 0,
            began: Instant::now(),
            clears,
        })
    }

    /// Answers the last question.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn answer(&self, answer: &Secret) -> Result<(), Refusal> {
        self.packets.answer(answer).await.map_err(broken)
    }

    /// Goes on until the session is open or a question needs an answer.
    ///
    /// # Errors
    /// Why there is no session.
    pub async fn advance(self) -> Result<Step, Refusal> {
        match tokio::time::timeout(STEP_DEADLINE, self.next()).await {
            Ok(step) => step,
            Err(_) => Err(Refusal::Broken("the login took too long".to_owned())),
        }
    }

    async fn next(mut self) -> Result<Step, Refusal> {
        while self.messages < MAX_MESSAGES {
            self.messages += 1;
            match self.packets.message().await.map_err(broken)? {
                Some(HolderMessage::Opened(_)) => return Ok(Step::Opened(self.packets)),
                Some(HolderMessage::Authenticated) => self.password = None,
                Some(HolderMessage::Failed(failure)) => {
                    return Err(login::refusal(failure, &self.errors, self.at_limit));
                }
                Some(HolderMessage::AtLimit(told)) => self.at_limit = Some(told),
                Some(HolderMessage::Message(style, text)) => {
                    match (Style::from_number(style.into()), self.password.take()) {
                        (Some(Style::PromptHidden), Some(password)) => {
                            self.packets.answer(&password).await.map_err(broken)?;
                        }
                        (Some(style), password) if style.is_question() => {
                            self.password = password;
                            let is_hidden = style == Style::PromptHidden;
                            let said = std::mem::take(&mut self.said);
                            return Ok(Step::Asked(self, Question { text, is_hidden, said }));
                        }
                        (style, password) => {
                            self.password = password;
                            if style == Some(Style::Error) {
                                self.errors.push(text.clone());
                            }
                            self.said.push(text);
                        }
                    }
                }
                _ => break,
            }
        }
        Err(Refusal::Broken("the login process broke off".to_owned()))
    }
}

fn broken(error: std::io::Error) -> Refusal {
    Refusal::Broken(format!("the login process cannot be reached: {error}"))
}

/// The logins that wait for an answer.
#[derive(Clone, Default)]
pub struct Pending {
    logins: Arc<Mutex<HashMap<Hash, Waiting>>>,
}

/// A login that waits for an answer.
pub struct Waiting {
    /// The login.
    pub conversation: Conversation,
    /// The attempt that it counts as.
    pub attempt: Option<Attempt>,
    /// Where the user wants to go.
    pub next: String,
    /// A form that the user had sent when the session was over.
    pub kept: String,
    address: IpAddr,
    since: Instant,
}

impl Waiting {
    /// Makes one that has begun to wait now.
    pub fn new(
        conversation: Conversation,
        attempt: Option<Attempt>,
        (next, kept): (String, String),
        address: IpAddr,
    ) -> Self {
        Self { conversation, attempt, next, kept, address, since: Instant::now() }
    }
}

impl Pending {
    /// Lets a login wait. Of too many, the one that has waited for the longest goes.
    pub fn add(&self, id: Hash, waiting: Waiting) {
        let mut logins = self.lock();
        let of_address = |one: &Waiting| one.address == waiting.address;
        if logins.values().filter(|one| of_address(one)).count() >= MAX_PENDING_OF_ADDRESS {
            remove_oldest(&mut logins, of_address);
        }
        if logins.len() >= MAX_PENDING {
            remove_oldest(&mut logins, |_| true);
        }
        logins.insert(id, waiting);
        drop(logins);
        let pending = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            // Its process ends with it.
            pending.lock().remove(&id);
        });
    }

    /// Returns the login with one of the hashes, which waits no longer.
    pub fn take(&self, ids: impl Iterator<Item = Hash>) -> Option<Waiting> {
        let mut logins = self.lock();
        ids.into_iter().find_map(|id| logins.remove(&id))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Waiting>> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_oldest(logins: &mut HashMap<Hash, Waiting>, is_meant: impl Fn(&Waiting) -> bool) {
    let meant = logins.iter().filter(|(_, waiting)| is_meant(waiting));
    let oldest = meant.min_by_key(|(_, waiting)| waiting.since).map(|(id, _)| *id);
    if let Some(oldest) = oldest {
        logins.remove(&oldest);
    }
}
