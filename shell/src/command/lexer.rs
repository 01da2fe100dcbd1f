//! One typed line → words and an optional `| grep` filter. Knows quoting, nothing of commands.

use std::fmt;

/// The longest line that is read; longer ones are refused before anything looks at them.
pub const MAX_LINE: usize = 4096;

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedLine {
    /// The words before the first `|`, quotes removed.
    pub words: Vec<String>,
    /// What `| grep …` asks for.
    pub filter: Option<Filter>,
}

/// `| grep [-i] [-v] TEXT`: keeps the output lines that hold a fixed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The text looked for, not a pattern.
    pub text: String,
    /// `-i`: capital and small letters are the same.
    pub any_case: bool,
    /// `-v`: keep the lines that do not hold it.
    pub invert: bool,
}

impl Filter {
    /// Returns the lines of `text` that the filter keeps, each with its line end.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let wanted = self.fold(&self.text);
        text.lines()
            .filter(|line| self.fold(line).contains(&wanted) != self.invert)
            .fold(String::new(), |kept, line| kept + line + "\n")
    }

    fn fold(&self, text: &str) -> String {
        if self.any_case { text.to_lowercase() } else { text.to_owned() }
    }
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
    /// Something other than `grep [-i] [-v] TEXT` after the `|`.
    NotGrep,
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
            Self::NotGrep => write!(f, "after `|` expected `grep [-i] [-v] TEXT`"),
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
    let filter = parts.next().map(|after| filter(&after)).transpose()?;
    if parts.next().is_some() || (filter.is_some() && words.is_empty()) {
        return Err(LexError::NotGrep);
    }
    Ok(ParsedLine { words, filter })
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

fn filter(words: &[String]) -> Result<Filter, LexError> {
    let mut filter = Filter { text: String::new(), any_case: false, invert: false };
    let (grep, mut rest) = words.split_first().ok_or(LexError::NotGrep)?;
    if grep != "grep" {
        return Err(LexError::NotGrep);
    }
    while let [option, after @ ..] = rest {
        match option.as_str() {
            "-i" => filter.any_case = true,
            "-v" => filter.invert = true,
            "-iv" | "-vi" => (filter.any_case, filter.invert) = (true, true),
            _ => break,
        }
        rest = after;
    }
    match rest {
        [text] => text.clone_into(&mut filter.text),
        _ => return Err(LexError::NotGrep),
    }
    Ok(filter)
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
            ("show x | more", LexError::NotGrep),
            ("show x | grep", LexError::NotGrep),
            ("show x | grep a | grep b", LexError::NotGrep),
            ("| grep a", LexError::NotGrep),
        ] {
            assert_eq!(split(line), Err(why), "{line}");
        }
        assert_eq!(split(&"x".repeat(MAX_LINE + 1)), Err(LexError::TooLong));
    }

    #[test]
    fn grep_keeps_or_drops_lines() {
        let text = "| name | Alice |\n| uid | 1000 |\n";
        let run = |line: &str| split(line).unwrap().filter.unwrap().apply(text);
        assert_eq!(run("show x | grep Alice"), "| name | Alice |\n");
        assert_eq!(run("show x|grep -i ALICE"), "| name | Alice |\n");
        assert_eq!(run("show x | grep -v -i ALICE"), "| uid | 1000 |\n");
        assert_eq!(run("show x | grep 'e | A'"), "| name | Alice |\n");
    }

    #[test]
    fn a_quoted_word_reads_back_as_itself() {
        for word in ["plain", "", "two words", "q\"uote", "back\\slash", "pi|pe", "#x", "'"] {
            assert_eq!(words(&quote(word)), [word]);
        }
    }
}
