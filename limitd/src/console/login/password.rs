//! The user's own password: changed on request, and before all else once it has expired.

use axum::extract::OriginalUri;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use session_limit_admin::api::objects::UserAccount;
use session_limit_admin::api::{PasswordChange, Request};
use session_limit_admin::error::AdminError;

use super::screen;
use crate::console::parts::page::{self, hidden};
use crate::console::parts::paths::{PASSWORD, safe};
use crate::console::parts::{Form, Page, Posted, Problem, Visitor, form};

/// Where a user who wanted to go nowhere else reads that it is done.
const DONE: &str = "/console/account?done=password";

/// What the form shows.
#[derive(Default)]
struct Screen<'a> {
    /// Where the user wants to go.
    next: &'a str,
    /// A form that the user had sent before the password had to be changed.
    kept: &'a str,
    /// Why the password is not changed.
    problem: &'a str,
}

/// Shows the form.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Response {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes());
    Screen { next: query.get("next"), ..Screen::default() }.page(&visitor)
}

/// Shows the form to a user whose password has expired and who has sent another form: that one is kept.
pub fn screen_with(visitor: &Visitor, sent: &Form) -> Response {
    let kept = screen::kept(sent);
    Screen { next: &visitor.path, kept: &kept, ..Screen::default() }.page(visitor)
}

/// Leads to the form, and from there to `path`.
pub fn detour(path: &str) -> Response {
    Redirect::to(&page::address(PASSWORD, &[], &[("next", path)])).into_response()
}

/// Changes the password.
pub async fn change(posted: Posted) -> Result<Response, Problem> {
    let Posted { visitor, mut form } = posted;
    let old = form.take(form::OLD_PASSWORD);
    let new = form.take(form::NEW_PASSWORD);
    let again = form.take(form::AGAIN);
    let (next, kept) = (form.get("next"), form.get("kept"));
    let refused = |problem: &str| {
        let page = Screen { next, kept, problem }.page(&visitor);
        (StatusCode::BAD_REQUEST, page).into_response()
    };
    if *new != *again {
        return Ok(refused("The new password was not typed the same way twice."));
    }
    let change = match PasswordChange::new(old.to_string(), new.to_string()) {
        Ok(change) => change,
        Err(error) => return Ok(refused(&reason(&error))),
    };
    match visitor.ask::<UserAccount>(Request::ChangePassword(change)).await {
        Ok(_) if !kept.is_empty() => Ok(screen::resume(safe(next), kept, &visitor.csrf)),
        Ok(_) if next.is_empty() || next.starts_with(PASSWORD) => {
            Ok(Redirect::to(DONE).into_response())
        }
        Ok(_) => Ok(Redirect::to(safe(next)).into_response()),
        Err(Problem::Admin(error)) => Ok(refused(&reason(&error))),
        Err(problem) => Err(problem),
    }
}

/// Returns why a password was not changed, with the fields as the form calls them; what PAM says as PAM says it.
fn reason(error: &AdminError) -> String {
    let of = |name: &str| error.message.strip_prefix(name).and_then(|text| text.strip_prefix(": "));
    if let Some(text) = of(form::OLD_PASSWORD) {
        return format!("Current password: {text}");
    }
    of(form::NEW_PASSWORD).unwrap_or(&error.message).to_owned()
}

impl Screen<'_> {
    fn page(&self, visitor: &Visitor) -> Response {
        let account = &visitor.account;
        let body = html! {
            // The script shows this part over a page, as it does with the login screen.
            section #login {
                @if account.password_expired {
                    p { "Your password has expired. Choose another one to go on." }
                }
                @if !self.problem.is_empty() {
                    div.problem role="alert" { @for line in self.problem.lines() { p { (line) } } }
                }
                @if account.has_local_password || account.password_expired {
                    (self.form(visitor))
                } @else {
                    p { "Your password is not one of this host. Change it where it is kept." }
                    p { a href="/console/account" { "Back" } }
                }
            }
        };
        Page::of("Change password", visitor).render(&body)
    }

    fn form(&self, visitor: &Visitor) -> Markup {
        let password = |name: &str, label: &str, autocomplete: &str| {
            html! {
                p {
                    label for=(name) { (label) }
                    input id=(name) name=(name) type="password" required
                        autocomplete=(autocomplete) autofocus[name == form::OLD_PASSWORD];
                }
            }
        };
        html! {
            form.login method="post" action=(PASSWORD) {
                (page::word(visitor))
                (hidden("next", self.next))
                @if !self.kept.is_empty() { (hidden("kept", self.kept)) }
                (password(form::OLD_PASSWORD, "Current password", "current-password"))
                (password(form::NEW_PASSWORD, "New password", "new-password"))
                (password(form::AGAIN, "New password again", "new-password"))
                p.buttons {
                    button { "Change the password" }
                    @if !visitor.account.password_expired {
                        a href="/console/account" { "Cancel" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_stays_in_the_form() {
        let mut form = Form::parse(b"old_password=a&password=b&password=c&next=%2Fconsole%2Fx");
        assert_eq!(form.take("password").as_str(), "b");
        assert_eq!(form.take("old_password").as_str(), "a");
        assert_eq!(form.take("again").as_str(), "");
        let left: Vec<&str> = form.0.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(left, ["", "", "", "/console/x"]);
    }

    #[test]
    fn what_pam_says_is_shown_as_it_is() {
        let weak = AdminError::field("password", "BAD PASSWORD: it is too short");
        assert_eq!(reason(&weak), "BAD PASSWORD: it is too short");
        let wrong = AdminError::field("old_password", "is not the password in use");
        assert_eq!(reason(&wrong), "Current password: is not the password in use");
    }
}
