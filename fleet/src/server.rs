//! The socket of the host: one question for each connection, and only for root.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::geteuid;
use serde_json::{Value, json};
use session_limit_core::fleet::protocol::{LoginText, MAX_LINE, Request};
use session_limit_core::system::{clock, error_text};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::clearing;
use crate::engine::{Engine, EngineError, SessionInfo};
use crate::local::Local;
use crate::member::Member;

/// Connections that are served at the same time.
const MAX_CONNECTIONS: usize = 1_024;
/// How long a question may take to arrive, and an answer to be read.
const DEADLINE: Duration = Duration::from_secs(2);

/// Listens at `path`.
///
/// # Errors
/// One line; also where another agent listens there.
pub fn listen(path: &Path) -> Result<UnixListener, String> {
    let failed = |error: io::Error| format!("{}: {}", path.display(), error_text(&error));
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => return Err(format!("{}: another agent listens here", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(_) => std::fs::remove_file(path).map_err(failed)?,
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Answers; does not return.
pub async fn serve<E: Engine + 'static, L: Local + 'static>(
    listener: UnixListener,
    member: Member<E, L>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Err(_) => sleep(Duration::from_millis(50)).await,
            Ok((stream, _)) if !is_permitted(&stream) => drop(stream),
            Ok((stream, _)) => {
                let member = member.clone();
                tokio::task::spawn_local(async move {
                    // A client that breaks off is no news.
                    let _ = answer(stream, &member).await;
                    drop(slot);
                });
            }
        }
    }
}

/// Returns whether the other side is root, or the user who runs this agent.
fn is_permitted(stream: &UnixStream) -> bool {
    let own = geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0 || peer.uid() == own)
}

async fn answer<E: Engine + 'static, L: Local + 'static>(
    mut stream: UnixStream,
    member: &Member<E, L>,
) -> io::Result<()> {
    let mut line = String::new();
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    timeout(DEADLINE, BufReader::new((&mut stream).take(limit)).read_line(&mut line)).await??;
    let text = match Request::parse(line.trim_end_matches('\n')) {
        Err(expected) => format!("1 down {expected}\n"),
        Ok(Request::Take { uid, id, limit, login }) => {
            let LoginText { user, service, tty, rhost } = login;
            let session = SessionInfo { user, service, tty, rhost, since: clock::epoch_seconds() };
            format!("{}\n", member.take(uid, id, limit, session).await)
        }
        Ok(Request::Check { uid, limit }) => format!("{}\n", member.check(uid, limit).await),
        Ok(Request::Free { uid, id }) => {
            // The login does not wait for it.
            member.free(uid, id).await;
            return Ok(());
        }
        Ok(Request::Clear { uid, sessions, by }) => {
            let answers = clearing::clear(member, uid, &sessions, &by).await;
            answers.iter().map(|answer| format!("{answer}\n")).collect()
        }
        Ok(Request::Sessions { uid }) => lines(sessions(member, uid).await),
        Ok(Request::Hosts) => lines(hosts(member).await),
        Ok(Request::Status) => lines(Ok(vec![status(member)])),
    };
    timeout(DEADLINE, stream.write_all(text.as_bytes())).await?
}

/// Writes objects one a line, and `1 end`; or why there are none.
fn lines(objects: Result<Vec<Value>, EngineError>) -> String {
    match objects {
        Err(error) => format!("1 down {error}\n"),
        Ok(objects) => objects
            .iter()
            .map(|object| format!("{object}\n"))
            .chain(["1 end\n".to_owned()])
            .collect(),
    }
}

async fn sessions<E: Engine + 'static, L: Local + 'static>(
    member: &Member<E, L>,
    uid: Option<u32>,
) -> Result<Vec<Value>, EngineError> {
    let mut slots = member.engine().list(uid).await?.slots;
    slots.sort_by_key(|slot| slot.created);
    let object = |slot: &crate::engine::Slot| {
        json!({
            "host": slot.key.host, "id": slot.key.id, "uid": slot.key.uid,
            "user": slot.session.user, "service": slot.session.service, "tty": slot.session.tty,
            "rhost": slot.session.rhost, "since": slot.session.since,
        })
    };
    Ok(slots.iter().map(object).collect())
}

async fn hosts<E: Engine + 'static, L: Local + 'static>(
    member: &Member<E, L>,
) -> Result<Vec<Value>, EngineError> {
    let seen = member.engine().list(None).await?;
    let mut objects = Vec::new();
    for record in member.engine().hosts(None).await? {
        let sessions = seen.slots.iter().filter(|slot| slot.key.host == record.host).count();
        // Gone between two calls: no longer in the fleet.
        let Some(renewed) = member.engine().renewed(record.lease).await? else { continue };
        objects.push(json!({
            "host": record.host, "since": record.since, "renewed": renewed, "sessions": sessions,
            "version": record.version, "is_self": record.host == member.identity().host,
        }));
    }
    Ok(objects)
}

fn status<E: Engine + 'static, L: Local + 'static>(member: &Member<E, L>) -> Value {
    let counters = member.counters();
    let (claims, is_settled) = member.claims();
    json!({
        "host": member.identity().host,
        "answers": member.health().answers(),
        "down": member.health().is_down(),
        "sessions": claims,
        "is_settled": is_settled,
        "granted": counters.granted,
        "refused": counters.refused,
        "unanswered": counters.unanswered,
        "overtaken": counters.overtaken,
        "leases_lost": counters.leases_lost,
        "taken_in": counters.taken_in,
        "over_limit": counters.over_limit,
    })
}
