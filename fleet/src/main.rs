//! `session-limit-agent`: keeps this host in its fleet, and answers the logins of this host.
#![forbid(unsafe_code)]

mod args;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Settings};
use sd_notify::NotifyState;
use session_limit_agent::engine::Engine;
use session_limit_agent::engine::etcd::EtcdEngine;
use session_limit_agent::local::LocalStore;
use session_limit_agent::member::{Identity, Member, Report};
use session_limit_agent::{clearing, server};
use session_limit_core::config::Config;
use session_limit_core::fleet::Agent;
use session_limit_core::model::fleet_settings::{Fleet, is_host_name};
use session_limit_core::process::HostIdentity;
use session_limit_core::store::secure_file;
use session_limit_core::system::{clock, error_text};
use tokio::signal::unix::{SignalKind, signal};

/// The configuration or the command line is wrong: to start again does not help.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    let settings = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args::Help) => {
            print!("{}", args::USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Args::Version) => {
            println!("session-limit-agent {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Ok(Args::Run(settings)) => settings,
        Err(problem) => {
            eprint!("session-limit-agent: {problem}\n{}", args::USAGE);
            return ExitCode::from(MISCONFIGURED);
        }
    };
    let configured = configured(settings.config.as_deref());
    let (fleet, identity, engine) = match configured {
        Ok(configured) => configured,
        Err(problem) => {
            log(&problem);
            return ExitCode::from(MISCONFIGURED);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(|error| format!("cannot start: {}", error_text(&error))).and_then(
        |runtime| {
            let work = async {
                if settings.only_tries {
                    try_engine(&engine, &fleet).await
                } else {
                    run(settings, &fleet, identity, engine).await
                }
            };
            tokio::task::LocalSet::new().block_on(&runtime, work)
        },
    );
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            log(&problem);
            ExitCode::FAILURE
        }
    }
}

/// Reads the configuration, and who this host is.
fn configured(path: Option<&Path>) -> Result<(Fleet, Identity, EtcdEngine), String> {
    let config = match path {
        Some(path) => Config::load(path),
        None => Config::load_default(),
    };
    let shown = path.unwrap_or(Path::new(session_limit_core::config::DEFAULT_PATH)).display();
    let fleet = config.map_err(|error| error.to_string())?.fleet;
    let fleet = fleet.ok_or_else(|| {
        format!("{shown}: no [fleet] table, expected one with the endpoints of etcd")
    })?;
    let host = session_limit_core::fleet::own_host(&fleet);
    if !is_host_name(&host) {
        return Err(format!(
            "{shown}: the host is called {host:?}, expected host = \"NAME\" in [fleet]"
        ));
    }
    let boot_id =
        HostIdentity::current().map_err(|error| format!("/proc: {}", error_text(&error)))?.boot_id;
    let machine_id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let machine_id = machine_id.trim().to_owned();
    let engine = EtcdEngine::new(&fleet)?;
    Ok((fleet, Identity { host, boot_id, machine_id, since: clock::epoch_seconds() }, engine))
}

/// Takes and gives back a lease, reads, and tells how long that took.
async fn try_engine(engine: &EtcdEngine, fleet: &Fleet) -> Result<(), String> {
    let began = std::time::Instant::now();
    let failed = |what: &str, error| format!("etcd: {what}: {error}");
    let lease = engine.grant(fleet.lease).await.map_err(|error| failed("no lease", error))?;
    let hosts = engine.hosts(None).await.map_err(|error| failed("hosts cannot be read", error))?;
    let seen = engine.list(None).await.map_err(|error| failed("slots cannot be read", error))?;
    let note = session_limit_agent::engine::Note { name: "try".to_owned(), text: String::new() };
    let written = engine.write_note(lease, &note).await;
    written.map_err(|error| failed("keys cannot be written", error))?;
    engine.revoke(lease).await.map_err(|error| failed("the lease cannot be ended", error))?;
    println!(
        "etcd answers: {} hosts, {} sessions, five calls in {} ms",
        hosts.len(),
        seen.slots.len(),
        began.elapsed().as_millis()
    );
    Ok(())
}

async fn run(
    settings: Settings,
    fleet: &Fleet,
    identity: Identity,
    engine: EtcdEngine,
) -> Result<(), String> {
    secure_file::prepare_directory_of(&settings.state).map_err(|error| error.to_string())?;
    let agent = Agent::beside(&settings.state);
    let listener = server::listen(&agent.socket())?;
    let local = LocalStore::at(&settings.state, settings.config);
    let member = Member::new(engine, local, identity, fleet.lease, Box::new(Journal));
    let stop = |kind| signal(kind).map_err(|error| format!("no signals: {}", error_text(&error)));
    let (mut terminate, mut interrupt) =
        (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);
    // The first login is not to meet an agent that has not joined yet, nor an engine that is away to keep the
    // host from starting.
    let _told_by_the_member = tokio::time::timeout(Duration::from_secs(2), member.join_now()).await;
    let (running, clearing) = (member.clone(), member.clone());
    tokio::task::spawn_local(async move { running.run().await });
    tokio::task::spawn_local(async move { clearing::serve(&clearing).await });
    tokio::task::spawn_local(server::serve(listener, member));
    // Without systemd no service manager is told.
    let _ = sd_notify::notify(true, &[NotifyState::Ready]);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    // The lease stays: an agent that starts again within its time goes on with it.
    let _ = std::fs::remove_file(agent.socket());
    Ok(())
}

struct Journal;

impl Report for Journal {
    fn warn(&self, text: &str) {
        log(text);
    }

    fn info(&self, text: &str) {
        log(text);
    }
}

/// Writes a line for the administrator, where the journal or the terminal reads it.
fn log(text: &str) {
    eprintln!("session-limit-agent: {text}");
}
