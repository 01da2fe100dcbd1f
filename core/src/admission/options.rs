//! The module's arguments: the words behind `pam_session_limit.so` in a PAM stack.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::model::policy::OnLimit;
use crate::model::sanitize::printable;
use crate::store;

/// The arguments of one line of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `config=PATH`: another configuration file, which must exist.
    pub config: Option<PathBuf>,
    /// `state=PATH`: another store.
    pub state: PathBuf,
    /// `clear_sessions`: end the user's other sessions whenever a session opens.
    pub clear_sessions: bool,
    /// `on_limit=reject|ask|evict-oldest|log`: overrides the file.
    pub on_limit: Option<OnLimit>,
    /// `debug`: log every step.
    pub debug: bool,
    /// What could not be read, one line each; skipped, for a typo must not lock a host.
    pub problems: Vec<String>,
}

impl Options {
    /// Reads the arguments; of two equal ones the later holds.
    #[must_use]
    pub fn read(words: &[&CStr]) -> Self {
        let mut read = Self {
            config: None,
            state: PathBuf::from(store::DEFAULT_PATH),
            clear_sessions: false,
            on_limit: None,
            debug: false,
            problems: Vec::new(),
        };
        for word in words {
            if let Err(expected) = read.take(word.to_bytes()) {
                let shown = printable(word.to_bytes());
                read.problems.push(format!("argument {shown} skipped, expected {expected}"));
            }
        }
        read
    }

    fn take(&mut self, word: &[u8]) -> Result<(), &'static str> {
        let (key, value) = match word.iter().position(|&b| b == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        match (key, value) {
            (b"config", Some(path)) => self.config = Some(absolute(path)?),
            (b"state", Some(path)) => self.state = absolute(path)?,
            (b"clear_sessions", None) => self.clear_sessions = true,
            (b"debug", None) => self.debug = true,
            (b"on_limit", word) => {
                let known = OnLimit::WORDS.iter().find(|(name, _)| Some(name.as_bytes()) == word);
                let (_, on_limit) = known.ok_or(
                    "on_limit=reject, on_limit=ask, on_limit=evict-oldest or on_limit=log",
                )?;
                self.on_limit = Some(*on_limit);
            }
            _ => return Err("config=PATH, state=PATH, clear_sessions, on_limit=WORD or debug"),
        }
        Ok(())
    }
}

/// Reads the path of an argument.
///
/// # Errors
///
/// What was expected.
pub fn absolute(path: &[u8]) -> Result<PathBuf, &'static str> {
    if path.starts_with(b"/") {
        Ok(PathBuf::from(OsStr::from_bytes(path)))
    } else {
        Err("an absolute path")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_arguments_are_the_defaults() {
        let read = Options::read(&[]);
        assert_eq!(read.state, PathBuf::from(store::DEFAULT_PATH));
        assert_eq!(
            (read.config, read.clear_sessions, read.on_limit, read.debug),
            (None, false, None, false)
        );
    }

    #[test]
    fn every_argument_is_read_and_the_later_holds() {
        let read = Options::read(&[
            c"config=/a",
            c"config=/b=c",
            c"state=/s",
            c"clear_sessions",
            c"on_limit=ask",
            c"on_limit=evict-oldest",
            c"debug",
        ]);
        assert_eq!(read.config, Some(PathBuf::from("/b=c")));
        assert_eq!(read.state, PathBuf::from("/s"));
        assert!(read.clear_sessions && read.debug);
        assert_eq!(read.on_limit, Some(OnLimit::EvictOldest));
        assert_eq!(read.problems, Vec::<String>::new());
    }

    #[test]
    fn an_argument_that_is_not_understood_is_named_and_skipped() {
        let read = Options::read(&[
            c"clear-sessions",
            c"on_limit=kick",
            c"state=rel",
            c"debug=1",
            c"\x1b",
        ]);
        assert_eq!(
            read.problems,
            [
                "argument clear-sessions skipped, expected config=PATH, state=PATH, clear_sessions, on_limit=WORD or debug",
                "argument on_limit=kick skipped, expected on_limit=reject, on_limit=ask, on_limit=evict-oldest or on_limit=log",
                "argument state=rel skipped, expected an absolute path",
                "argument debug=1 skipped, expected config=PATH, state=PATH, clear_sessions, on_limit=WORD or debug",
                "argument \\u{1b} skipped, expected config=PATH, state=PATH, clear_sessions, on_limit=WORD or debug",
            ]
        );
        assert!(!read.clear_sessions && !read.debug);
    }
}
