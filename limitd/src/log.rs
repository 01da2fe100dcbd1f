//! The log: standard error, which the journal or a terminal reads.

/// Writes a line for the administrator.
pub fn line(text: &str) {
    eprintln!("session-limitd: {text}");
}
