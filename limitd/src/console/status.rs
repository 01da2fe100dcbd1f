//! Whether limits take effect on this host.

use axum::response::Response;
use maud::html;
use serde::Deserialize;
use session_limit_admin::api::Request;

use super::page::{self, Page, counted};
use super::problem::Problem;
use super::visitor::Visitor;

/// One thing that was looked at, as `shell status` shows it.
#[derive(Deserialize)]
struct Check {
    check: String,
    subject: String,
    verdict: String,
    message: String,
}

/// Shows what limits depend on, and how each stands.
pub async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let checks: Vec<Check> = visitor.ask(Request::Status).await?;
    let problems = checks.iter().filter(|check| check.verdict == "problem").count();
    let rows = html! {
        thead {
            tr { @for title in ["Verdict", "What", "Which", "Why, and what to do"] { th scope="col" { (title) } } }
        }
        tbody {
            @for check in &checks {
                tr {
                    td { span class={ "verdict " (check.verdict) } { (check.verdict) } }
                    td { (check.check) }
                    td { (check.subject) }
                    td.text { (check.message) }
                }
            }
        }
    };
    let body = html! {
        p {
            @if problems == 0 { "Limits take effect on this host." }
            @else { "Limits do not take effect everywhere: " (counted(problems, "problem", "problems")) "." }
        }
        (page::table("Checks", &rows))
        p { "The same as " code { "shell status" } " on the host. Reload the page after a change." }
    };
    Ok(Page::of("Status", &visitor).render(&body))
}
