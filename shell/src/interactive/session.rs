//! The session of a login: held by a process that root's `shell` starts, or by one behind the socket that every user
//! may connect to. The latter carries the commands out, too.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown,
    socket_with,
};
use serde_json::Value;
use session_limit_admin::administration::{Administration, user_named};
use session_limit_admin::command::{Administrator, Call, CallError, Channel};
use session_limit_admin::config::limits_conf::FileRights;
use session_limit_admin::config::store::ConfigFile;
use session_limit_admin::error::{AdminError, AdminErrorKind};
use session_limit_admin::sessions::Sessions;
use session_limit_core::model::sanitize::printable;
use session_limit_core::system::error_text;
use session_limit_session::ipc;
use session_limit_session::ipc::local::{self, LocalLogin};
use session_limit_session::pam_client::LoginStart;
use session_limit_session::program;

use crate::command::engine::{Engine, PROGRAM};
use crate::interactive::dialogue::{LoginError, PromptResponder, talk};
use crate::interactive::terminal;
use crate::output::exit_code::CommandError;
use crate::program::args::{Args, SOCKET};

/// The PAM service of a login.
const SERVICE: &str = "shell";
/// The PAM service of a login that ends the user's other sessions.
const CLEARING_SERVICE: &str = "shell-clear-sessions";
/// How long a session is waited for that was told to close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(5);
const CLOSE_POLL: Duration = Duration::from_millis(5);

/// How a session process is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// It is started: the calling process is root.
    Start,
    /// Through the socket at this path.
    Socket(PathBuf),
}

impl Route {
    /// Returns the way for root or another user.
    #[must_use]
    pub fn of(args: &Args, is_root: bool) -> Self {
        match &args.socket {
            None if is_root => Self::Start,
            path => Self::Socket(path.clone().unwrap_or_else(|| PathBuf::from(SOCKET))),
        }
    }
}

/// A session, held by another process.
#[derive(Debug)]
pub struct HeldSession {
    /// The process, where this one started it.
    holder: Option<Child>,
    socket: Rc<OwnedFd>,
    user: String,
}

impl HeldSession {
    /// Logs in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn log_in(
        route: &Route,
        login: &LocalLogin,
        answers: &mut impl PromptResponder,
    ) -> Result<Self, LoginError> {
        match route {
            Route::Start => Self::start(login, answers),
            Route::Socket(path) => Self::connect(path, login, answers),
        }
    }

    fn start(login: &LocalLogin, answers: &mut impl PromptResponder) -> Result<Self, LoginError> {
        let broken = |error: io::Error| {
            let reason = error_text(&error);
            LoginError::Broken(format!("the login process cannot be reached: {reason}"))
        };
        let (socket, theirs) = ipc::pair().map_err(broken)?;
        let installed = program::installed().map_err(broken)?;
        let mut holder = program::command(&installed, theirs).spawn().map_err(broken)?;
        let service = if login.clear_sessions { CLEARING_SERVICE } else { SERVICE };
        let start = LoginStart {
            service: service.to_owned(),
            user: login.user.clone(),
            tty: terminal::name(),
            rhost: None,
            ruser: None,
            end_sessions: Vec::new(),
        };
        let sent = ipc::send_start(&socket, &start).map_err(broken);
        match sent.and_then(|()| talk(&socket, answers)) {
            Ok(user) => Ok(Self { holder: Some(holder), socket: Rc::new(socket), user }),
            Err(error) => {
                drop(socket);
                // It exits by itself now that its socket is closed.
                let _ = holder.wait();
                Err(error)
            }
        }
    }

    fn connect(
        path: &Path,
        login: &LocalLogin,
        answers: &mut impl PromptResponder,
    ) -> Result<Self, LoginError> {
        let socket = connected(path).map_err(|error| {
            LoginError::Unreachable(format!(
                "{}: {}; root starts it by `systemctl start session-limit-shell.socket`, or runs `sudo shell`",
                path.display(),
                error_text(&error.into())
            ))
        })?;
        // Where the session process has turned the connection away, it says why.
        let _ = local::send_login(&socket, login);
        let user = talk(&socket, answers)?;
        Ok(Self { holder: None, socket: Rc::new(socket), user })
    }

    /// Returns the name of the user who logged in.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns whether the session is still there.
    #[must_use]
    pub fn is_alive(&mut self) -> bool {
        // The session process says nothing by itself: an event is the end.
        is_silent(&self.socket)
            && self.holder.as_mut().is_none_or(|holder| matches!(holder.try_wait(), Ok(None)))
    }

    /// Returns what carries commands out with the rights of the user who logged in.
    ///
    /// # Errors
    /// When the user is not known any more.
    pub fn engine(&self, args: &Args) -> Result<Engine, CommandError> {
        let Some(holder) = &self.holder else {
            let channel = SessionChannel(Rc::clone(&self.socket));
            let admin = Administrator::over(channel, &self.user, FileRights::OfProcess);
            return Ok(Engine { admin });
        };
        let user = user_named(&self.user)?;
        let admin = Administration {
            config: ConfigFile::at(args.config()),
            sessions: Sessions::at(args.state()),
            actor: printable(user.name.to_bytes()),
            user,
            holder: i32::try_from(holder.id()).ok(),
            program: PROGRAM,
        };
        Ok(Engine { admin: admin.into() })
    }

    /// Ends the session and waits until it is closed.
    pub fn end(self) {
        let Self { holder, socket, .. } = self;
        // The channel of an engine may hold the socket, too. The other end may be gone.
        let _ = shutdown(&*socket, Shutdown::Write);
        let began = Instant::now();
        match holder {
            Some(mut holder) => {
                while began.elapsed() < CLOSE_DEADLINE && matches!(holder.try_wait(), Ok(None)) {
                    std::thread::sleep(CLOSE_POLL);
                }
            }
            None => {
                let limit = Timespec::try_from(CLOSE_DEADLINE).unwrap_or_default();
                let mut end = [PollFd::new(&*socket, PollFlags::IN)];
                // It ends all the same; only when that is over is not known.
                let _ = poll(&mut end, Some(&limit));
            }
        }
    }
}

/// Carries commands to the session process.
struct SessionChannel(Rc<OwnedFd>);

impl Channel for SessionChannel {
    fn call(&mut self, call: Call) -> Result<Value, CallError> {
        let error = |text: String| AdminError::new(AdminErrorKind::Io, text).into();
        match local::call(&*self.0, &call) {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(error("the session was ended".to_owned())),
            Err(failure) => {
                Err(error(format!("the answer is not understood: {}", error_text(&failure))))
            }
        }
    }
}

fn is_silent(socket: &OwnedFd) -> bool {
    let mut socket = [PollFd::new(socket, PollFlags::IN)];
    matches!(poll(&mut socket, Some(&Timespec::default())), Ok(0))
}

fn connected(path: &Path) -> Result<OwnedFd, Errno> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let address = SocketAddrUnix::new(path)?;
    loop {
        // Waits while many others are waiting to be accepted.
        match connect(&socket, &address) {
            Ok(()) => return Ok(socket),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
