//! How many sessions there were, and how many logins were refused: a picture and a table.

use axum::extract::OriginalUri;
use axum::response::Response;
use maud::{Markup, html};
use session_limit_admin::api::objects::History;
use session_limit_admin::api::{HistoryQuery, Request};

use super::chart;
use crate::console::parts::{Form, Page, Problem, Visitor, page};

const PATH: &str = "/console/history";
/// The spans that can be shown: key, name, and seconds of it and of a point.
const SPANS: [(&str, &str, i64, i64); 4] = [
    ("hour", "Hour", 3_600, 60),
    ("day", "Day", 86_400, 900),
    ("week", "Week", 7 * 86_400, 2 * 3_600),
    ("month", "30 days", 30 * 86_400, 6 * 3_600),
];

/// Shows a span that ends now.
pub async fn show(visitor: Visitor, OriginalUri(uri): OriginalUri) -> Result<Response, Problem> {
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    let wanted = form.find("span").unwrap_or("day");
    let span = SPANS.into_iter().find(|span| span.0 == wanted);
    let (key, name, length, step) =
        span.ok_or_else(|| Problem::request("The span is not one of hour, day, week and month."))?;
    // Points begin at whole steps, so that a picture does not change from second to second.
    let to = (jiff::Timestamp::now().as_second() / step + 1) * step;
    let query = HistoryQuery {
        from: Some((to - length).to_string()),
        to: Some(to.to_string()),
        step: Some(step.to_string()),
    };
    let history: History = visitor.ask(Request::History(query)).await?;
    let body = html! {
        nav.pager aria-label="Spans" {
            @for (other, name, _, _) in SPANS {
                a href=(page::address(PATH, &[], &[("span", other)])) aria-current=[(other == key).then_some("true")] {
                    (name)
                }
            }
        }
        @if history.points.is_empty() {
            p {
                @match history.history_days {
                    Some(0) => "No history is kept on this host: history_days is 0 in its configuration.",
                    _ => "Nothing is known of this span yet. A sample is taken each minute.",
                }
            }
        } @else {
            (chart::picture(&history))
            (table(&history))
        }
        @if let Some(days @ 1..) = history.history_days {
            p { "Samples are kept for " (days) " days. Each number is the highest of its span of time." }
        }
    };
    Ok(Page::of(&format!("History: {}", name.to_lowercase()), &visitor).render(&body))
}

fn table(history: &History) -> Markup {
    let number =
        |number: Option<i64>| number.map_or_else(|| "not sampled".to_owned(), |n| n.to_string());
    let rows = html! {
        thead {
            tr {
                @for title in ["From", "Sessions", "Users", "Users at their limit", "Refused logins", "Let in above the limit", "Sessions by service"] {
                    th scope="col" { (title) }
                }
            }
        }
        tbody {
            @for point in history.points.iter().rev() {
                tr {
                    th scope="row" { (page::time(&point.time)) }
                    td.number { (number(point.sessions)) }
                    td.number { (number(point.users)) }
                    td.number { (number(point.users_at_limit)) }
                    td.number { (point.refused) }
                    td.number { (point.would_be_refused) }
                    td {
                        @for (n, (service, sessions)) in point.services.iter().enumerate() {
                            @if n > 0 { ", " }
                            (service) " " (sessions)
                        }
                    }
                }
            }
        }
    };
    page::table("History", &rows)
}
