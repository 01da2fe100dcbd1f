//! Calls of etcd: to a member that answers, within a deadline.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use session_limit_core::model::fleet_settings::Fleet;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::Member;
use super::tls;
use super::wire::{number, pair};
use crate::engine::EngineError;

/// How long a call waits for its answer.
const DEADLINE: Duration = Duration::from_millis(300);
/// When another member is asked as well.
const HEDGE: Duration = Duration::from_millis(75);
/// Bytes of the longest answer: more slots than that no fleet has.
const MAX_ANSWER: usize = 256 * 1024 * 1024;
/// How long one watch is kept before it is begun again.
const WATCH: Duration = Duration::from_secs(300);

/// gRPC's codes (<https://grpc.io/docs/guides/status-codes/>).
const NOT_FOUND: i64 = 5;
const UNAVAILABLE: i64 = 14;
const DEADLINE_EXCEEDED: i64 = 4;
const UNAUTHENTICATED: i64 = 16;

/// Whether a call may be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may: another member is asked where the first one is slow.
    Anywhere,
    /// It may not, once a member may have seen it.
    Never,
}

/// The members of the cluster, and who is asked first.
pub struct Calls {
    members: Vec<Rc<Member>>,
    preferred: watch::Sender<usize>,
    user: Option<(String, String)>,
    token: RefCell<Option<String>>,
    authenticating: Cell<bool>,
}

impl Calls {
    /// # Errors
    /// One line that names the file and what is wrong with it.
    pub fn new(fleet: &Fleet) -> Result<Self, String> {
        let tls = tls::client_config(fleet)?;
        let member = |endpoint: &_| Rc::new(Member::new(Clone::clone(endpoint), tls.clone()));
        let user = match (&fleet.user, &fleet.password_file) {
            (Some(user), Some(file)) => {
                let password = String::from_utf8(tls::secret(file)?)
                    .map_err(|_| format!("{file}: not UTF-8, expected a password"))?;
                Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
            }
            _ => None,
        };
        Ok(Self {
            members: fleet.endpoints.iter().map(member).collect(),
            preferred: watch::Sender::new(0),
            user,
            token: RefCell::default(),
            authenticating: Cell::default(),
        })
    }

    /// Calls `path`; returns the answer.
    pub async fn call(&self, path: &str, body: &Value, retry: Retry) -> Result<Value, EngineError> {
        let deadline = Instant::now() + DEADLINE;
        if self.user.is_some() && self.token.borrow().is_none() {
            self.authenticate(deadline).await?;
        }
        match self.try_members(path, body, retry, deadline).await {
            // Tokens expire, and are lost when etcd restarts.
            Err(EngineError::Refused(why)) if is_about_token(&why) && self.user.is_some() => {
                self.authenticate(deadline).await?;
                self.try_members(path, body, retry, deadline).await
            }
            done => done,
        }
    }

    async fn authenticate(&self, deadline: Instant) -> Result<(), EngineError> {
        let Some((user, password)) = &self.user else { return Ok(()) };
        let body = json!({"name": user, "password": password});
        self.authenticating.set(true);
        let answer =
            self.try_members("/v3/auth/authenticate", &body, Retry::Anywhere, deadline).await;
        self.authenticating.set(false);
        let answer = answer.map_err(|error| match error {
            EngineError::Refused(why) => EngineError::Refused(format!("user {user}: {why}")),
            error => error,
        })?;
        let token = answer.get("token").and_then(Value::as_str).map(str::to_owned);
        *self.token.borrow_mut() = token;
        Ok(())
    }

    /// Asks the preferred member; another one where that cannot be reached, or is slow and the call may be
    /// done twice.
    async fn try_members(
        &self,
        path: &str,
        body: &Value,
        retry: Retry,
        deadline: Instant,
    ) -> Result<Value, EngineError> {
        let first = *self.preferred.borrow();
        let count = self.members.len();
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut tasks = Tasks::default();
        let mut last = EngineError::Unreachable("etcd gave no answer in time".to_owned());
        let (mut started, mut running) = (0, 0);
        loop {
            if running == 0 || started == 0 {
                if started == count {
                    return Err(last);
                }
                self.start((first + started) % count, path, body, deadline, &answers, &mut tasks);
                (started, running) = (started + 1, running + 1);
            }
            let may_hedge = retry == Retry::Anywhere && started < count;
            let until = if may_hedge { deadline.min(Instant::now() + HEDGE) } else { deadline };
            match timeout_at(until, answered.recv()).await {
                Ok(Some((member, Ok(answer)))) => {
                    self.prefer(member);
                    return answer;
                }
                Ok(Some((_, Err(unsent)))) => {
                    running -= 1;
                    last = EngineError::Unreachable(unsent.why);
                    if retry == Retry::Never && !unsent.is_unseen {
                        return Err(last);
                    }
                }
                Ok(None) => return Err(last),
                Err(_) if may_hedge && until < deadline => {
                    self.start(
                        (first + started) % count,
                        path,
                        body,
                        deadline,
                        &answers,
                        &mut tasks,
                    );
                    (started, running) = (started + 1, running + 1);
                }
                Err(_) => {
                    // The next call asks another one first.
                    if let Some(member) = self.members.get(first) {
                        member.forget();
                    }
                    self.prefer((first + 1) % count);
                    return Err(EngineError::Unreachable(format!(
                        "etcd gave no answer within {} ms",
                        DEADLINE.as_millis()
                    )));
                }
            }
        }
    }

    fn start(
        &self,
        member: usize,
        path: &str,
        body: &Value,
        deadline: Instant,
        answers: &mpsc::UnboundedSender<(usize, Attempt)>,
        tasks: &mut Tasks,
    ) {
        let Some(to) = self.members.get(member).map(Rc::clone) else { return };
        let request = self.request(&to, path, body);
        let answers = answers.clone();
        tasks.0.push(tokio::task::spawn_local(async move {
            if let Ok(answer) = timeout_at(deadline, attempt(&to, request)).await {
                let _nobody_waits_any_more = answers.send((member, answer));
            }
        }));
    }

    fn request(&self, member: &Member, path: &str, body: &Value) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        if let Ok(host) = member.endpoint.authority().parse() {
            headers.insert(HOST, host);
        }
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        let token = self.token.borrow();
        if let Some(Ok(token)) =
            token.as_ref().filter(|_| !self.authenticating.get()).map(|token| token.parse())
        {
            headers.insert(AUTHORIZATION, token);
        }
        request
    }

    fn prefer(&self, member: usize) {
        self.preferred.send_if_modified(|preferred| {
            let changes = *preferred != member;
            *preferred = member;
            changes
        });
    }

    /// Waits for events after `moment`; returns keys and values, and the moment of the latest.
    ///
    /// Returns without any when another member is to be asked, and after some minutes.
    pub async fn watch(
        &self,
        body: &Value,
        moment: i64,
    ) -> Result<(Vec<(String, String)>, i64), EngineError> {
        let mut preferred = self.preferred.subscribe();
        let Some(member) = self.members.get(*preferred.borrow_and_update()).map(Rc::clone) else {
            return Ok((Vec::new(), moment));
        };
        let request = self.request(&member, "/v3/watch", body);
        let watching = async {
            // Not kept: it ends in the midst of an answer.
            let sent = timeout(DEADLINE, member.send(&request)).await;
            let sent = sent.map_err(|_| EngineError::Unreachable("no answer to a watch".into()))?;
            let (response, _connection) =
                sent.map_err(|unsent| EngineError::Unreachable(unsent.why))?;
            if response.status() != StatusCode::OK {
                let status = response.status();
                let text = whole(response.into_body()).await.map_err(EngineError::Unreachable)?;
                return Err(refusal(status, &text));
            }
            events(response.into_body(), moment).await
        };
        tokio::select! {
            biased;
            _ = preferred.changed() => Ok((Vec::new(), moment)),
            watched = timeout(WATCH, watching) => watched.unwrap_or(Ok((Vec::new(), moment))),
        }
    }
}

/// Ended when dropped.
#[derive(Default)]
struct Tasks(Vec<tokio::task::JoinHandle<()>>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

struct Unanswered {
    why: String,
    is_unseen: bool,
}

/// An answer of etcd, good or bad, or why there is none.
type Attempt = Result<Result<Value, EngineError>, Unanswered>;

async fn attempt(member: &Rc<Member>, request: Request<Full<Bytes>>) -> Attempt {
    let (response, connection) = member
        .send(&request)
        .await
        .map_err(|unsent| Unanswered { why: unsent.why, is_unseen: unsent.is_unseen })?;
    let status = response.status();
    let lost = |why| Unanswered { why, is_unseen: false };
    let text = whole(response.into_body()).await.map_err(lost)?;
    member.keep(connection);
    if status == StatusCode::OK {
        let answer: Value = serde_json::from_slice(&text)
            .map_err(|error| lost(format!("{}: not JSON: {error}", member.endpoint)))?;
        return match answer.get("error") {
            // A stream says so inside an answer that began well.
            Some(error) => settled(refusal(status, error.to_string().as_bytes())),
            None => Ok(Ok(answer)),
        };
    }
    settled(refusal(status, &text))
}

/// Tells what etcd has decided from what it could not do.
fn settled(error: EngineError) -> Attempt {
    match error {
        EngineError::Unreachable(why) => Err(Unanswered { why, is_unseen: false }),
        decided => Ok(Err(decided)),
    }
}

fn refusal(status: StatusCode, text: &[u8]) -> EngineError {
    let body: Value = serde_json::from_slice(text).unwrap_or_default();
    let code = body.get("code").or(body.get("grpc_code"));
    let message = ["error", "message"].iter().find_map(|key| body.get(*key)?.as_str());
    let message = message.unwrap_or(status.canonical_reason().unwrap_or("an error")).to_owned();
    match number(code) {
        NOT_FOUND if message.contains("lease not found") => EngineError::LeaseGone,
        UNAVAILABLE | DEADLINE_EXCEEDED => EngineError::Unreachable(message),
        UNAUTHENTICATED => EngineError::Refused(message),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => EngineError::Unreachable(message),
        _ => EngineError::Refused(message),
    }
}

fn is_about_token(why: &str) -> bool {
    ["invalid auth token", "revision in header is old", "user name is empty"]
        .iter()
        .any(|text| why.contains(text))
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.to_string())?;
        if let Some(part) = frame.data_ref() {
            bytes.extend_from_slice(part);
        }
        if bytes.len() > MAX_ANSWER {
            return Err(format!("an answer of more than {MAX_ANSWER} bytes"));
        }
    }
    Ok(bytes)
}

/// Reads lines of JSON until one has events.
async fn events(
    mut body: Incoming,
    mut moment: i64,
) -> Result<(Vec<(String, String)>, i64), EngineError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| EngineError::Unreachable(error.to_string()))?;
        if let Some(part) = frame.data_ref() {
            read.extend_from_slice(part);
        }
        while let Some(end) = read.iter().position(|&b| b == b'\n') {
            let rest = read.split_off(end + 1);
            let line: Value = serde_json::from_slice(&read).unwrap_or_default();
            read = rest;
            let result = line.get("result").unwrap_or(&Value::Null);
            // What was asked for has been compacted: go on from there.
            let compacted = number(result.get("compact_revision"));
            if compacted > 0 || result.get("canceled").and_then(Value::as_bool) == Some(true) {
                return Ok((Vec::new(), moment.max(compacted.saturating_sub(1))));
            }
            let events = result.get("events").and_then(Value::as_array);
            if let Some(events) = events.filter(|events| !events.is_empty()) {
                moment = moment.max(number(result.pointer("/header/revision")));
                return Ok((
                    events.iter().filter_map(|event| pair(event.get("kv")?)).collect(),
                    moment,
                ));
            }
        }
        if read.len() > MAX_ANSWER {
            break;
        }
    }
    Err(EngineError::Unreachable("etcd closed a watch".to_owned()))
}
