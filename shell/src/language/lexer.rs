//! One typed line → words and the filters after `|`. Knows quoting, nothing of commands.

use std::fmt;

use crate::output::pipeline::{Filter, Pipeline};

/// The longest line that is read; longer ones are refused before anything looks at them.
pub const MAX_LINE: usize = 4096;

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedLine {
    /// The words before the first `|`, quotes removed.
    pub words: Vec<String>,
    /// What the answer goes through.
    pub pipeline: Pipeline,
}

/// Why a line could not be taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LexError {
    /// Longer than [`MAX_LINE`] bytes.
    TooLong,
    /// A quote is not closed, or the line ends in a backslash.
    Unclosed(char),
    /// A control character, which no name or value may hold.
    Control,
    /// Something other than a filter after a `|`, or nothing before it.
    NotAFilter,
}

impl fmt::Display for LexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is too long, expected at most {MAX_LINE} bytes"),
            Self::Unclosed('\\') => {
                write!(f, "the line ends in `\\`, expected a character after it")
            }
            Self::Unclosed(quote) => write!(f, "a quote is not closed, expected another {quote}"),
            Self::Control => write!(f, "a control character, expected printable text"),
            Self::NotAFilter => {
                write!(f, "expected COMMAND | {}", crate::output::pipeline::FORMS.join(" or | "))
            }
        }
    }
}

impl std::error::Error for LexError {}

/// Takes a typed line apart. A `#` at the beginning of a word starts a comment.
///
/// # Errors
/// See [`LexError`].
pub fn split(line: &str) -> Result<ParsedLine, LexError> {
    if line.len() > MAX_LINE {
        return Err(LexError::TooLong);
    }
    let mut parts = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => {
                let next = chars.next().ok_or(LexError::Unclosed('\\'))?;
                word.get_or_insert_default().push(printable(next)?);
            }
            '#' if word.is_none() => break,
            '|' => {
                end_word(&mut parts, &mut word);
                parts.push(Vec::new());
            }
            c if c.is_whitespace() => end_word(&mut parts, &mut word),
            c => word.get_or_insert_default().push(printable(c)?),
        }
    }
    end_word(&mut parts, &mut word);
    let mut parts = parts.into_iter();
    let words = parts.next().unwrap_or_default();
    let filters: Option<Vec<Filter>> = parts.map(|after| Filter::parse(&after)).collect();
    let pipeline = Pipeline(filters.ok_or(LexError::NotAFilter)?);
    if words.is_empty() && !pipeline.0.is_empty() {
        return Err(LexError::NotAFilter);
    }
    Ok(ParsedLine { words, pipeline })
}

/// Writes a word so that [`split`] reads it back as one.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_.@+/:=*,%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), LexError> {
    loop {
        match chars.next().ok_or(LexError::Unclosed(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => {
                let next = chars.next().ok_or(LexError::Unclosed(quote))?;
                word.push(printable(next)?);
            }
            c => word.push(printable(c)?),
        }
    }
}

fn printable(c: char) -> Result<char, LexError> {
    if c.is_control() {
        return Err(LexError::Control);
    }
    Ok(c)
}

fn end_word(parts: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(word), Some(words)) = (word.take(), parts.last_mut()) {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        split(line).unwrap().words
    }

    #[test]
    fn quotes_and_backslashes_join_words() {
        assert_eq!(
            words(r#"show user "a b" 'c "d' e\ f g\"h "" # said"#),
            ["show", "user", "a b", "c \"d", "e f", "g\"h", ""]
        );
    }

    #[test]
    fn a_hash_inside_a_word_is_no_comment() {
        assert_eq!(words("user a#b"), ["user", "a#b"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (line, why) in [
            ("show 'x", LexError::Unclosed('\'')),
            ("show \"x\\", LexError::Unclosed('"')),
            ("show \\", LexError::Unclosed('\\')),
            ("show \u{1b}[2J", LexError::Control),
            ("show x | less", LexError::NotAFilter),
            ("show x | grep", LexError::NotAFilter),
            ("show x | grep a |", LexError::NotAFilter),
            ("show x | more now", LexError::NotAFilter),
            ("| grep a", LexError::NotAFilter),
        ] {
            assert_eq!(split(line), Err(why), "{line}");
        }
        assert_eq!(split(&"x".repeat(MAX_LINE + 1)), Err(LexError::TooLong));
    }

    #[test]
    fn a_quoted_word_reads_back_as_itself() {
        for word in ["plain", "", "two words", "q\"uote", "back\\slash", "pi|pe", "#x", "'"] {
            assert_eq!(words(&quote(word)), [word]);
        }
    }
}
