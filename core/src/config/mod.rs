//! The configuration file: TOML text, read as typed, then checked.
//!
//! The whole file is good or the whole file is refused, with one line that names the place. Every login
//! looks at it, so there is nothing to reload; [`crate::config::compiled`] spares it the reading.

pub mod compiled;

use std::collections::HashSet;
use std::fmt;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read};
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Unexpected, Visitor};
use toml::Spanned;

use crate::model::policy::{Attachment, DEFAULT_PROFILE, OnClear, OnLimit, Policy, Profile};
use crate::system;

/// Where the configuration is unless a module argument names another file.
pub const DEFAULT_PATH: &str = "/etc/session-limit/config.toml";
/// Bytes of the largest file that is read.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// Bytes of the longest name.
const MAX_NAME: usize = 256;

/// The checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// In file order; the default profile is always among them.
    pub profiles: Vec<Profile>,
    /// Users attached to a profile, in file order.
    pub users: Vec<Attachment>,
    /// Groups attached to a profile, in file order.
    pub groups: Vec<Attachment>,
    /// The `[policy]` table.
    pub policy: Policy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profiles: vec![Profile::built_in(DEFAULT_PROFILE)],
            users: Vec::new(),
            groups: Vec::new(),
            policy: Policy::default(),
        }
    }
}

impl Config {
    /// Reads the default file; a missing one means the built-in defaults.
    ///
    /// # Errors
    ///
    /// See [`Config::load`].
    pub fn load_default() -> Result<Self, ConfigError> {
        Self::read(None).map(|(config, _)| config)
    }

    /// Reads the file at `path`, which must exist.
    ///
    /// # Errors
    ///
    /// A file that is missing, not regular, owned by neither root nor the effective user, writable by
    /// others, too large, not UTF-8, or not a good configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::read(Some(path)).map(|(config, _)| config)
    }

    /// Reads as [`Config::load`] or [`Config::load_default`] does; also says what the file was like
    /// before it was read.
    pub(crate) fn read(path: Option<&Path>) -> Result<(Self, Option<Metadata>), ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let at = |place, message| ConfigError { path: file.to_owned(), place, message };
        let (bytes, meta) = match read(file) {
            Ok(found) => found,
            Err(Unread::Missing) if path.is_none() => return Ok((Self::default(), None)),
            Err(Unread::Missing) => {
                let message = "no such file, expected the configuration named by config=";
                return Err(at(None, message.to_owned()));
            }
            Err(Unread::Refused(message)) => return Err(at(None, message)),
        };
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            at(Some(Place::of(&bytes, e.valid_up_to())), "not UTF-8, expected TOML text".into())
        })?;
        let config = Self::parse(text)
            .map_err(|m| at(m.span.map(|s| Place::of(&bytes, s.start)), m.message))?;
        Ok((config, Some(meta)))
    }

    /// Reads a configuration from its text.
    ///
    /// # Errors
    ///
    /// The first mistake in the text, with the bytes it spans.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        let typed: AsTyped = toml::from_str(text)?;
        typed.checked()
    }

    /// Returns the profile called `name`.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// Returns the profile that holds for a user: his own entry, else the first group entry that
    /// matches, else the default profile.
    ///
    /// `is_user` and `is_member` say whether an entry's name means this user or a group of his; the
    /// second is asked only where no user entry matched.
    ///
    /// # Errors
    ///
    /// Those of `is_member`.
    pub fn profile_of<E>(
        &self,
        is_user: impl Fn(&str) -> bool,
        mut is_member: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<Profile, E> {
        let mut attached = self.users.iter().find(|user| is_user(&user.name));
        if attached.is_none() {
            for group in &self.groups {
                if is_member(&group.name)? {
                    attached = Some(group);
                    break;
                }
            }
        }
        let name = attached.map_or(DEFAULT_PROFILE, |attachment| &attachment.user_profile);
        // Every reference was checked, and the default profile is always there.
        Ok(self.profile(name).cloned().unwrap_or_else(|| Profile::built_in(name)))
    }
}

/// A configuration that was refused: one line for the journal, naming the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Where in the file, if the fault is in its text.
    pub place: Option<Place>,
    /// What is wrong, what was expected.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(place) = self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        write!(f, " {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// A place in a text; both numbers begin at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Place {
    /// Returns the place of the byte at `offset`.
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

/// One mistake in a configuration's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The bytes it spans, where known.
    pub span: Option<Range<usize>>,
    /// What is wrong, what was expected; one line.
    pub message: String,
}

impl Mistake {
    fn at<T>(what: &Spanned<T>, message: String) -> Self {
        Self { span: Some(what.span()), message }
    }
}

impl From<toml::de::Error> for Mistake {
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

/// Why a file's bytes could not be had.
enum Unread {
    Missing,
    Refused(String),
}

/// Reads a file that only root (or the effective user, for tests) can have written.
fn read(path: &Path) -> Result<(Vec<u8>, Metadata), Unread> {
    let refuse = |message: String| Err(Unread::Refused(message));
    // O_NONBLOCK: a FIFO must not hold a login up.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Unread::Missing),
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {
            return refuse("is a symbolic link, expected a regular file".into());
        }
        // A socket or a device without a driver.
        Err(e) if e.raw_os_error() == Some(libc::ENXIO) => {
            return refuse("is not a regular file, expected one".into());
        }
        Err(e) => return refuse(format!("cannot be opened: {}", system::reason(&e))),
    };
    let meta = file
        .metadata()
        .map_err(|e| Unread::Refused(format!("cannot be examined: {}", system::reason(&e))))?;
    if meta.is_dir() {
        return refuse("is a directory, expected a regular file".into());
    }
    if !meta.is_file() {
        return refuse("is not a regular file, expected one".into());
    }
    if meta.uid() != 0 && meta.uid() != system::effective_uid() {
        return refuse(format!("is owned by uid {}, expected root", meta.uid()));
    }
    if meta.mode() & 0o022 != 0 {
        return refuse(format!(
            "has mode {:04o}, expected one that only its owner can write to (0644)",
            meta.mode() & 0o7777
        ));
    }
    if meta.len() > MAX_BYTES {
        return refuse(format!("has {} bytes, expected at most {MAX_BYTES}", meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    match file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        Ok(n) if n as u64 > MAX_BYTES => {
            refuse(format!("grew beyond {MAX_BYTES} bytes while it was read"))
        }
        Ok(_) => Ok((bytes, meta)),
        Err(e) => refuse(format!("cannot be read: {}", system::reason(&e))),
    }
}

// The file as typed: every key that exists, nothing else.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsTyped {
    #[serde(default)]
    useraccountprofile: Vec<Spanned<TypedProfile>>,
    #[serde(default)]
    user: Vec<Spanned<TypedUser>>,
    #[serde(default)]
    group: Vec<Spanned<TypedGroup>>,
    #[serde(default, deserialize_with = "one_table")]
    policy: TypedPolicy,
}

/// Reads a table; serde would take an array for one, field by field.
fn one_table<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct OneTable<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneTable<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one table ([...])")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(OneTable(PhantomData))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedProfile {
    uuid: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    max_password_history_count: Option<Number>,
    max_login_failure_count: Option<Number>,
    account_lock_timeout: Option<Number>,
    max_concurrent_sessions: Option<Number>,
    credentials_timeout_threshold: Option<Number>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedUser {
    username: Option<Spanned<String>>,
    user_profile: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedGroup {
    name: Option<Spanned<String>>,
    user_profile: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedPolicy {
    counted_services: Option<Vec<Spanned<String>>>,
    on_limit: Option<Spanned<String>>,
    on_clear: Option<Spanned<String>>,
    admin_groups: Option<Vec<Spanned<String>>>,
}

/// A whole number of 32 bits, with an error message that says so.
struct Number(u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeNumber;
        impl Visitor<'_> for WholeNumber {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from 0 to {}", u32::MAX)
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Number, E> {
                u32::try_from(n)
                    .map(Number)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(n), &self))
            }
        }
        deserializer.deserialize_i64(WholeNumber)
    }
}

impl AsTyped {
    fn checked(self) -> Result<Config, Mistake> {
        let mut names = HashSet::new();
        let mut uuids = HashSet::new();
        let mut profiles = Vec::with_capacity(self.useraccountprofile.len() + 1);
        for typed in self.useraccountprofile {
            profiles.push(checked_profile(typed, &mut names, &mut uuids)?);
        }
        if !names.contains(DEFAULT_PROFILE) {
            names.insert(DEFAULT_PROFILE.to_owned());
            profiles.insert(0, Profile::built_in(DEFAULT_PROFILE));
        }

        let mut users = Vec::with_capacity(self.user.len());
        let mut seen = HashSet::new();
        for typed in self.user {
            let TypedUser { username, user_profile } = typed.get_ref();
            let name = given_name(username.as_ref(), &typed, "[[user]]", "username")?;
            users.push(checked_attachment(
                name,
                user_profile.as_ref(),
                &typed,
                "user",
                &names,
                &mut seen,
            )?);
        }

        let mut groups = Vec::with_capacity(self.group.len());
        let mut seen = HashSet::new();
        for typed in self.group {
            let TypedGroup { name, user_profile } = typed.get_ref();
            let name = given_name(name.as_ref(), &typed, "[[group]]", "name")?;
            groups.push(checked_attachment(
                name,
                user_profile.as_ref(),
                &typed,
                "group",
                &names,
                &mut seen,
            )?);
        }

        Ok(Config { profiles, users, groups, policy: self.policy.checked()? })
    }
}

fn checked_profile(
    typed: Spanned<TypedProfile>,
    names: &mut HashSet<String>,
    uuids: &mut HashSet<String>,
) -> Result<Profile, Mistake> {
    let name = given_name(typed.get_ref().name.as_ref(), &typed, "[[useraccountprofile]]", "name")?;
    if !names.insert(name.get_ref().clone()) {
        return Err(Mistake::at(
            name,
            format!("a second profile named {:?}, expected every name once", name.get_ref()),
        ));
    }
    if let Some(uuid) = &typed.get_ref().uuid {
        if !is_profile_uuid(uuid.get_ref()) {
            return Err(Mistake::at(
                uuid,
                format!(
                    "uuid {:?}, expected useraccountprofile- and a UUID in lower case",
                    uuid.get_ref()
                ),
            ));
        }
        if !uuids.insert(uuid.get_ref().clone()) {
            return Err(Mistake::at(
                uuid,
                format!(
                    "a second profile with uuid {:?}, expected every uuid once",
                    uuid.get_ref()
                ),
            ));
        }
    }
    let built_in = Profile::built_in(name.get_ref());
    let or = |typed: Option<Number>, default| typed.map_or(default, |Number(n)| n);
    let name = name.get_ref().clone();
    let typed = typed.into_inner();
    Ok(Profile {
        uuid: typed.uuid.map(Spanned::into_inner).or(built_in.uuid),
        name,
        max_password_history_count: or(
            typed.max_password_history_count,
            built_in.max_password_history_count,
        ),
        max_login_failure_count: or(
            typed.max_login_failure_count,
            built_in.max_login_failure_count,
        ),
        account_lock_timeout: or(typed.account_lock_timeout, built_in.account_lock_timeout),
        max_concurrent_sessions: or(
            typed.max_concurrent_sessions,
            built_in.max_concurrent_sessions,
        ),
        credentials_timeout_threshold: or(
            typed.credentials_timeout_threshold,
            built_in.credentials_timeout_threshold,
        ),
    })
}

fn checked_attachment<T>(
    name: &Spanned<String>,
    user_profile: Option<&Spanned<String>>,
    table: &Spanned<T>,
    kind: &str,
    profiles: &HashSet<String>,
    seen: &mut HashSet<String>,
) -> Result<Attachment, Mistake> {
    if !seen.insert(name.get_ref().clone()) {
        return Err(Mistake::at(
            name,
            format!(
                "{kind} {:?} attached a second time, expected every {kind} once",
                name.get_ref()
            ),
        ));
    }
    let profile = given_name(user_profile, table, &format!("[[{kind}]]"), "user_profile")?;
    if !profiles.contains(profile.get_ref()) {
        return Err(Mistake::at(
            profile,
            format!(
                "unknown profile {:?}, expected the name of a [[useraccountprofile]]",
                profile.get_ref()
            ),
        ));
    }
    Ok(Attachment { name: name.get_ref().clone(), user_profile: profile.get_ref().clone() })
}

/// Returns the name under `key`, which `table` must have.
fn given_name<'a, T>(
    name: Option<&'a Spanned<String>>,
    table: &Spanned<T>,
    header: &str,
    key: &str,
) -> Result<&'a Spanned<String>, Mistake> {
    let Some(name) = name else {
        return Err(Mistake::at(
            table,
            format!("{header} without {key}, expected {key} = \"...\""),
        ));
    };
    check_name(name, key)?;
    Ok(name)
}

fn check_name(name: &Spanned<String>, key: &str) -> Result<(), Mistake> {
    let text = name.get_ref();
    if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Mistake::at(
            name,
            format!("{key} {text:?}, expected 1 to {MAX_NAME} bytes without control characters"),
        ));
    }
    Ok(())
}

/// Returns whether `text` is `useraccountprofile-` and a UUID as RFC 9562 writes it.
fn is_profile_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("useraccountprofile-") else {
        return false;
    };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

impl TypedPolicy {
    fn checked(self) -> Result<Policy, Mistake> {
        let default = Policy::default();
        Ok(Policy {
            counted_services: match self.counted_services {
                Some(typed) => typed.into_iter().map(checked_service).collect::<Result<_, _>>()?,
                None => default.counted_services,
            },
            on_limit: match &self.on_limit {
                Some(word) => one_of(word, "on_limit", &OnLimit::WORDS)?,
                None => default.on_limit,
            },
            on_clear: match &self.on_clear {
                Some(word) => one_of(word, "on_clear", &OnClear::WORDS)?,
                None => default.on_clear,
            },
            admin_groups: match self.admin_groups {
                Some(typed) => typed
                    .into_iter()
                    .map(|name| check_name(&name, "admin group").map(|()| name.into_inner()))
                    .collect::<Result<_, _>>()?,
                None => default.admin_groups,
            },
        })
    }
}

/// Returns the value that `words` gives to a word.
fn one_of<T: Copy>(word: &Spanned<String>, key: &str, words: &[(&str, T)]) -> Result<T, Mistake> {
    let found = words.iter().find(|(name, _)| name == word.get_ref());
    found.map(|(_, value)| *value).ok_or_else(|| {
        let expected: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        Mistake::at(word, format!("{key} {:?}, expected {}", word.get_ref(), expected.join(" or ")))
    })
}

fn checked_service(pattern: Spanned<String>) -> Result<String, Mistake> {
    check_name(&pattern, "service")?;
    let text = pattern.get_ref();
    let name = text.strip_suffix('*').unwrap_or(text);
    if name.contains(['*', '/']) || name.chars().any(char::is_whitespace) {
        return Err(Mistake::at(
            &pattern,
            format!(
                "service {text:?}, expected a PAM service's name with at most one * at its end"
            ),
        ));
    }
    Ok(pattern.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_is_the_built_in_configuration() {
        assert_eq!(Config::parse(""), Ok(Config::default()));
        let profile = &Config::default().profiles[0];
        assert_eq!(profile.name, DEFAULT_PROFILE);
        assert_eq!(profile.max_concurrent_sessions, 0);
    }

    #[test]
    fn fields_left_out_take_the_built_in_values() {
        let config =
            Config::parse("[[useraccountprofile]]\nname = \"C\"\nmax_concurrent_sessions = 2\n")
                .unwrap();
        let profile = config.profile("C").unwrap();
        assert_eq!((profile.max_concurrent_sessions, profile.max_login_failure_count), (2, 20));
        assert_eq!(profile.uuid, None);
        assert!(config.profile(DEFAULT_PROFILE).is_some());
    }

    #[test]
    fn a_user_entry_precedes_groups_and_groups_go_in_file_order() {
        let config = Config::parse(
            "[[useraccountprofile]]\nname=\"a\"\n[[useraccountprofile]]\nname=\"b\"\n[[useraccountprofile]]\nname=\"c\"\n\
             [[group]]\nname=\"g1\"\nuser_profile=\"a\"\n[[group]]\nname=\"g2\"\nuser_profile=\"b\"\n\
             [[user]]\nusername=\"alice\"\nuser_profile=\"c\"\n",
        )
        .unwrap();
        let of = |user: &str, groups: &[&str]| {
            config
                .profile_of(|name| name == user, |group| Ok::<_, ()>(groups.contains(&group)))
                .unwrap()
                .name
        };
        assert_eq!(of("alice", &["g1", "g2"]), "c");
        assert_eq!(of("bob", &["g2", "g1"]), "a");
        assert_eq!(of("bob", &["g2"]), "b");
        assert_eq!(of("bob", &[]), DEFAULT_PROFILE);
    }

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "a\n\u{e9}x = 1\n".as_bytes();
        assert_eq!(Place::of(text, 0), Place { line: 1, column: 1 });
        assert_eq!(Place::of(text, 4), Place { line: 2, column: 2 });
        assert_eq!(Place::of(text, 1000), Place { line: 3, column: 1 });
    }
}
