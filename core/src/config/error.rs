//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

/// A configuration that was rejected: one line for the log, naming the position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, if the problem is in its text.
    pub location: Option<SourceLocation>,
    /// What is wrong, what was expected.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(location) = self.location {
            write!(f, "{}:{}:", location.line, location.column)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A position in a text; both numbers begin at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLocation {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl SourceLocation {
    /// Returns the position of the byte at `offset`.
    #[must_use]
    pub fn of(text: &[u8], offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        let line = before.get(line_start..).unwrap_or_default();
        Self {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: String::from_utf8_lossy(line).chars().count() + 1,
        }
    }
}

/// One problem in a configuration's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The bytes it spans, where known.
    pub span: Option<Range<usize>>,
    /// What is wrong, what was expected; one line.
    pub message: String,
}

impl ConfigProblem {
    pub(super) fn at<T>(what: &Spanned<T>, message: String) -> Self {
        Self { span: Some(what.span()), message }
    }
}

impl From<toml::de::Error> for ConfigProblem {
    fn from(error: toml::de::Error) -> Self {
        // Syntax errors come in several lines: "invalid table header", "expected `.`, `]`".
        let lines: Vec<_> = error.message().lines().map(str::trim).collect();
        let message = match lines.join(", ").as_str() {
            "duplicate key" => "duplicate key, expected every key once".to_owned(),
            // TOML's words instead of serde's.
            other => other
                .replace("invalid type: map", "invalid type: table")
                .replace("invalid type: sequence", "invalid type: array")
                .replace("expected a sequence", "expected an array")
                .replace(
                    "table, expected an array",
                    "table, expected an array of tables ([[...]])",
                ),
        };
        Self { span: error.span(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_counts_lines_and_characters_from_one() {
        let text = "a\n\u{e9}x = 1\n".as_bytes();
        assert_eq!(SourceLocation::of(text, 0), SourceLocation { line: 1, column: 1 });
        assert_eq!(SourceLocation::of(text, 4), SourceLocation { line: 2, column: 2 });
        assert_eq!(SourceLocation::of(text, 1000), SourceLocation { line: 3, column: 1 });
    }
}
