//! The process that clients speak with. It has no rights: it starts with those of the user `session-limit`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use session_limit_core::model::service_settings::{Listen, Service};
use session_limit_core::system::error_text;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::calls::App;
use crate::net::server::{self, Listener, Tls};
use crate::net::{Connections, MAX_CONNECTIONS, tls};
use crate::sessions::settings;
use crate::{api, console, sampler};

/// Mode of a Unix socket that the service makes: its own user and group, for a proxy.
const SOCKET_MODE: u32 = 0o660;

/// Serves until a signal ends it.
///
/// # Errors
/// One line that says why it cannot serve.
pub fn run() -> Result<(), String> {
    if rustix::process::geteuid().is_root() {
        let expected = "expected user session-limit, or --session-command PATH";
        return Err(format!("does not serve as root, {expected}"));
    }
    session_limit_session::hardening::protect()
        .map_err(|error| format!("the process cannot be protected: {}", error_text(&error)))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {}", error_text(&error)))?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), String> {
    let app = App::default();
    let read = settings::ask().await?;
    if let Err(mistake) = &read {
        crate::log::line(&format!("answers 503 until this is right: {mistake}"));
    }
    app.configure(read);
    let service = app.settings().service;
    let secured = Tls::default();
    secured.set(if service.tls { Some(tls::server_config(&service)?) } else { None });
    let connections = Connections::new(MAX_CONNECTIONS);
    for listener in listeners(&service)? {
        let router = api::router(app.clone()).merge(console::router(app.clone()));
        tokio::spawn(server::accept(listener, router, secured.clone(), connections.clone()));
    }
    tokio::spawn(sampler::run(app.clone()));
    let stop = |kind| signal(kind).map_err(|error| format!("no signals: {}", error_text(&error)));
    let (mut terminate, mut interrupt) =
        (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);
    let mut reload = stop(SignalKind::hangup())?;
    // Without systemd no service manager is told.
    let _ = sd_notify::notify(true, &[NotifyState::Ready]);
    loop {
        tokio::select! {
            // Every connection to a session process closes now, and with it the session.
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = reload.recv() => reconfigure(&app, &secured).await,
        }
    }
}

/// Reads settings, certificate and key again; what is not valid leaves the old ones in use. Where it listens,
/// and whether it speaks TLS there, stays.
async fn reconfigure(app: &App, secured: &Tls) {
    let before = app.settings().service;
    match settings::ask().await {
        Err(problem) => crate::log::line(&problem),
        Ok(read) => app.configure(read),
    }
    let mut settings = app.settings();
    if let Some(mistake) = &settings.mistake {
        crate::log::line(mistake);
    }
    if (settings.service.tls, &settings.service.listen) != (before.tls, &before.listen) {
        crate::log::line("tls and listen take effect at the next start");
        settings.service.tls = before.tls;
        settings.service.listen = before.listen;
        app.configure(settings.mistake.map_or(Ok(settings.service.clone()), Err));
    }
    if before.tls {
        match tls::server_config(&settings.service) {
            Ok(config) => secured.set(Some(config)),
            Err(problem) => crate::log::line(&problem),
        }
    }
}

/// Returns what systemd hands over, else what the settings name.
fn listeners(service: &Service) -> Result<Vec<Listener>, String> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        listeners.push(handed_over(&mut handed, index, service.tls)?);
    }
    if listeners.is_empty() {
        listeners.push(bind(&service.listen)?);
    }
    Ok(listeners)
}

fn handed_over(handed: &mut ListenFd, index: usize, tls: bool) -> Result<Listener, String> {
    let failed = |error: std::io::Error| {
        format!("socket {index} of systemd cannot be used: {}", error_text(&error))
    };
    if let Ok(Some(listener)) = handed.take_tcp_listener(index) {
        let is_local = listener.local_addr().map_err(failed)?.ip().is_loopback();
        if !tls && !is_local {
            return Err(format!(
                "socket {index} of systemd is no loopback address, expected tls = true"
            ));
        }
        listener.set_nonblocking(true).map_err(failed)?;
        return TcpListener::from_std(listener).map(Listener::Tcp).map_err(failed);
    }
    let listener = handed.take_unix_listener(index).map_err(failed)?;
    let listener = listener.ok_or_else(|| format!("socket {index} of systemd is gone"))?;
    listener.set_nonblocking(true).map_err(failed)?;
    UnixListener::from_std(listener).map(Listener::Unix).map_err(failed)
}

fn bind(listen: &Listen) -> Result<Listener, String> {
    match listen {
        Listen::Address(address) => {
            let failed = |error: std::io::Error| format!("{address}: {}", error_text(&error));
            let listener = std::net::TcpListener::bind(address).map_err(failed)?;
            listener.set_nonblocking(true).map_err(failed)?;
            TcpListener::from_std(listener).map(Listener::Tcp).map_err(failed)
        }
        Listen::Unix(path) => {
            let failed = |error: std::io::Error| format!("{path}: {}", error_text(&error));
            remove_old(Path::new(path)).map_err(failed)?;
            let listener = UnixListener::bind(path).map_err(failed)?;
            let mode = fs::Permissions::from_mode(SOCKET_MODE);
            fs::set_permissions(path, mode).map_err(failed)?;
            Ok(Listener::Unix(listener))
        }
    }
}

/// Removes a socket that no process listens on any more; anything else stays and makes binding fail.
fn remove_old(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        return fs::remove_file(path);
    }
    Ok(())
}
