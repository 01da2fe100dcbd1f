//! The connection to a session process, without blocking.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, socket_with,
};
use session_limit_admin::api::Request;
use session_limit_session::ipc::{self, HolderMessage, Reply};
use session_limit_session::pam_client::LoginStart;
use session_limit_session::secret::Secret;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// How often, and after which time each, a connection is tried again while all are waiting to be accepted.
const TRIES: usize = 100;
const RETRY: Duration = Duration::from_millis(50);

/// A connection to a session process.
pub struct Packets {
    // For packets, which the type does not mind: it is only asked when the socket is ready.
    socket: UnixStream,
}

impl Packets {
    /// Connects to the socket at `path`; the program that listens there starts a process for the connection.
    ///
    /// # Errors
    /// Those of socket(2) and connect(2).
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        for _ in 0..TRIES {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
            match connect(&socket, &address) {
                Ok(()) => {
                    let socket = UnixStream::from_std(StdStream::from(socket))?;
                    return Ok(Self { socket });
                }
                Err(Errno::AGAIN) => tokio::time::sleep(RETRY).await,
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// Tells who logs in.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn start(&self, start: &LoginStart) -> io::Result<()> {
        self.write(|socket| ipc::send_start(socket, start)).await
    }

    /// Asks how the service is configured.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn ask_settings(&self) -> io::Result<()> {
        self.write(|socket| ipc::ask_settings(socket)).await
    }

    /// Asks for counts.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn ask_statistics(&self) -> io::Result<()> {
        self.write(|socket| ipc::ask_statistics(socket)).await
    }

    /// Has the history kept for as long as the connection is held.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn start_sampler(&self) -> io::Result<()> {
        self.write(|socket| ipc::start_sampler(socket)).await
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When the session process is gone.
    pub async fn answer(&self, secret: &Secret) -> io::Result<()> {
        self.write(|socket| ipc::send_answer(socket, secret)).await
    }

    /// Receives a message of the login; nothing once the process is gone.
    ///
    /// # Errors
    /// When it is not understood.
    pub async fn message(&self) -> io::Result<Option<HolderMessage>> {
        self.socket.async_io(Interest::READABLE, || ipc::receive(&self.socket)).await
    }

    /// Sends a request and waits for the answer; nothing once the session is over.
    ///
    /// # Errors
    /// When the request is too long or the answer is not understood.
    pub async fn ask(&self, request: &Request) -> io::Result<Option<Reply>> {
        match self.write(|socket| ipc::send_request(socket, request)).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
            other => other?,
        }
        self.socket.async_io(Interest::READABLE, || ipc::receive_reply(&self.socket)).await
    }

    /// Waits until the session process says something without being asked, which means that it is over.
    pub async fn closed(&self) {
        let look = || {
            let mut byte = [0];
            let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            recv(&self.socket, &mut byte, flags).map(drop).map_err(io::Error::from)
        };
        // An error is an end as well.
        let _ = self.socket.async_io(Interest::READABLE, look).await;
    }

    async fn write(&self, mut send: impl FnMut(&UnixStream) -> io::Result<()>) -> io::Result<()> {
        self.socket.async_io(Interest::WRITABLE, || send(&self.socket)).await
    }
}
