//! Logging in and out: name and password, whatever else PAM asks, and what to do at the limit.

pub mod password;
pub mod screen;

use std::time::Instant;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use session_limit_core::admission::WARNING;
use session_limit_session::secret::{CAPACITY, Secret};
use zeroize::Zeroizing;

use crate::calls::{
    App, Client, LoginResult, is_plain, read_body, refuse_while_broken, set_cookies,
};
use crate::console::parts::paths::safe;
use crate::console::parts::{Form, Posted, form, known};
use crate::net::Connection;
use crate::sessions::cookies::{self, Hash, Word};
use crate::sessions::login::{Others, Refusal};
use crate::sessions::{Attempt, Conversation, Packets, Question, Step, Waiting};
use screen::{MAX_NAME, Screen, question_page, resume};

/// The cookie of a login that waits for an answer.
const PENDING_COOKIE: &str = "pending-login";

/// Shows the login screen, to a user who is logged in their page.
pub async fn show(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Response {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let next = safe(query.get("next"));
    if known(&app, &headers).is_some() {
        return Redirect::to(next).into_response();
    }
    (StatusCode::OK, Screen { next, ..Screen::default() }.page()).into_response()
}

/// Takes name and password, or an answer.
pub async fn submit(
    State(app): State<App>,
    client: Client,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(problem) = form::check_origin(&headers) {
        return problem.into_response();
    }
    let body = match read_body(&connection, body).await {
        Ok(body) => Zeroizing::new(body),
        Err(failure) => return failure.into_response(),
    };
    let form = Form::parse(&body);
    if form.find("answer").is_some() {
        return answer(&app, &client, &headers, form).await;
    }
    begin(&app, &client, &headers, form).await
}

async fn begin(app: &App, client: &Client, headers: &HeaderMap, mut form: Form) -> Response {
    let secret = take_secret(&mut form, "password");
    let user = form.get("username").to_owned();
    let (next, kept) = (safe(form.get("next")).to_owned(), form.get("kept").to_owned());
    let clears = form.get("clear_sessions") == "true";
    let screen = Screen { user: &user, next: &next, kept: &kept, ..Screen::default() };
    if user.is_empty() || user.len() > MAX_NAME || !is_plain(&user) {
        let problem = format!("Enter a user name of 1 to {MAX_NAME} bytes.");
        return screen.refused(StatusCode::BAD_REQUEST, &problem);
    }
    let Some(password) = secret else {
        let problem = format!("Enter a password of at most {CAPACITY} bytes.");
        return screen.refused(StatusCode::BAD_REQUEST, &problem);
    };
    if refuse_while_broken(app).await.is_err() {
        let problem = "The configuration of this host is not valid, so no login is possible here. \
            An administrator can correct it on the host; `shell --check-config` names the place.";
        return screen.refused(StatusCode::SERVICE_UNAVAILABLE, problem);
    }
    let Some(attempt) = app.begin_attempt(client.address) else {
        let problem = "Too many failed logins. Try again in a minute.";
        let mut response = screen.refused(StatusCode::TOO_MANY_REQUESTS, problem);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
        return response;
    };
    let began = Instant::now();
    let login = Login { app, client, headers, attempt: Some(attempt), began, clears, next, kept };
    let others = if clears { Others::Clear } else { Others::EndAtLimit(Vec::new()) };
    let step = match Conversation::begin(&user, password, &client.rhost, others).await {
        Ok(conversation) => conversation.advance().await,
        Err(refusal) => Err(refusal),
    };
    login.respond(step, &user)
}

/// Goes on with a login that waits.
async fn answer(app: &App, client: &Client, headers: &HeaderMap, mut form: Form) -> Response {
    let secret = take_secret(&mut form, "answer");
    let ids = cookies::named(headers, &[PENDING_COOKIE]).map(Hash::of);
    let (Some(waiting), Some(secret)) = (app.pending.take(ids), secret) else {
        let problem = "The login took too long. Begin again.";
        let next = safe(form.get("next"));
        return Screen { next, ..Screen::default() }.refused(StatusCode::UNAUTHORIZED, problem);
    };
    let Waiting { conversation, attempt, next, kept, .. } = waiting;
    let (began, clears) = (conversation.began, conversation.clears);
    let login = Login { app, client, headers, attempt, began, clears, next, kept };
    let step = match conversation.answer(&secret).await {
        Ok(()) => conversation.advance().await,
        Err(refusal) => Err(refusal),
    };
    login.respond(step, "")
}

/// A login and what is to become of it.
struct Login<'a> {
    app: &'a App,
    client: &'a Client,
    headers: &'a HeaderMap,
    attempt: Option<Attempt>,
    began: Instant,
    clears: bool,
    next: String,
    kept: String,
}

impl Login<'_> {
    fn respond(mut self, step: Result<Step, Refusal>, user: &str) -> Response {
        match step {
            Ok(Step::Opened(packets)) => self.opened(packets),
            Ok(Step::Asked(conversation, question)) => self.asked(conversation, question),
            Err(Refusal::NotAuthenticated) => {
                self.count(LoginResult::Failed);
                let problem = "The login failed: name, password or answer is wrong.";
                self.screen(user).refused(StatusCode::UNAUTHORIZED, problem)
            }
            Err(Refusal::Refused(reason, at_limit)) => {
                self.count(LoginResult::Refused);
                self.take_back();
                let is_at_limit = WARNING.first().is_some_and(|line| reason.contains(line));
                let screen = Screen { is_at_limit, at_limit, ..self.screen(user) };
                screen.refused(StatusCode::FORBIDDEN, &reason)
            }
            Err(Refusal::Broken(reason)) => {
                self.count(LoginResult::Broken);
                crate::log::line(&reason);
                let problem = format!("{reason}. Try again; if it stays, ask an administrator.");
                self.screen(user).refused(StatusCode::SERVICE_UNAVAILABLE, &problem)
            }
        }
    }

    fn screen<'s>(&'s self, user: &'s str) -> Screen<'s> {
        Screen { user, next: &self.next, kept: &self.kept, ..Screen::default() }
    }

    fn count(&self, result: LoginResult) {
        self.app.metrics.login(result, self.began.elapsed());
    }

    fn take_back(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            attempt.take_back();
        }
    }

    /// A session under new words: what a client has sent before means nothing.
    fn opened(mut self, packets: Packets) -> Response {
        self.count(LoginResult::Opened);
        self.take_back();
        if self.clears {
            self.app.metrics.clear();
        }
        let (Ok(word), Ok(csrf)) = (Word::new(), Word::new()) else {
            let problem = "The kernel gives no random numbers. Try again.";
            return self.screen("").refused(StatusCode::INTERNAL_SERVER_ERROR, problem);
        };
        if let Some(before) = self.app.table.find(&cookies::candidates(self.headers)) {
            self.app.table.remove(before.id);
        }
        self.app.table.add(word.hash(), csrf.hash(), packets);
        let mut response = if self.kept.is_empty() {
            Redirect::to(&self.next).into_response()
        } else {
            resume(&self.next, &self.kept, csrf.text())
        };
        set_cookies(&mut response, cookies::set(&word, &csrf));
        set_cookies(&mut response, vec![pending_cookie("", 0)]);
        response
    }

    fn asked(self, conversation: Conversation, question: Question) -> Response {
        let Ok(word) = Word::new() else {
            let problem = "The kernel gives no random numbers. Try again.";
            return self.screen("").refused(StatusCode::INTERNAL_SERVER_ERROR, problem);
        };
        let page = question_page(&question, &self.next);
        let after = (self.next, self.kept);
        let address = self.client.address;
        let waiting = Waiting::new(conversation, self.attempt, after, address);
        self.app.pending.add(word.hash(), waiting);
        let mut response = (StatusCode::UNAUTHORIZED, page).into_response();
        set_cookies(&mut response, vec![pending_cookie(word.text(), 120)]);
        response
    }
}

/// Ends the session.
pub async fn log_out(State(app): State<App>, posted: Posted) -> Response {
    app.table.remove(posted.visitor.session.id);
    let mut response = Redirect::to("/console/login").into_response();
    set_cookies(&mut response, cookies::unset());
    response
}

/// Takes a secret out of a form, into locked memory; nothing where it is too long or there is no memory.
fn take_secret(form: &mut Form, name: &str) -> Option<Secret> {
    let text = form.take(name);
    if text.len() > CAPACITY || !is_plain(&text) {
        return None;
    }
    let mut secret = Secret::new().ok()?;
    text.as_bytes().iter().all(|&byte| secret.push(byte)).then_some(secret)
}

fn pending_cookie(value: &str, seconds: u32) -> String {
    format!(
        "{PENDING_COOKIE}={value}; Path=/console/login; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_left_in_the_form() {
        let mut form = Form::parse(b"username=a&password=p&password=q");
        assert_eq!(take_secret(&mut form, "password").unwrap().bytes(), b"p");
        assert!(!format!("{form:?}").contains("\"q\"") && !format!("{form:?}").contains("\"p\""));
        let long = format!("password={}", "x".repeat(CAPACITY + 1));
        assert!(take_secret(&mut Form::parse(long.as_bytes()), "password").is_none());
    }
}
