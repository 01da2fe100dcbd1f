//! The arguments of the lines that enforce lockout, history and age of passwords.
#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::path::PathBuf;

use session_limit_core::admission::options::absolute;
use session_limit_core::model::sanitize::printable;

/// The argument that makes an account line check the account instead of counting its sessions.
pub const CREDENTIALS: &[u8] = b"credentials";

/// Arguments of pam_faillock(8) that may stand on our line; the profile sets `deny` and `unlock_time`.
const FAILLOCK: [&str; 11] = [
    "conf=",
    "dir=",
    "audit",
    "silent",
    "no_log_info",
    "local_users_only",
    "nodelay",
    "fail_interval=",
    "even_deny_root",
    "root_unlock_time=",
    "admin_group=",
];
/// Arguments of pam_pwhistory(8) that may stand on our line; the profile sets `remember`. libpam itself reads
/// `use_authtok` and `authtok_type` from our line.
const PWHISTORY: [&str; 8] = [
    "use_authtok",
    "try_first_pass",
    "use_first_pass",
    "authtok_type=",
    "enforce_for_root",
    "retry=",
    "file=",
    "conf=",
];

/// What an auth line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `preauth`: before the password is asked for; refuses a locked account.
    Before,
    /// `authfail`: after a wrong password; counts it.
    Failed,
    /// `authsucc`: after the right password; forgets the failures.
    Succeeded,
}

impl Action {
    /// All of them, by the words of pam_faillock.
    const WORDS: [(&'static CStr, Self); 3] =
        [(c"preauth", Self::Before), (c"authfail", Self::Failed), (c"authsucc", Self::Succeeded)];

    /// Returns the word by which pam_faillock is told.
    pub fn word(self) -> CString {
        let known = Self::WORDS.iter().find(|(_, action)| *action == self);
        known.map(|(word, _)| CStr::to_owned(word)).unwrap_or_default()
    }
}

/// Which line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// `auth`
    Auth,
    /// `account`, with the argument `credentials`
    Account,
    /// `password`
    Password,
}

impl Line {
    fn expected(self) -> &'static str {
        match self {
            Self::Auth => {
                "preauth, authfail, authsucc, config=PATH, faillock=PATH, debug, or an argument of \
                 pam_faillock(8) other than deny and unlock_time"
            }
            Self::Account => {
                "credentials, config=PATH, faillock=PATH, debug, or an argument of pam_faillock(8) other \
                 than deny and unlock_time"
            }
            Self::Password => {
                "config=PATH, pwhistory=PATH, debug, or an argument of pam_pwhistory(8) other than remember"
            }
        }
    }
}

/// The arguments of one line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `config=PATH`: another configuration file, which must exist.
    pub config: Option<PathBuf>,
    /// `faillock=PATH` or `pwhistory=PATH`: another file of that module.
    pub module: Option<PathBuf>,
    /// What an auth line does.
    pub action: Option<Action>,
    /// `debug`: log every step.
    pub debug: bool,
    /// What is handed on.
    pub others: Vec<CString>,
    /// What could not be read, one line each; skipped, for a typo must not lock a host.
    pub problems: Vec<String>,
}

impl Options {
    /// Reads the arguments; of two equal ones the later holds.
    pub fn read(line: Line, words: &[&CStr]) -> Self {
        let mut read = Self::default();
        for word in words {
            if let Err(expected) = read.take(line, word) {
                let shown = printable(word.to_bytes());
                read.problems.push(format!("argument {shown} skipped, expected {expected}"));
            }
        }
        if line == Line::Auth && read.action.is_none() {
            read.problems.push("an auth line needs preauth, authfail or authsucc".to_owned());
        }
        read
    }

    fn take(&mut self, line: Line, word: &CStr) -> Result<(), &'static str> {
        let bytes = word.to_bytes();
        let path = |prefix: &[u8]| bytes.strip_prefix(prefix).map(absolute);
        let module: &[u8] = if line == Line::Password { b"pwhistory=" } else { b"faillock=" };
        let action = Action::WORDS.iter().find(|(name, _)| *name == word && line == Line::Auth);
        if let Some(path) = path(b"config=") {
            self.config = Some(path?);
        } else if let Some(path) = path(module) {
            self.module = Some(path?);
        } else if let Some((_, action)) = action {
            self.action = Some(*action);
        } else if bytes == b"debug" {
            self.debug = true;
        } else if is_handed_on(line, bytes) {
            self.others.push(word.to_owned());
        } else if !(line == Line::Account && bytes == CREDENTIALS) {
            return Err(line.expected());
        }
        Ok(())
    }
}

fn is_handed_on(line: Line, word: &[u8]) -> bool {
    let known: &[&str] = if line == Line::Password { &PWHISTORY } else { &FAILLOCK };
    known.iter().any(|known| match known.ends_with('=') {
        true => word.starts_with(known.as_bytes()),
        false => word == known.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_arguments_of_its_own() {
        let read = Options::read(
            Line::Auth,
            &[c"preauth", c"dir=/d", c"config=/c", c"faillock=/f", c"audit", c"debug"],
        );
        assert_eq!(
            read,
            Options {
                config: Some(PathBuf::from("/c")),
                module: Some(PathBuf::from("/f")),
                action: Some(Action::Before),
                debug: true,
                others: vec![c"dir=/d".to_owned(), c"audit".to_owned()],
                problems: Vec::new(),
            }
        );
        let read = Options::read(Line::Account, &[c"credentials", c"dir=/d"]);
        assert_eq!((read.others.len(), read.problems.len()), (1, 0));
        let read = Options::read(Line::Password, &[c"use_authtok", c"retry=3", c"pwhistory=/p"]);
        assert_eq!((read.others.len(), read.module), (2, Some(PathBuf::from("/p"))));
        assert_eq!(read.problems, Vec::<String>::new());
    }

    #[test]
    fn what_is_not_understood_is_named_and_skipped() {
        for (line, word) in [
            (Line::Auth, c"deny=3"),
            (Line::Auth, c"credentials"),
            (Line::Account, c"preauth"),
            (Line::Account, c"unlock_time=5"),
            (Line::Password, c"remember=5"),
            (Line::Password, c"faillock=/x"),
            (Line::Password, c"use_authtok=1"),
        ] {
            let read = Options::read(line, &[word]);
            let text = word.to_str().unwrap();
            let named = format!("argument {text} skipped, expected {}", line.expected());
            assert_eq!(read.problems.first(), Some(&named));
            assert_eq!(read.others, Vec::<CString>::new());
        }
        let read = Options::read(Line::Auth, &[c"preauth", c"faillock=f", c"config=c"]);
        assert_eq!(read.problems.len(), 2, "{:?}", read.problems);
        let none = Options::read(Line::Auth, &[]);
        assert_eq!(none.problems, ["an auth line needs preauth, authfail or authsucc"]);
    }

    #[test]
    fn an_action_is_told_by_its_own_word() {
        for (word, action) in Action::WORDS {
            assert_eq!(action.word().as_c_str(), word);
        }
    }
}
