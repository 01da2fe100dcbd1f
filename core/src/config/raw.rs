//! The file as typed: every key that exists, nothing else; and the checks that make a [`Config`] of it.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Unexpected, Visitor};
use toml::Spanned;

use super::raw_fleet::RawFleet;
use super::raw_service::RawService;
use super::{Config, ConfigProblem};
use crate::model::policy::{OnClear, OnLimit, Policy, Tell};
use crate::model::profile::{DEFAULT_PROFILE, Profile, ProfileAssignment};

/// Bytes of the longest name.
const MAX_NAME: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    #[serde(default)]
    useraccountprofile: Vec<Spanned<RawProfile>>,
    #[serde(default)]
    user: Vec<Spanned<RawUser>>,
    #[serde(default)]
    group: Vec<Spanned<RawGroup>>,
    #[serde(default, deserialize_with = "one_table")]
    policy: RawPolicy,
    #[serde(default, deserialize_with = "one_table")]
    service: RawService,
    fleet: Option<Spanned<RawFleet>>,
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
struct RawProfile {
    uuid: Option<Spanned<String>>,
    name: Option<Spanned<String>>,
    max_password_history_count: Option<Number>,
    max_login_failure_count: Option<Number>,
    account_lock_timeout: Option<Number>,
    max_concurrent_sessions: Option<Number>,
    credentials_timeout_threshold: Option<Number>,
    on_limit: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    username: Option<Spanned<String>>,
    user_profile: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: Option<Spanned<String>>,
    user_profile: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawPolicy {
    counted_services: Option<Vec<Spanned<String>>>,
    on_limit: Option<Spanned<String>>,
    on_clear: Option<Spanned<String>>,
    tell: Option<Spanned<String>>,
    hint: Option<Spanned<String>>,
    notice: Option<bool>,
    admin_groups: Option<Vec<Spanned<String>>>,
}

/// A whole number of 32 bits, with an error message that says so.
pub struct Number(pub u32);

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

impl RawConfig {
    /// Checks names, references and ranges.
    ///
    /// # Errors
    ///
    /// The first problem, with its position.
    pub fn checked(self) -> Result<Config, ConfigProblem> {
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
            let RawUser { username, user_profile } = typed.get_ref();
            let name = given_name(username.as_ref(), &typed, "[[user]]", "username")?;
            users.push(checked_assignment(
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
            let RawGroup { name, user_profile } = typed.get_ref();
            let name = given_name(name.as_ref(), &typed, "[[group]]", "name")?;
            groups.push(checked_assignment(
                name,
                user_profile.as_ref(),
                &typed,
                "group",
                &names,
                &mut seen,
            )?);
        }

        let (policy, service) = (self.policy.checked()?, self.service.checked()?);
        let fleet = self.fleet.map(RawFleet::checked).transpose()?;
        Ok(Config { profiles, users, groups, policy, service, fleet })
    }
}

fn checked_profile(
    typed: Spanned<RawProfile>,
    names: &mut HashSet<String>,
    uuids: &mut HashSet<String>,
) -> Result<Profile, ConfigProblem> {
    let name = given_name(typed.get_ref().name.as_ref(), &typed, "[[useraccountprofile]]", "name")?;
    if !names.insert(name.get_ref().clone()) {
        return Err(ConfigProblem::at(
            name,
            format!("a second profile named {:?}, expected every name once", name.get_ref()),
        ));
    }
    if let Some(uuid) = &typed.get_ref().uuid {
        if !is_profile_uuid(uuid.get_ref()) {
            return Err(ConfigProblem::at(
                uuid,
                format!(
                    "uuid {:?}, expected useraccountprofile- and a UUID in lower case",
                    uuid.get_ref()
                ),
            ));
        }
        if !uuids.insert(uuid.get_ref().clone()) {
            return Err(ConfigProblem::at(
                uuid,
                format!(
                    "a second profile with uuid {:?}, expected every uuid once",
                    uuid.get_ref()
                ),
            ));
        }
    }
    let built_in = Profile::built_in(name.get_ref());
    let on_limit = match &typed.get_ref().on_limit {
        Some(word) => Some(one_of(word, "on_limit", &OnLimit::WORDS)?),
        None => built_in.on_limit,
    };
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
        on_limit,
    })
}

fn checked_assignment<T>(
    name: &Spanned<String>,
    user_profile: Option<&Spanned<String>>,
    table: &Spanned<T>,
    kind: &str,
    profiles: &HashSet<String>,
    seen: &mut HashSet<String>,
) -> Result<ProfileAssignment, ConfigProblem> {
    if !seen.insert(name.get_ref().clone()) {
        return Err(ConfigProblem::at(
            name,
            format!(
                "{kind} {:?} assigned a second time, expected every {kind} once",
                name.get_ref()
            ),
        ));
    }
    let profile = given_name(user_profile, table, &format!("[[{kind}]]"), "user_profile")?;
    if !profiles.contains(profile.get_ref()) {
        return Err(ConfigProblem::at(
            profile,
            format!(
                "unknown profile {:?}, expected the name of a [[useraccountprofile]]",
                profile.get_ref()
            ),
        ));
    }
    Ok(ProfileAssignment { name: name.get_ref().clone(), user_profile: profile.get_ref().clone() })
}

/// Returns the name under `key`, which `table` must have.
fn given_name<'a, T>(
    name: Option<&'a Spanned<String>>,
    table: &Spanned<T>,
    header: &str,
    key: &str,
) -> Result<&'a Spanned<String>, ConfigProblem> {
    let Some(name) = name else {
        return Err(ConfigProblem::at(
            table,
            format!("{header} without {key}, expected {key} = \"...\""),
        ));
    };
    check_name(name, key)?;
    Ok(name)
}

/// Returns whether `text` can name a profile, user or group: 1 to 256 bytes without control characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME && !text.chars().any(char::is_control)
}

fn check_name(name: &Spanned<String>, key: &str) -> Result<(), ConfigProblem> {
    let text = name.get_ref();
    if !is_name(text) {
        return Err(ConfigProblem::at(
            name,
            format!("{key} {text:?}, expected 1 to {MAX_NAME} bytes without control characters"),
        ));
    }
    Ok(())
}

/// Returns whether `text` is `useraccountprofile-` and a UUID as RFC 9562 writes it.
#[must_use]
pub fn is_profile_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("useraccountprofile-") else {
        return false;
    };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

impl RawPolicy {
    fn checked(self) -> Result<Policy, ConfigProblem> {
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
            tell: match &self.tell {
                Some(word) => one_of(word, "tell", &Tell::WORDS)?,
                None => default.tell,
            },
            hint: match self.hint {
                Some(line) => Some(checked_hint(line)?),
                None => default.hint,
            },
            notice: self.notice.unwrap_or(default.notice),
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
pub fn one_of<T: Copy>(
    word: &Spanned<String>,
    key: &str,
    words: &[(&str, T)],
) -> Result<T, ConfigProblem> {
    let found = words.iter().find(|(name, _)| name == word.get_ref());
    found.map(|(_, value)| *value).ok_or_else(|| {
        let expected: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        ConfigProblem::at(
            word,
            format!("{key} {:?}, expected {}", word.get_ref(), expected.join(" or ")),
        )
    })
}

fn checked_service(pattern: Spanned<String>) -> Result<String, ConfigProblem> {
    check_name(&pattern, "service")?;
    let text = pattern.get_ref();
    let name = text.strip_suffix('*').unwrap_or(text);
    if name.contains(['*', '/']) || name.chars().any(char::is_whitespace) {
        return Err(ConfigProblem::at(
            &pattern,
            format!(
                "service {text:?}, expected a PAM service's name with at most one * at its end"
            ),
        ));
    }
    Ok(pattern.into_inner())
}

/// Returns a line that a terminal can be given as it is.
fn checked_hint(line: Spanned<String>) -> Result<String, ConfigProblem> {
    check_name(&line, "hint")?;
    // No control character, and nothing that changes the direction of the text.
    if let Some(odd) = line.get_ref().chars().find(|&c| !is_plain(c)) {
        let escaped = odd.escape_unicode();
        return Err(ConfigProblem::at(
            &line,
            format!("hint with the invisible character {escaped}, expected one line of plain text"),
        ));
    }
    Ok(line.into_inner())
}

/// Returns whether a character is shown as itself: letters, digits, punctuation and symbols are, format
/// characters (Unicode's general category Cf) and line separators are not.
fn is_plain(c: char) -> bool {
    !matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
