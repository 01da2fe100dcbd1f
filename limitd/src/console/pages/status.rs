//! Whether limits take effect on this host.

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use session_limit_admin::api::fleet::FleetHost;
use session_limit_admin::api::{Request, Resource};
use session_limit_admin::error::AdminErrorKind;

use crate::console::parts::page::{self, counted};
use crate::console::parts::{Page, Problem, Visitor};

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
    let fleet = fleet(&visitor).await?;
    let body = html! {
        p {
            @if problems == 0 { "Limits take effect on this host." }
            @else { "Limits do not take effect everywhere: " (counted(problems, "problem", "problems")) "." }
        }
        (page::table("Checks", &rows))
        (fleet)
        p { "The same as " code { "shell status" } " on the host. Reload the page after a change." }
    };
    Ok(Page::of("Status", &visitor).render(&body))
}

/// The hosts of the fleet, where this host is in one.
async fn fleet(visitor: &Visitor) -> Result<Markup, Problem> {
    let hosts: Vec<FleetHost> = match visitor.all(Resource::FleetHost).await {
        Ok(hosts) => hosts,
        Err(Problem::Admin(error)) => {
            return Ok(match error.kind {
                AdminErrorKind::Fleet => html! {
                    h2 { "Fleet" }
                    p { "The hosts of the fleet are not known: " (error.message) "." }
                },
                // In no fleet, or not for this user to see.
                _ => html! {},
            });
        }
        Err(other) => return Err(other),
    };
    let rows = html! {
        thead {
            tr {
                @for title in ["Host", "Since", "Last seen", "Sessions", "Version"] {
                    th scope="col" { (title) }
                }
            }
        }
        tbody {
            @for host in &hosts {
                tr {
                    td { (page::host(&host.name, host.is_self)) }
                    td { (page::time(&host.since)) }
                    td { (host.last_seen_seconds) " s ago" }
                    td { (host.sessions) }
                    td { (host.version) }
                }
            }
        }
    };
    Ok(html! {
        h2 { "Fleet" }
        p { "One limit holds over " (counted(hosts.len(), "host", "hosts")) "." }
        (page::table("Hosts of the fleet", &rows))
    })
}
