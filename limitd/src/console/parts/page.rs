//! How pages look: frame, navigation, and the pieces that several pages have.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use session_limit_admin::api::objects::UserSession;

use super::assets;
use super::form::CSRF;
use super::visitor::Visitor;

/// The pages in the navigation: path, name, and whether only administrators have a use for it.
const PAGES: [(&str, &str, bool); 7] = [
    ("/console/sessions", "Sessions", true),
    ("/console/limits", "At the limit", true),
    ("/console/history", "History", true),
    ("/console/profiles", "Profiles", true),
    ("/console/assignments", "Users and groups", true),
    ("/console/status", "Status", true),
    ("/console/account", "My sessions", false),
];

/// A page without its content.
pub struct Page<'a> {
    title: &'a str,
    visitor: Option<&'a Visitor>,
    version: Option<&'a str>,
    /// Whether the browser is to ask for the page once more.
    is_asked_again: bool,
}

impl<'a> Page<'a> {
    /// Begins a page that needs no session.
    pub fn new(title: &'a str) -> Self {
        Self { title, visitor: None, version: None, is_asked_again: false }
    }

    /// Begins a page for a user.
    pub fn of(title: &'a str, visitor: &'a Visitor) -> Self {
        Self { title, visitor: Some(visitor), version: None, is_asked_again: false }
    }

    /// Lets the browser ask for the page once more, by itself.
    pub fn asked_again(mut self) -> Self {
        self.is_asked_again = true;
        self
    }

    /// Lets the page refresh itself when something has changed since this version.
    pub fn live(mut self, version: &'a str) -> Self {
        self.version = Some(version);
        self
    }

    /// Returns the page.
    pub fn render(&self, content: &Markup) -> Response {
        let host = host_name();
        let assets = assets::version();
        let user = self.visitor.map(|visitor| visitor.account.name.as_str());
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    @if self.is_asked_again { meta http-equiv="refresh" content="0"; }
                    title { (self.title) " – " (host) }
                    link rel="stylesheet" href={ "/console/style.css?" (assets) };
                    link rel="icon" type="image/svg+xml" href={ "/console/icon.svg?" (assets) };
                    script defer src={ "/console/script.js?" (assets) } {}
                }
                body data-user=[user] {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        p.host { "Sessions on " strong { (host) } }
                        @if let Some(visitor) = self.visitor {
                            div.user {
                                span { "Logged in as " strong { (visitor.account.name) } }
                                form method="post" action="/console/logout" {
                                    (word(visitor))
                                    button { "Log out" }
                                }
                            }
                        }
                    }
                    @if let Some(visitor) = self.visitor.filter(|one| !one.account.password_expired) {
                        (navigation(visitor))
                    }
                    main id="main" tabindex="-1" data-version=[self.version] {
                        h1 { (self.title) }
                        (content)
                    }
                }
            }
        };
        let kind = (CONTENT_TYPE, "text/html; charset=utf-8");
        ([kind], page.into_string()).into_response()
    }
}

fn navigation(visitor: &Visitor) -> Markup {
    let place = visitor.place();
    let is_shown =
        |for_administrators: bool| !for_administrators || visitor.account.is_administrator;
    html! {
        nav aria-label="Pages" {
            ul {
                @for (path, name, for_administrators) in PAGES {
                    @if is_shown(for_administrators) {
                        li {
                            a href=(path) aria-current=[(path == place).then_some("page")] { (name) }
                        }
                    }
                }
            }
        }
    }
}

/// The session's word, which each form carries.
pub fn word(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(CSRF) value=(visitor.csrf); }
}

/// A hidden field.
pub fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

/// What went wrong, and what to do.
pub fn problem(text: &str, advice: &str) -> Markup {
    html! {
        div.problem role="alert" {
            p { (text) }
            p { (advice) }
        }
    }
}

/// Something that was done.
pub fn notice(text: &str) -> Markup {
    html! { div.notice role="status" { p { (text) } } }
}

/// The name of a host of the fleet, and whether it is the one that answers.
pub fn host(name: &str, is_self: bool) -> Markup {
    html! { (name) @if is_self { " (this host)" } }
}

/// A time of the API; the script shows it in the browser's zone.
pub fn time(rfc3339: &str) -> Markup {
    let shown = rfc3339.replacen('T', " ", 1);
    let shown = match shown.strip_suffix('Z') {
        Some(shown) => format!("{shown} UTC"),
        None => shown,
    };
    html! { time datetime=(rfc3339) { (shown) } }
}

/// A session in one line.
pub fn session(session: &UserSession) -> Markup {
    html! {
        (session.service)
        @if let Some(rhost) = &session.rhost { " from " (rhost) }
        @if let Some(tty) = &session.tty { " on " (tty) }
        " since " (time(&session.since))
    }
}

/// A table that may be wider than the window, by name.
pub fn table(name: &str, content: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(name) tabindex="0" {
            table { caption.hidden { (name) } (content) }
        }
    }
}

/// How many of how many sessions a user holds.
pub fn in_use(user: &str, sessions: usize, limit: Option<u32>) -> Markup {
    html! {
        @match limit {
            Some(limit) if limit > 0 => {
                meter min="0" max=(limit) value=(sessions) low=(limit) high=(limit) optimum="0"
                    aria-label={ "Sessions of " (user) } {}
                " " (sessions) " of " (limit)
            }
            Some(_) => { (sessions) ", no limit" }
            None => { (sessions) ", limit not known" }
        }
    }
}

/// Links to the other pages of a list.
pub fn pager(path: &str, query: &[(&str, &str)], page: usize, size: usize, count: usize) -> Markup {
    let last = count.div_ceil(size).max(1);
    let link = |page: usize| address(path, query, &[("page", &page.to_string())]);
    html! {
        @if last > 1 {
            nav.pager aria-label="Pages of the list" {
                @if page > 1 {
                    a href=(link(1)) { "First" }
                    a rel="prev" href=(link(page - 1)) { "Previous" }
                }
                span { "Page " (page) " of " (last) }
                @if page < last {
                    a rel="next" href=(link(page + 1)) { "Next" }
                    a href=(link(last)) { "Last" }
                }
            }
        }
    }
}

/// Returns a path with parameters; empty ones are left out.
pub fn address(path: &str, query: &[(&str, &str)], more: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query.iter().chain(more).filter(|(_, value)| !value.is_empty()) {
        text.append_pair(name, value);
    }
    let text = text.finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}

/// Returns `1 session`, `2 sessions`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// Returns the host's name.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_text() {
        let hostile = "<script>alert(1)</script>";
        for shown in [problem(hostile, ""), time(hostile), in_use(hostile, 1, Some(2))] {
            assert!(!shown.into_string().contains("<script>"));
        }
    }

    #[test]
    fn a_time_names_its_zone() {
        let shown = time("2026-11-26T01:02:03Z").into_string();
        assert!(shown.contains("datetime=\"2026-11-26T01:02:03Z\""), "{shown}");
        assert!(shown.contains(">2026-11-26 01:02:03 UTC<"), "{shown}");
    }

    #[test]
    fn a_list_links_to_its_other_pages() {
        let of = |page, count| pager("/l", &[("q", "a&b")], page, 50, count).into_string();
        assert_eq!(of(1, 50), "");
        assert!(of(1, 51).contains("/l?q=a%26b&amp;page=2") && !of(1, 51).contains("Previous"));
        assert!(of(2, 51).contains("page=1") && !of(2, 51).contains("Next"));
    }
}
