//! Connections: accepted, made safe by TLS, and served for as long as each behaves.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::connections::{Connections, Membership, Peer};

/// How long a TLS handshake, and the head of a request, may take. An idle connection is closed after it as well.
const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the longest request head.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;
/// How long to wait where the system has no descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// Where clients connect.
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

/// How TLS is spoken; another way after a reload.
#[derive(Clone, Default)]
pub struct Tls {
    config: Arc<Mutex<Option<Arc<ServerConfig>>>>,
}

impl Tls {
    /// Speaks TLS in this way from now on, or not at all.
    pub fn set(&self, config: Option<Arc<ServerConfig>>) {
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn acceptor(&self) -> Option<TlsAcceptor> {
        let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        config.clone().map(TlsAcceptor::from)
    }
}

/// Accepts connections until the program ends.
pub async fn accept(listener: Listener, router: Router, tls: Tls, connections: Connections) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, address)| {
                // Small answers are not to wait for more.
                let _ = stream.set_nodelay(true);
                (Stream::Tcp(stream), Peer::Address(address.ip()))
            }),
            Listener::Unix(listener) => {
                listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), Peer::Local))
            }
        };
        match accepted {
            Err(error) => {
                crate::log::line(&format!("a connection cannot be accepted: {error}"));
                tokio::time::sleep(BREATHER).await;
            }
            Ok((stream, peer)) => {
                // While all are busy the newest is turned away.
                let Some(member) = connections.add() else { continue };
                let (router, tls) = (router.clone(), tls.acceptor());
                tokio::spawn(async move {
                    let connection = member.connection.clone();
                    tokio::select! {
                        () = serve(stream, peer, router, tls, &member) => {}
                        () = connection.evicted() => {}
                    }
                });
            }
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

async fn serve(
    stream: Stream,
    peer: Peer,
    router: Router,
    tls: Option<TlsAcceptor>,
    member: &Membership,
) {
    // A client that breaks off, or does not speak TLS, is no news.
    let _ = match (stream, tls) {
        (Stream::Tcp(stream), Some(tls)) => secured(tls, stream, peer, router, member).await,
        (Stream::Unix(stream), Some(tls)) => secured(tls, stream, peer, router, member).await,
        (Stream::Tcp(stream), None) => speak(stream, peer, router, member).await,
        (Stream::Unix(stream), None) => speak(stream, peer, router, member).await,
    };
}

async fn secured(
    tls: TlsAcceptor,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    member: &Membership,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::time::timeout(DEADLINE, tls.accept(stream))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    speak(stream, peer, router, member).await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    member: &Membership,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // What a request says of its connection is added to the request: a layer would copy every route for each
    // connection.
    let routes = TowerToHyperService::new(router);
    let connection = member.connection.clone();
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(connection.clone());
        routes.call(request)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(DEADLINE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}
