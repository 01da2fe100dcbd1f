//! Text from outside (user, tty, host names) made safe to print.

/// Bytes of an untrusted text that are kept; the rest is replaced by `...`.
///
/// Host names end at 255 bytes (RFC 1035), login names at 256 (`LOGIN_NAME_MAX`).
pub const MAX_BYTES: usize = 256;

/// Returns `bytes` as one line of printable text, at most [`MAX_BYTES`] of them shown.
///
/// Letters, digits, ASCII punctuation and spaces stay; everything else (control characters,
/// terminal escapes, direction marks, invalid UTF-8, the backslash itself) becomes a backslash escape, so that
/// no name can forge a log line or move a terminal's cursor.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let (shown, cut) = match bytes.split_at_checked(MAX_BYTES) {
        Some((head, tail)) if !tail.is_empty() => (head, true),
        _ => (bytes, false),
    };
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c == ' '
                || (c.is_ascii_graphic() && c != '\\')
                || (!c.is_ascii() && c.is_alphanumeric())
            {
                text.push(c);
            } else {
                text.extend(c.escape_default());
            }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    if cut {
        text.push_str("...");
    }
    text
}

/// Returns printable text as at most `most` characters, with `...` where something was cut off.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stay_and_control_characters_are_escaped() {
        assert_eq!(printable(b"alice"), "alice");
        assert_eq!(printable("jos\u{e9}".as_bytes()), "jos\u{e9}");
        assert_eq!(printable(b"a\nb\x1b[2J\\"), "a\\nb\\u{1b}[2J\\\\");
        assert_eq!(printable(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(printable("\u{202e}evil".as_bytes()), "\\u{202e}evil");
    }

    #[test]
    fn text_is_shortened_between_characters() {
        assert_eq!(shortened("jos\u{e9}", 4), "jos\u{e9}");
        assert_eq!(shortened("jos\u{e9}s", 4), "jos\u{e9}...");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn long_text_is_cut() {
        let text = printable(&[b'x'; 65536]);
        assert_eq!(text.len(), MAX_BYTES + 3);
        assert!(text.ends_with("x..."));
    }
}
