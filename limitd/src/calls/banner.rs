//! The administrator's text on the login screen.

use std::fs::File;
use std::io::Read;
use std::sync::{PoisonError, RwLock};

/// Bytes that are shown.
const MAX_BYTES: u64 = 4096;

static TEXT: RwLock<Option<String>> = RwLock::new(None);

/// Reads the file again, or shows no text. One that cannot be read is logged.
pub fn read(path: Option<&str>) {
    let text = path.and_then(|path| match text_of(path) {
        Ok(text) => Some(text),
        Err(error) => {
            crate::log::line(&format!("{path}: the banner cannot be read: {error}"));
            None
        }
    });
    *TEXT.write().unwrap_or_else(PoisonError::into_inner) = text;
}

/// Returns the text.
pub fn text() -> Option<String> {
    TEXT.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn text_of(path: &str) -> std::io::Result<String> {
    // Opening what is no file may wait for a process at its other end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("expected a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_is_bounded_text_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, b"Welcome\xff\n\n".repeat(1000)).unwrap();
        assert_eq!(text_of(path).map(|text| text.starts_with("Welcome")).ok(), Some(true));
        assert!(text_of(path).unwrap().chars().count() <= 4096);
        assert!(text_of("/dev").is_err() && text_of("/dev/null").is_err());
    }
}
