//! What a command answers: text for people, JSON for programs.

use serde::Serialize;
use serde_json::{Value, json};

use crate::command::lexer::Filter;
use crate::output::exit_code::CommandError;

/// Version of the JSON answers; it grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// The form of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Table,
    /// One JSON object for each answer, on one line.
    Json,
}

/// The answer of a command that did what it should.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    kind: &'static str,
    results: Vec<Value>,
    text: String,
    failure: Option<CommandError>,
}

impl Response {
    /// Makes an answer from its results and their text.
    pub fn new<R: Serialize>(kind: &'static str, results: &[R], text: impl Into<String>) -> Self {
        // The results are plain structures: their serialisation has no way to fail.
        let results = results.iter().map(|r| serde_json::to_value(r).unwrap_or_default()).collect();
        Self { kind, results, text: text.into(), failure: None }
    }

    /// Makes the command fail once the answer has been shown.
    #[must_use]
    pub fn failing(self, failure: CommandError) -> Self {
        Self { failure: Some(failure), ..self }
    }

    /// Returns what the command fails of once the answer has been shown.
    #[must_use]
    pub fn failure(&self) -> Option<&CommandError> {
        self.failure.as_ref()
    }

    /// Writes the answer in a format, as far as the filter lets it through; ends in a line end.
    #[must_use]
    pub fn render(&self, format: Format, filter: Option<&Filter>) -> String {
        let text = match format {
            Format::Table => self.text.clone(),
            Format::Json => format!(
                "{}\n",
                json!({
                    "schema_version": SCHEMA_VERSION,
                    "kind": self.kind,
                    "count": self.results.len(),
                    "results": self.results,
                })
            ),
        };
        filter.map_or(text.clone(), |filter| filter.apply(&text))
    }
}

/// Writes a failure in a format; ends in a line end.
#[must_use]
pub fn render_failure(failure: &CommandError, format: Format) -> String {
    match format {
        Format::Table => {
            let details = failure.details.as_deref().unwrap_or_default();
            format!("shell: {}\n{details}", crate::output::table::printable(&failure.message))
        }
        Format::Json => format!(
            "{}\n",
            json!({
                "schema_version": SCHEMA_VERSION,
                "kind": "error",
                "code": failure.exit.code(),
                "message": failure.message,
            })
        ),
    }
}

/// Returns seconds after the epoch as RFC 3339 writes them, in UTC.
#[must_use]
pub fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::exit_code::ExitCode;

    #[test]
    fn an_answer_has_both_forms() {
        let reply = Response::new("thing", &[json!({"a": 1})], "a = 1\n");
        assert_eq!(reply.render(Format::Table, None), "a = 1\n");
        assert_eq!(
            reply.render(Format::Json, None),
            "{\"count\":1,\"kind\":\"thing\",\"results\":[{\"a\":1}],\"schema_version\":1}\n"
        );
    }

    #[test]
    fn a_failure_has_both_forms() {
        let mut failure = CommandError::new(ExitCode::Conflict, "changed\u{1b}");
        failure.details = Some("table\n".to_owned());
        assert_eq!(render_failure(&failure, Format::Table), "shell: changed\\u{1b}\ntable\n");
        assert_eq!(
            render_failure(&failure, Format::Json),
            "{\"code\":8,\"kind\":\"error\",\"message\":\"changed\\u001b\",\"schema_version\":1}\n"
        );
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_795_281_573), "2026-11-21T17:19:33Z");
    }
}
