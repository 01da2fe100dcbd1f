//! Connections to one member of the cluster: made when needed, kept for the next call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use session_limit_core::model::fleet_settings::Endpoint;
use session_limit_core::system::error_text;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

/// Connections that are kept while no call uses them.
const KEPT: usize = 8;
/// Connections that are being made at the same time.
const MAX_CONNECTING: usize = 32;
/// How long it may take to make one: longer than a call, for the next call has use of it.
const CONNECT: Duration = Duration::from_secs(3);

/// One member and the connections to it.
pub struct Member {
    pub endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    idle: RefCell<Vec<Connection>>,
    connecting: Cell<usize>,
}

/// A connection.
pub type Connection = SendRequest<Full<Bytes>>;

/// Why a request got no answer.
pub struct Unsent {
    /// Says why.
    pub why: String,
    /// Whether the member has seen nothing of it.
    pub is_unseen: bool,
}

impl Member {
    pub fn new(endpoint: Endpoint, tls: Option<Arc<ClientConfig>>) -> Self {
        Self { endpoint, tls, idle: RefCell::default(), connecting: Cell::default() }
    }

    /// Sends a request, and returns the head of the answer and the connection, which is to be handed back by
    /// [`Member::keep`] when the answer has been read.
    pub async fn send(
        self: &Rc<Self>,
        request: &Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Connection), Unsent> {
        loop {
            let kept = self.idle.borrow_mut().pop();
            let is_kept = kept.is_some();
            let mut connection = match kept {
                Some(kept) if kept.is_closed() => continue,
                Some(kept) => kept,
                None => match self.connection().await {
                    Ok(connection) => connection,
                    Err(why) => return Err(Unsent { why, is_unseen: true }),
                },
            };
            let sent = match connection.ready().await {
                Ok(()) => connection.send_request(request.clone()).await,
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => return Ok((response, connection)),
                // The member has closed it meanwhile, before this request.
                Err(error) if is_kept && error.is_canceled() => {}
                Err(error) => {
                    let is_unseen = error.is_canceled();
                    return Err(Unsent { why: format!("{}: {error}", self.endpoint), is_unseen });
                }
            }
        }
    }

    /// Keeps a connection for the next call.
    pub fn keep(&self, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < KEPT && !connection.is_closed() {
            idle.push(connection);
        }
    }

    /// Closes what is kept: the member does not answer.
    pub fn forget(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Makes a connection. A call that gives up meanwhile leaves it to the next one: where all is slow, no call
    /// alone would come to the end of a handshake.
    async fn connection(self: &Rc<Self>) -> Result<Connection, String> {
        if self.connecting.get() >= MAX_CONNECTING {
            return Err(format!("{}: connections are not accepted", self.endpoint));
        }
        self.connecting.set(self.connecting.get() + 1);
        let member = Rc::clone(self);
        let (made, waiting) = oneshot::channel();
        tokio::task::spawn_local(async move {
            let connected = timeout(CONNECT, member.connect()).await;
            member.connecting.set(member.connecting.get().saturating_sub(1));
            let connected = connected
                .unwrap_or_else(|_| Err(format!("{}: no connection in time", member.endpoint)));
            if let Err(Ok(left)) = made.send(connected) {
                member.keep(left);
            }
        });
        waiting.await.unwrap_or_else(|_| Err("the agent is ending".to_owned()))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let failed = |error: std::io::Error| format!("{}: {}", self.endpoint, error_text(&error));
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(failed)?;
        // Small requests are not to wait for more.
        let _ = stream.set_nodelay(true);
        match self.tls.as_ref().filter(|_| self.endpoint.tls) {
            None => self.speak(stream).await,
            Some(tls) => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|error| format!("{}: {error}", self.endpoint))?;
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
                self.speak(stream.map_err(|error| format!("{}: TLS: {error}", self.endpoint))?)
                    .await
            }
        }
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Connection, String> {
        let (connection, driver) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("{}: {error}", self.endpoint))?;
        // Ends with the connection; what went wrong is told to the call that waits for an answer.
        tokio::task::spawn_local(async move { drop(driver.await) });
        Ok(connection)
    }
}
