//! What identifies a session to a client: random words, of which only hashes are kept.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};

/// The cookies that hold the session's word; clients of the original send either.
pub const SESSION_COOKIES: [&str; 2] = ["avi-sessionid", "sessionid"];
/// The cookie that holds the word against forged requests.
pub const CSRF_COOKIE: &str = "csrftoken";
/// Cookies looked at: a client may send old ones as well.
const MAX_CANDIDATES: usize = 8;
const WORD_BYTES: usize = 32;

/// A random word of 256 bits.
pub struct Word(String);

/// What is kept of a [`Word`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Word {
    /// Makes a word.
    ///
    /// # Errors
    /// When the kernel gives no random numbers.
    pub fn new() -> std::io::Result<Self> {
        let mut bytes = [0; WORD_BYTES];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += match getrandom(rest, GetRandomFlags::empty()) {
                Err(rustix::io::Errno::INTR) => 0,
                other => other?,
            };
        }
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// Returns the word, for the client.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Returns what is kept of it.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.0)
    }
}

impl Hash {
    /// Returns its beginning, for what is no secret.
    pub fn short(self) -> String {
        self.0.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the hash of what a client sent.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

/// Returns the hashes of what may be the session's word in a request.
pub fn candidates(headers: &HeaderMap) -> Vec<Hash> {
    named(headers, &SESSION_COOKIES).map(Hash::of).collect()
}

/// Returns what may be the word against forged requests.
pub fn csrf_words(headers: &HeaderMap) -> Vec<&str> {
    named(headers, &[CSRF_COOKIE]).collect()
}

/// Returns the values of the cookies with one of the names.
pub fn named<'h>(headers: &'h HeaderMap, names: &'h [&str]) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(name, _)| names.contains(&name.trim()))
        .take(MAX_CANDIDATES)
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// Returns the lines that set the cookies of a new session.
pub fn set(session: &Word, csrf: &Word) -> Vec<String> {
    let session = session.text();
    let mut lines: Vec<String> = SESSION_COOKIES
        .iter()
        .map(|name| format!("{name}={session}; Path=/; Secure; HttpOnly; SameSite=Strict"))
        .collect();
    lines.push(format!("{CSRF_COOKIE}={}; Path=/; Secure; SameSite=Strict", csrf.text()));
    lines
}

/// Returns the lines that take the cookies back.
pub fn unset() -> Vec<String> {
    let names = SESSION_COOKIES.into_iter().chain([CSRF_COOKIE]);
    names.map(|name| format!("{name}=; Path=/; Secure; SameSite=Strict; Max-Age=0")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_and_have_256_bits() {
        let (one, two) = (Word::new().unwrap(), Word::new().unwrap());
        assert_eq!(one.text().len(), 64);
        assert_ne!(one.text(), two.text());
        assert!(one.hash() == Hash::of(one.text()) && one.hash() != two.hash());
    }

    #[test]
    fn cookies_are_found_among_others_and_twice() {
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            "a=b; sessionid=one;avi-sessionid=\"two\"; xsessionid=no".parse().unwrap(),
        );
        headers.append(COOKIE, "sessionid=three; csrftoken=no".parse().unwrap());
        let expected = ["one", "two", "three"].map(Hash::of);
        assert_eq!(candidates(&headers), expected);
        let many = "sessionid=x; ".repeat(1000);
        headers.append(COOKIE, many.parse().unwrap());
        assert_eq!(candidates(&headers).len(), MAX_CANDIDATES);
    }
}
