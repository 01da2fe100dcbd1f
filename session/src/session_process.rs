//! The process that holds a PAM session: it authenticates, opens, answers requests and closes.
//!
//! Here, for `shell` where root runs it, and for the service; [`crate::local_session`] is the same for the `shell` of
//! other users. It ends when its socket closes, however the other side ended, when a signal tells it to (that is how a
//! session is cleared), or when the session was idle for too long or is too old. In each case it closes the
//! session first.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use session_limit_admin::administration::{Administration, user_named};
use session_limit_admin::api::{self, OwnPassword, Request, statistics};
use session_limit_admin::config::store::ConfigFile;
use session_limit_admin::error::{AdminError, AdminErrorKind};
use session_limit_admin::sessions::Sessions;
use session_limit_core::admission::WARNING;
use session_limit_core::config::{self, Config};
use session_limit_core::log::Log;
use session_limit_core::model::sanitize::printable;
use session_limit_core::store;
use session_limit_core::system::{own_pid, shadow};

use crate::ipc::{self, Beginning, HolderMessage};
use crate::pam_client::{
    Answer, Conversation, LoginStart, PamError, Phase, Style, Transaction, Verdict,
};
use crate::secret::Secret;
use crate::wait::{Connection, Event, signals};
use crate::{hardening, password_change, sampler};

/// The name in log lines.
pub const PROGRAM: &str = "session-limit-session";
/// PAM services of the prompt, for root only.
const PROMPT_SERVICES: [&str; 2] = ["shell", "shell-clear-sessions"];
/// PAM services of the API.
const API_SERVICES: [&str; 2] = ["session-limitd", "session-limitd-clear-sessions"];
/// How long a client may take to say what it wants, and to answer a question.
const PATIENCE: Duration = Duration::from_secs(120);

/// Holds one session, with the socket of `shell` or of the service on standard input.
///
/// # Errors
/// When nothing that speaks our language is at the other end.
pub fn run() -> io::Result<()> {
    settle()?;
    let stdin = io::stdin();
    let socket = stdin.as_fd();
    let signals = signals()?;
    let connection = Connection::new(socket, &signals, None);
    if connection.wait(Some(PATIENCE)) != Event::Socket {
        return Ok(());
    }
    match ipc::receive_start(socket)? {
        None => Ok(()),
        Some(Beginning::Local(_) | Beginning::OtherProtocol(_)) => {
            Err(io::ErrorKind::InvalidData.into())
        }
        Some(Beginning::Settings) => {
            let settings = config_file().read().map(|config| config.service);
            let settings = settings.map_err(|error| error.to_string());
            ipc::send(socket, &HolderMessage::Settings(settings))
        }
        Some(Beginning::Statistics) => {
            let statistics = administration("root").and_then(|admin| statistics::collect(&admin));
            ipc::send(socket, &HolderMessage::Statistics(statistics.map_err(|e| e.to_string())))
        }
        Some(Beginning::Sampler) => {
            let log = Log::new(PROGRAM, "history", false);
            let timed_out = |pause| connection.wait(Some(pause)) == Event::Timeout;
            sampler::run(&log, || administration("root"), timed_out);
            Ok(())
        }
        Some(Beginning::Login(start)) => hold(&connection, &start),
    }
}

/// Makes this process one that can hold a session: protected, of no terminal, and nowhere in particular.
pub(crate) fn settle() -> io::Result<()> {
    hardening::protect()?;
    hardening::lock_memory();
    // Out of the reach of the terminal: Ctrl-C and hanging up are for the prompt. What systemd or a shell has
    // started as the leader of a session stays one.
    match rustix::process::setsid() {
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(rustix::process::chdir("/")?)
}

/// Logs in and holds the session until its end.
fn hold(connection: &Connection<'_>, start: &LoginStart) -> io::Result<()> {
    let socket = connection.socket();
    if let Err(failure) = check_service(socket, &start.service) {
        return ipc::send(socket, &HolderMessage::Failed(failure));
    }
    let at_limit = LimitSeen::default();
    let mut relay = Relay { connection, end_sessions: &start.end_sessions, seen: &at_limit };
    let login = Transaction::start(start, &mut relay).and_then(|mut transaction| {
        transaction.authenticate()?;
        // A client that is gone is noticed by the next question, or by the wait.
        let _ = ipc::send(socket, &HolderMessage::Authenticated);
        at_limit.is_authenticated.set(true);
        // A program has no prompt at which a password is changed: it has a call for that, and no other one.
        let expired = match API_SERVICES.contains(&start.service.as_str()) {
            true => transaction.is_password_expired()?,
            false => transaction.check_account().map(|()| false)?,
        };
        transaction.open()?;
        Ok((transaction, expired))
    });
    match login {
        Err(failure) => {
            if failure.verdict == Verdict::Refused && API_SERVICES.contains(&start.service.as_str())
            {
                tell_at_limit(socket, start, &at_limit)?;
            }
            ipc::send(socket, &HolderMessage::Failed(failure))
        }
        Ok((transaction, expired)) => {
            let user = transaction.user().unwrap_or_default();
            if at_limit.has_asked.get() {
                end_chosen(&user, &start.end_sessions);
            }
            let _ = ipc::send(socket, &HolderMessage::Opened(user.clone()));
            let account = HeldAccount::new(start, user, expired);
            let served = serve(connection, account, &Lifetime::of(&start.service));
            drop(transaction);
            served
        }
    }
}

/// Tells the client of a user, all of whose factors were shown, what takes the slots, as far as the policy
/// goes. A client that reads only why the login failed loses nothing.
fn tell_at_limit(socket: BorrowedFd<'_>, start: &LoginStart, seen: &LimitSeen) -> io::Result<()> {
    let Some(user) = start.user.as_deref().filter(|_| seen.has_warned.get()) else { return Ok(()) };
    let told = administration(user).and_then(|admin| api::at_limit(&admin, seen.has_asked.get()));
    match told {
        Ok(Some(told)) => ipc::send(socket, &HolderMessage::AtLimit(told)),
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Ends the sessions that a user chose and the module has not ended: the end of the first made room.
fn end_chosen(user: &str, chosen: &[i64]) {
    let Ok(admin) = administration(user) else { return };
    for &id in chosen {
        // One that ended meanwhile is no error, and the login stands whatever comes of the others.
        let is_own = admin.sessions.seen(Some(admin.user.uid)).is_ok_and(|seen| {
            seen.iter()
                .any(|seen| seen.session.id == id && Some(seen.session.leader.pid) != admin.holder)
        });
        if is_own {
            let _ = admin.clear_session(id);
        }
    }
}

/// Checks that the process at the other end may log users in through `service`.
fn check_service(socket: BorrowedFd<'_>, service: &str) -> Result<(), PamError> {
    let is_root = socket_peercred(socket).is_ok_and(|peer| peer.uid.is_root());
    let is_allowed =
        API_SERVICES.contains(&service) || (is_root && PROMPT_SERVICES.contains(&service));
    if is_allowed {
        return Ok(());
    }
    let text = format!("the service {} is not served here", printable(service.as_bytes()));
    Err(PamError { phase: Phase::Start, verdict: Verdict::Broken, text })
}

/// Answers requests until the session is to end.
fn serve(
    connection: &Connection<'_>,
    mut account: HeldAccount<'_>,
    lifetime: &Lifetime,
) -> io::Result<()> {
    let socket = connection.socket();
    let began = Instant::now();
    let mut last_call = began;
    loop {
        let left = lifetime.left(began.elapsed(), last_call.elapsed());
        if connection.wait(left) != Event::Socket {
            return Ok(());
        }
        let Some(request) = ipc::receive_request(socket)? else { return Ok(()) };
        let is_attended = request.is_attended();
        let answer = account.answer(request);
        let ends = answer.as_ref().is_ok_and(|answer| answer.ends_session);
        ipc::send_reply(socket, &answer.map(|answer| answer.body))?;
        if ends {
            return Ok(());
        }
        if is_attended {
            last_call = Instant::now();
        }
    }
}

/// The user of a session, and whether the user's password has to be changed first.
struct HeldAccount<'a> {
    start: &'a LoginStart,
    user: String,
    password: OwnPassword,
}

impl<'a> HeldAccount<'a> {
    fn new(start: &'a LoginStart, user: String, is_expired: bool) -> Self {
        // Where the file cannot be read the page of the change is not offered; the call is there all the same.
        let is_local = shadow::has_password(user.as_bytes()).unwrap_or(false);
        Self { start, user, password: OwnPassword { is_expired, is_local } }
    }

    /// Returns the account, with what is known here only.
    fn account(&self) -> Result<api::Answer, AdminError> {
        api::account(&administration(&self.user)?, self.password)
    }

    fn answer(&mut self, request: Request) -> Result<api::Answer, AdminError> {
        match request {
            Request::ChangePassword(change) => {
                password_change::change(self.start, &self.user, &change)?;
                self.password.is_expired = false;
                self.account()
            }
            Request::Account => self.account(),
            // A page that looks by itself whether the session is open.
            Request::Unattended(request) if matches!(*request, Request::Account) => self.account(),
            _ if self.password.is_expired => {
                let message = "the password has expired, expected PUT /api/useraccount with \
                               old_password and password";
                Err(AdminError::new(AdminErrorKind::Forbidden, message))
            }
            request => api::answer(&administration(&self.user)?, request),
        }
    }
}

/// Returns what `user` may see and change; looked up for each request, for it may change.
fn administration(user: &str) -> Result<Administration, AdminError> {
    let user = user_named(user)?;
    Ok(Administration {
        config: config_file(),
        sessions: Sessions::at(Path::new(store::DEFAULT_PATH)),
        actor: printable(user.name.to_bytes()),
        user,
        holder: Some(own_pid()),
        program: "session-limitd",
    })
}

fn config_file() -> ConfigFile {
    ConfigFile::at(Path::new(config::DEFAULT_PATH))
}

/// How long a session lasts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lifetime {
    idle: Option<Duration>,
    whole: Option<Duration>,
}

impl Lifetime {
    /// Returns the lifetime of sessions of a service. Those of a prompt last as long as the prompt.
    fn of(service: &str) -> Self {
        if !API_SERVICES.contains(&service) {
            return Self::default();
        }
        let settings = config_file().read().unwrap_or_else(|_| Config::default()).service;
        let some = |seconds: u64| (seconds != 0).then(|| Duration::from_secs(seconds));
        Self {
            idle: some(u64::from(settings.api_idle_timeout) * 60),
            whole: some(u64::from(settings.api_session_lifetime) * 3600),
        }
    }

    fn left(&self, age: Duration, idle: Duration) -> Option<Duration> {
        let idle = self.idle.map(|limit| limit.saturating_sub(idle));
        let whole = self.whole.map(|limit| limit.saturating_sub(age));
        idle.into_iter().chain(whole).min()
    }
}

/// Hands the modules' messages on to the client.
struct Relay<'a> {
    connection: &'a Connection<'a>,
    /// The answer to the module's question at the limit.
    end_sessions: &'a [i64],
    seen: &'a LimitSeen,
}

/// What a login has shown of the limit.
#[derive(Default)]
struct LimitSeen {
    /// Every factor was shown.
    is_authenticated: Cell<bool>,
    /// After that the module warned,
    has_warned: Cell<bool>,
    /// or asked which session to end.
    has_asked: Cell<bool>,
}

impl LimitSeen {
    /// Takes note of a message; returns whether it is the module's question.
    fn is_question(&self, style: Style, text: &str) -> bool {
        let [warning, _] = WARNING;
        if !self.is_authenticated.get() || !text.starts_with(warning) {
            return false;
        }
        self.has_asked.set(self.has_asked.get() || style == Style::PromptShown);
        self.has_warned.set(self.has_warned.get() || style == Style::Error);
        style == Style::PromptShown
    }
}

/// Returns the answer that means these sessions, by their numbers.
fn chosen(sessions: &[i64]) -> io::Result<Secret> {
    let mut answer = Secret::new()?;
    for byte in sessions.iter().flat_map(|id| format!("#{id} ").into_bytes()) {
        answer.push(byte);
    }
    Ok(answer)
}

impl Conversation for Relay<'_> {
    fn converse(&mut self, style: Style, text: &str) -> Option<Answer> {
        if self.seen.is_question(style, text) && !self.end_sessions.is_empty() {
            return chosen(self.end_sessions).ok().map(Answer::Text);
        }
        let socket = self.connection.socket();
        ipc::send(socket, &HolderMessage::Message(style.number(), text.to_owned())).ok()?;
        if !style.is_question() {
            return Some(Answer::Shown);
        }
        // A person at a prompt may take their time; the prompt's end is seen on the socket.
        if self.connection.wait(None) != Event::Socket {
            return None;
        }
        ipc::receive_answer(socket).ok().flatten().map(Answer::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_when_idle_or_too_old_whichever_is_first() {
        let seconds = Duration::from_secs;
        let lifetime = Lifetime { idle: Some(seconds(60)), whole: Some(seconds(100)) };
        assert_eq!(lifetime.left(seconds(10), seconds(10)), Some(seconds(50)));
        assert_eq!(lifetime.left(seconds(70), seconds(0)), Some(seconds(30)));
        assert_eq!(lifetime.left(seconds(200), seconds(0)), Some(seconds(0)));
        assert_eq!(Lifetime::of("shell"), Lifetime::default());
        assert_eq!(Lifetime::default().left(seconds(9), seconds(9)), None);
    }
}
