//! The session process of the `shell` that a user runs: it has all the rights, the `shell` has none.
//!
//! Every user may connect. What a client may do before its login is bounded in number
//! ([`crate::acceptor::MAX_CONNECTIONS`]) and time (`GRACE`), and a failed login is told late; what it may do after
//! its login is checked for each call.
#![forbid(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use session_limit_admin::administration::{Administration, user_named};
use session_limit_admin::command::{self, CallError};
use session_limit_admin::config::store::ConfigFile;
use session_limit_admin::sessions::Sessions;
use session_limit_core::config;
use session_limit_core::log::{Level, Log};
use session_limit_core::model::sanitize::printable;
use session_limit_core::store;
use session_limit_core::system::{error_text, own_pid};

use crate::client::{Client, Unfit};
use crate::ipc::local::{self, LocalLogin, PROTOCOL};
use crate::ipc::{self, Beginning, HolderMessage};
use crate::pam_client::{
    Answer, Conversation, LoginStart, PamError, Phase, Style, Transaction, USER_PROMPT, Verdict,
};
use crate::secret::Secret;
use crate::session_process::{PROGRAM, settle};
use crate::wait::{Connection, Event, signals};

/// PAM service of a login.
const SERVICE: &str = "shell";
/// PAM service of a login that ends the user's other sessions.
const CLEARING_SERVICE: &str = "shell-clear-sessions";
/// How long a client may take to ask for a login.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How long it may take to log in, as with sshd.
const GRACE: Duration = Duration::from_secs(120);
/// Microseconds by which a failed login is told late, on average, as with su(1) and login(1).
const FAIL_DELAY: u32 = 2_000_000;
/// How long a client may take to read a part of an answer. One that is stopped keeps its session for as long, and
/// nothing else: nothing is locked while an answer is sent.
const READING: Duration = Duration::from_secs(600);

/// Holds one session, with the socket of a user's `shell` on standard input.
///
/// # Errors
/// When nothing that speaks our language is at the other end.
pub fn run() -> io::Result<()> {
    settle()?;
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    let signals = signals()?;
    let client = match Client::identify() {
        Ok(client) => client,
        Err(unfit) => return turn_away(socket, &unfit),
    };
    let connection = Connection::new(socket, &signals, Some(client.process()));
    if connection.wait(Some(FIRST_WORD)) != Event::Socket {
        return Ok(());
    }
    match ipc::receive_start(socket) {
        Ok(None) => Ok(()),
        Ok(Some(Beginning::Local(login))) => hold(&connection, &client, &login),
        Ok(Some(Beginning::OtherProtocol(theirs))) => {
            let text = format!(
                "it speaks version {theirs} of the protocol, the installed session program version {PROTOCOL}; \
                 exit, and start the installed shell"
            );
            ipc::send(socket, &failed(text))
        }
        Ok(Some(_)) => Err(blamed(&client, io::ErrorKind::InvalidData.into())),
        Err(error) => Err(blamed(&client, error)),
    }
}

/// Names the client that an error is about.
fn blamed(client: &Client, error: io::Error) -> io::Error {
    let text = format!("{}: not understood: {}", client.described(), error_text(&error));
    io::Error::new(error.kind(), text)
}

fn failed(text: String) -> HolderMessage {
    HolderMessage::Failed(PamError { phase: Phase::Start, verdict: Verdict::Broken, text })
}

/// Says why there is no login.
fn turn_away(socket: impl AsFd, unfit: &Unfit) -> io::Result<()> {
    let text = match unfit {
        Unfit::Gone => return Ok(()),
        Unfit::NoAccount(uid) => format!("the user id {uid} is not known to this host"),
        Unfit::Unknown(reason) => {
            Log::new(PROGRAM, "client", false).write(Level::Error, reason);
            "the session program cannot take the connection; see the system's log".to_owned()
        }
    };
    refuse(socket, text);
    Ok(())
}

/// Tells a client why its connection is not served; one that is gone need not know.
pub fn refuse(socket: impl AsFd, text: String) {
    let _ = ipc::send(socket, &failed(text));
}

/// Logs in and holds the session until its end.
fn hold(connection: &Connection<'_>, client: &Client, login: &LocalLogin) -> io::Result<()> {
    let socket = connection.socket();
    let service = if login.clear_sessions { CLEARING_SERVICE } else { SERVICE };
    let start = LoginStart {
        service: service.to_owned(),
        user: login.user.clone(),
        tty: client.tty().map(str::to_owned),
        rhost: None,
        ruser: Some(client.name().to_owned()),
        end_sessions: Vec::new(),
    };
    let mut relay = Relay { connection, own_name: client.name(), until: Instant::now() + GRACE };
    let mut asked_for = login.user.clone();
    let opened = Transaction::start(&start, &mut relay).and_then(|mut transaction| {
        transaction.delay_failures(FAIL_DELAY);
        let authenticated = transaction.authenticate();
        asked_for = transaction.user().or(asked_for.take());
        authenticated?;
        // A client that is gone is noticed by the next question, or by the wait.
        let _ = ipc::send(socket, &HolderMessage::Authenticated);
        transaction.check_account()?;
        transaction.open()?;
        Ok(transaction)
    });
    let log = Log::new(service, "login", false);
    let whose = printable(asked_for.unwrap_or_default().as_bytes());
    match opened {
        Err(failure) => {
            let line = format!("login of {whose} failed: {failure}, by {}", client.described());
            log.write(Level::Notice, &line);
            ipc::send(socket, &HolderMessage::Failed(failure))
        }
        Ok(transaction) => {
            let user = transaction.user().unwrap_or_default();
            log.write(Level::Info, &format!("login of {whose}, by {}", client.described()));
            let _ = ipc::send(socket, &HolderMessage::Opened(user.clone()));
            let served = serve(connection, client, &user);
            drop(transaction);
            served
        }
    }
}

/// Carries calls out until the client ends.
fn serve(connection: &Connection<'_>, client: &Client, user: &str) -> io::Result<()> {
    let socket = connection.socket();
    loop {
        if connection.wait(None) != Event::Socket {
            return Ok(());
        }
        let next = local::receive_call(socket, |what| connection.is_ready(what, Some(GRACE)));
        let Some(call) = next.map_err(|error| blamed(client, error))? else { return Ok(()) };
        let answer = administration(client, user).and_then(|admin| command::answer(&admin, call));
        let sent =
            local::send_answer(socket, &answer, |what| connection.is_ready(what, Some(READING)));
        if sent.is_err() {
            return Ok(());
        }
    }
}

/// Returns what `user` may see and change; looked up for each call, for it may change.
fn administration(client: &Client, user: &str) -> Result<Administration, CallError> {
    let user = user_named(user)?;
    let name = printable(user.name.to_bytes());
    let actor = if name == client.name() { name } else { format!("{name} for {}", client.name()) };
    Ok(Administration {
        config: ConfigFile::at(Path::new(config::DEFAULT_PATH)),
        sessions: Sessions::at(Path::new(store::DEFAULT_PATH)),
        actor,
        user,
        holder: Some(own_pid()),
        program: "shell",
    })
}

/// Hands the modules' messages on to the client.
struct Relay<'a> {
    connection: &'a Connection<'a>,
    own_name: &'a str,
    /// When the login has taken too long.
    until: Instant,
}

impl Conversation for Relay<'_> {
    fn converse(&mut self, style: Style, text: &str) -> Option<Answer> {
        let socket = self.connection.socket();
        ipc::send(socket, &HolderMessage::Message(style.number(), text.to_owned())).ok()?;
        if !style.is_question() {
            return Some(Answer::Shown);
        }
        let left = self.until.saturating_duration_since(Instant::now());
        match self.connection.wait(Some(left)) {
            Event::Socket => {}
            Event::End => return None,
            Event::Timeout => {
                let text = format!("The login was not completed within {} s.", GRACE.as_secs());
                let _ = ipc::send(socket, &HolderMessage::Message(Style::Error.number(), text));
                return None;
            }
        }
        let answer = ipc::receive_answer(socket).ok().flatten()?;
        // Enter alone is the user who asks.
        if style == Style::PromptShown && text == USER_PROMPT && answer.bytes().is_empty() {
            return own_name(self.own_name).map(Answer::Text);
        }
        Some(Answer::Text(answer))
    }
}

fn own_name(name: &str) -> Option<Secret> {
    let mut answer = Secret::new().ok()?;
    name.bytes().all(|byte| answer.push(byte)).then_some(answer)
}
