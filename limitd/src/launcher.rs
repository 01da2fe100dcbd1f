//! For hosts without systemd: stays root, starts a session process for each connection of the front, and reads
//! nothing from the network. The front is another process, with the rights of user `session-limit` from its
//! first instruction on.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, listen, socket_with,
};
use session_limit_core::system::error_text;
use session_limit_core::system::users::User;
use session_limit_session::program;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

use crate::net::tls::STATE_DIRECTORY;
use crate::sessions::SESSION_SOCKET;

/// The user that the front runs as.
const USER: &std::ffi::CStr = c"session-limit";
/// Session processes at once, as session-limit-session.socket says it (`MaxConnections=`).
const MAX_SESSIONS: usize = 256;
const BACKLOG: i32 = 128;

/// Starts the front and session processes until the front or a signal ends it.
///
/// # Errors
/// One line that says why it cannot.
pub fn run(program: &Path) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("--session-command needs root".to_owned());
    }
    if !program.is_file() {
        return Err(format!("{}: there is no such program", program.display()));
    }
    let user = User::named(USER).map_err(|error| error_text(&error))?;
    let user = user.ok_or("there is no user session-limit; see session-limitd(8)")?;
    let named =
        |what: &'static str| move |error: io::Error| format!("{what}: {}", error_text(&error));
    let socket = session_socket(user.gid).map_err(named(SESSION_SOCKET))?;
    state_directory(&user).map_err(named(STATE_DIRECTORY))?;
    let signals = signals().map_err(named("signals"))?;
    let mut front = Command::new("/proc/self/exe")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .current_dir("/")
        // Without the groups of root as well.
        .uid(user.uid)
        .gid(user.gid)
        .spawn()
        .map_err(named("the front cannot be started"))?;
    let result = start_sessions(program, &socket, &signals, &mut front);
    end(&mut front);
    // Only the socket is ours to remove; the directory may be shared.
    let _ = fs::remove_file(SESSION_SOCKET);
    result
}

/// Makes the socket that only the front may connect to.
fn session_socket(gid: u32) -> io::Result<OwnedFd> {
    let path = Path::new(SESSION_SOCKET);
    if let Some(directory) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(directory)?;
    }
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind(&socket, &address);
    rustix::process::umask(mask);
    bound?;
    chown(path, Some(0), Some(gid))?;
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Makes the directory of the self-signed certificate.
fn state_directory(user: &User) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(STATE_DIRECTORY)?;
    chown(STATE_DIRECTORY, Some(user.uid), Some(user.gid))
}

/// Returns the end of a pipe that becomes readable when a signal asks us to look, and notes which.
fn signals() -> io::Result<Signals> {
    let (pipe, write) = UnixStream::pair()?;
    pipe.set_nonblocking(true)?;
    let signals = Signals { pipe, stop: Flag::default(), reload: Flag::default() };
    for (signal, flag) in
        [(SIGTERM, &signals.stop), (SIGINT, &signals.stop), (SIGHUP, &signals.reload)]
    {
        signal_hook::flag::register(signal, flag.clone())?;
    }
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGCHLD] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    Ok(signals)
}

type Flag = std::sync::Arc<std::sync::atomic::AtomicBool>;

struct Signals {
    pipe: UnixStream,
    stop: Flag,
    reload: Flag,
}

impl Signals {
    fn take(flag: &Flag) -> bool {
        flag.swap(false, std::sync::atomic::Ordering::Relaxed)
    }

    fn drain(&self) {
        let mut bytes = [0; 64];
        while matches!(rustix::io::read(&self.pipe, &mut bytes), Ok(1..)) {}
    }
}

fn start_sessions(
    program: &Path,
    socket: &OwnedFd,
    signals: &Signals,
    front: &mut Child,
) -> Result<(), String> {
    let mut sessions: Vec<Child> = Vec::new();
    loop {
        sessions.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
        if let Ok(Some(status)) = front.try_wait() {
            let text = format!("the front has ended: {status}");
            return if status.success() { Ok(()) } else { Err(text) };
        }
        if Signals::take(&signals.stop) {
            return Ok(());
        }
        if Signals::take(&signals.reload) {
            signal(front, rustix::process::Signal::HUP);
        }
        // With all processes in use connections wait, until one ends.
        let wanted = if sessions.len() < MAX_SESSIONS { PollFlags::IN } else { PollFlags::empty() };
        let mut both = [
            PollFd::new(&signals.pipe, PollFlags::IN),
            PollFd::from_borrowed_fd(socket.as_fd(), wanted),
        ];
        match poll(&mut both, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(format!("cannot wait: {}", error_text(&error.into()))),
        }
        signals.drain();
        if sessions.len() < MAX_SESSIONS {
            if let Ok(connection) = accept_with(socket, SocketFlags::CLOEXEC) {
                match program::command(program, connection).spawn() {
                    Ok(child) => sessions.push(child),
                    Err(error) => {
                        crate::log::line(&format!("{}: {}", program.display(), error_text(&error)))
                    }
                }
            }
        }
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It is our child and has not been waited for: the number is still its own.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Ends the front; with it its connections, and so all sessions.
fn end(front: &mut Child) {
    if matches!(front.try_wait(), Ok(None)) {
        signal(front, rustix::process::Signal::TERM);
        let _ = front.wait();
    }
}
