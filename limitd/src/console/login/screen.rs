//! How a login looks: the screen for name and password, a question of PAM, and what follows.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use session_limit_admin::api::AtLimit;

use crate::calls;
use crate::console::parts::page::{self, counted, hidden};
use crate::console::parts::paths::{HOME, safe};
use crate::console::parts::{Form, Page, form};
use crate::sessions::Question;

/// Bytes of the longest form that is kept over a login.
const MAX_KEPT: usize = 16 * 1024;
/// Bytes of the longest user name.
pub const MAX_NAME: usize = 256;

/// What the login screen shows.
#[derive(Debug, Default)]
pub struct Screen<'a> {
    /// The name that was typed.
    pub user: &'a str,
    /// Where the user wants to go.
    pub next: &'a str,
    /// A form that the user had sent when the session was over.
    pub kept: &'a str,
    /// What went wrong, a line each.
    pub problem: &'a str,
    /// Whether the user may log in by ending other sessions.
    pub is_at_limit: bool,
    /// What takes the slots, as far as the policy tells.
    pub at_limit: Option<AtLimit>,
}

/// Shows the login screen instead of the page at `path`.
pub fn instead_of(path: &str) -> Response {
    let page = Screen { next: safe(path), ..Screen::default() }.page();
    (StatusCode::UNAUTHORIZED, page).into_response()
}

/// Lets a browser that a page of another site has led here ask again, from a page of this host: with its cookies.
pub fn asked_again(path: &str) -> Response {
    let body = html! { p { a href=(safe(path)) { "Go on" } } };
    (StatusCode::UNAUTHORIZED, Page::new("One moment").asked_again().render(&body)).into_response()
}

/// Shows the login screen to a user who has sent a form; the form is kept.
pub fn keeping(path: &str, form: &Form) -> Response {
    let kept = kept(form);
    let problem = if kept.is_empty() {
        "Your session is over. Log in again."
    } else {
        "Your session is over. Log in again: what you have entered is kept."
    };
    let page = Screen { next: safe(path), kept: &kept, problem, ..Screen::default() }.page();
    (StatusCode::UNAUTHORIZED, page).into_response()
}

/// Returns what is kept of a form while its user does something else first; nothing of one with passwords in it.
pub fn kept(form: &Form) -> String {
    let kept = form.encoded();
    if kept.len() <= MAX_KEPT && !form.has_secrets() { kept } else { String::new() }
}

impl Screen<'_> {
    /// Shows it again, with what went wrong.
    pub fn refused(self, status: StatusCode, problem: &str) -> Response {
        let page = Screen { problem, ..self }.page();
        (status, page).into_response()
    }

    /// Returns the page.
    pub fn page(&self) -> Response {
        let body = html! {
            @if let Some(banner) = calls::banner() { pre.banner { (banner) } }
            section #login {
                @if !self.problem.is_empty() { (lines(self.problem)) }
                @if let Some(told) = &self.at_limit { (in_use(told)) }
                form.login method="post" action="/console/login" {
                    (hidden("next", self.next))
                    @if !self.kept.is_empty() { (hidden("kept", self.kept)) }
                    p {
                        label for="username" { "User name" }
                        input #username name="username" value=(self.user) required
                            maxlength=(MAX_NAME) autocomplete="username" autocapitalize="none"
                            spellcheck="false" autofocus[self.user.is_empty()];
                    }
                    p {
                        label for="password" { "Password" }
                        input #password name="password" type="password"
                            autocomplete="current-password" autofocus[!self.user.is_empty()];
                    }
                    @if self.is_at_limit {
                        p {
                            "Enter your password again to end "
                            @match &self.at_limit {
                                Some(told) => { "your " (counted(told.concurrent_sessions, "session", "sessions")) }
                                None => "all of your other sessions",
                            }
                            " on this host, unsaved work in them included."
                        }
                    }
                    p.buttons {
                        @if self.is_at_limit {
                            button.danger name="clear_sessions" value="true" {
                                "Clear my other sessions and log in"
                            }
                        }
                        button { @if self.is_at_limit { "Try again without" } @else { "Log in" } }
                    }
                }
            }
        };
        Page::new("Log in").render(&body)
    }
}

/// What takes the slots.
fn in_use(told: &AtLimit) -> Markup {
    let sessions = told.sessions.as_deref().unwrap_or_default();
    html! {
        p { (told.concurrent_sessions) " of " (told.max_concurrent_sessions) " sessions in use"
            @if sessions.is_empty() { "." } @else { ":" } }
        @if !sessions.is_empty() {
            ul {
                @for session in sessions { li { (page::session(session)) } }
                @if told.concurrent_sessions > sessions.len() {
                    li { "and " (told.concurrent_sessions - sessions.len()) " more" }
                }
            }
        }
    }
}

fn lines(text: &str) -> Markup {
    html! {
        div.problem role="alert" { @for line in text.lines() { p { (line) } } }
    }
}

/// Asks what PAM asks.
pub fn question_page(question: &Question, next: &str) -> Response {
    // The question is the last line; what it is about is above.
    let text = question.text.trim();
    let (about, label) = text.rsplit_once('\n').unwrap_or(("", text));
    let label = label.trim().trim_end_matches(':');
    let label = if label.is_empty() { "Answer" } else { label };
    let said: Vec<&str> =
        question.said.iter().flat_map(|text| text.lines()).chain(about.lines()).collect();
    let body = html! {
        section #login {
            @if !said.is_empty() {
                div.notice role="status" { @for line in said { p { (line) } } }
            }
            form.login method="post" action="/console/login" {
                (hidden("next", next))
                p {
                    label for="answer" { (label) }
                    input #answer name="answer" autocomplete="off" autofocus
                        type=(if question.is_hidden { "password" } else { "text" });
                }
                p.buttons {
                    button { "Continue" }
                    a href={ "/console/login?next=" (encoded(next)) } { "Begin again" }
                }
            }
        }
    };
    Page::new("Log in").render(&body)
}

/// Offers to send a form that was sent when the session was over.
pub fn resume(action: &str, kept: &str, csrf: &str) -> Response {
    let fields = Form::parse(kept.as_bytes()).0;
    let body = html! {
        p { "You are logged in again. What you had entered has not been sent yet:" }
        dl {
            @for (name, value) in &fields { dt { (name) } dd { (value) } }
        }
        form method="post" action=(action) {
            (hidden(form::CSRF, csrf))
            @for (name, value) in &fields { (hidden(name, value)) }
            p.buttons {
                button { "Send it now" }
                a href=(HOME) { "Discard it" }
            }
        }
    };
    Page::new("Go on").render(&body)
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
