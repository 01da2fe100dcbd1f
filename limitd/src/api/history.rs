//! The call for the history.

use axum::Json;
use axum::extract::OriginalUri;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use session_limit_admin::api::{HistoryQuery, Request};

use super::objects::ask;
use crate::calls::{Failure, Reader};

/// Shows a part of the history.
pub async fn read(
    OriginalUri(uri): OriginalUri,
    Reader(session): Reader,
) -> Result<Response, Failure> {
    Ok(Json(ask(&session, Request::History(query(&uri)?)).await?).into_response())
}

/// Reads the parameters behind the path; the session process checks their values.
fn query(uri: &Uri) -> Result<HistoryQuery, Failure> {
    let mut query = HistoryQuery::default();
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let parameter = match &*name {
            "from" => &mut query.from,
            "to" => &mut query.to,
            "step" => &mut query.step,
            _ => return Err(Failure::field(&name, "there is no such parameter")),
        };
        *parameter = Some(value.into_owned());
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_others_refused() {
        let read = |text: &str| query(&text.parse().unwrap());
        let history = read("/api/history?from=0&to=2026-11-25T18:42:05%2B01:00&step=60").unwrap();
        assert_eq!(history.to.as_deref(), Some("2026-11-25T18:42:05+01:00"));
        assert_eq!((history.from.as_deref(), history.step.as_deref()), (Some("0"), Some("60")));
        assert_eq!(read("/api/history").unwrap(), HistoryQuery::default());
        assert!(format!("{:?}", read("/api/history?page=1").unwrap_err()).contains("page"));
    }
}
