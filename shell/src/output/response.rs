//! What a command answers: text for people, JSON for programs.

use serde::Serialize;
use serde_json::{Value, json};

use crate::output::exit_code::CommandError;
use crate::output::pipeline::Pipeline;
use crate::output::table::printable;

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
    warnings: Vec<String>,
    failure: Option<CommandError>,
}

impl Response {
    /// Makes an answer from its results and their text.
    pub fn new<R: Serialize>(kind: &'static str, results: &[R], text: impl Into<String>) -> Self {
        // The results are plain structures: their serialisation has no way to fail.
        let results = results.iter().map(|r| serde_json::to_value(r).unwrap_or_default()).collect();
        Self { kind, results, text: text.into(), warnings: Vec::new(), failure: None }
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

    /// Adds what the user should know although the command did what it should.
    #[must_use]
    pub fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.warnings.extend(warnings);
        self
    }

    /// Returns the answer for people, without the warnings.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the warnings as lines for people. In JSON they are part of the answer.
    #[must_use]
    pub fn warning_lines(&self, format: Format) -> String {
        match format {
            Format::Table => {
                let lines = self.warnings.iter();
                lines.map(|line| format!("shell: warning: {}\n", printable(line))).collect()
            }
            Format::Json => String::new(),
        }
    }

    /// Writes the answer in a format, as far as the filters let it through; ends in a line end.
    #[must_use]
    pub fn render(&self, format: Format, pipeline: &Pipeline) -> String {
        let text = match format {
            Format::Table => self.text.clone(),
            Format::Json => {
                let mut answer = json!({
                    "schema_version": SCHEMA_VERSION,
                    "kind": self.kind,
                    "count": self.results.len(),
                    "results": self.results,
                });
                if let (false, Some(object)) = (self.warnings.is_empty(), answer.as_object_mut()) {
                    object.insert("warnings".to_owned(), json!(self.warnings));
                }
                format!("{answer}\n")
            }
        };
        pipeline.apply(&text)
    }
}

/// Writes a failure in a format; ends in a line end.
#[must_use]
pub fn render_failure(failure: &CommandError, format: Format) -> String {
    match format {
        Format::Table => {
            let details = failure.details.as_deref().unwrap_or_default();
            format!("shell: {}\n{details}", printable(&failure.message))
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
        let all = Pipeline::default();
        assert_eq!(reply.render(Format::Table, &all), "a = 1\n");
        assert_eq!(
            reply.render(Format::Json, &all),
            "{\"count\":1,\"kind\":\"thing\",\"results\":[{\"a\":1}],\"schema_version\":1}\n"
        );
        let reply = reply.with_warnings(["b\u{1b}".to_owned()]);
        assert_eq!(reply.render(Format::Table, &all), "a = 1\n");
        assert_eq!(reply.warning_lines(Format::Table), "shell: warning: b\\u{1b}\n");
        assert_eq!(reply.warning_lines(Format::Json), "");
        assert!(reply.render(Format::Json, &all).contains("\"warnings\":[\"b\\u001b\"]"));
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
