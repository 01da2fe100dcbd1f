//! The objects as JSON shows them, and their identifiers.

use serde::{Deserialize, Serialize};
use session_limit_core::model::profile::{Profile, ProfileAssignment};

use super::Resource;

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserAccountProfile {
    /// Identifier.
    pub uuid: String,
    /// Path of the object.
    pub url: String,
    /// Name, unique among profiles.
    pub name: String,
    /// Passwords; 0 = off.
    pub max_password_history_count: u32,
    /// Attempts; 0 = unlimited.
    pub max_login_failure_count: u32,
    /// Minutes.
    pub account_lock_timeout: u32,
    /// Sessions; 0 = no limit.
    pub max_concurrent_sessions: u32,
    /// Days; 0 = never.
    pub credentials_timeout_threshold: u32,
    /// What happens at the limit: `reject`, `ask`, `evict-oldest` or `log`; absent where the policy says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_limit: Option<String>,
    /// Another value after each change of the object.
    #[serde(rename = "_last_modified")]
    pub last_modified: String,
}

/// A user, and the profile that applies to the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Identifier.
    pub uuid: String,
    /// Path of the object.
    pub url: String,
    /// The user name, once more.
    pub name: String,
    /// The user name.
    pub username: String,
    /// Path of the profile that applies; empty while the configuration is refused.
    pub user_profile_ref: Option<String>,
    /// Whether the profile is assigned to this user, and not to a group or to all.
    pub is_assigned: bool,
    /// Whether the host knows the user.
    pub is_known: bool,
    /// Another value after each change of the object.
    #[serde(rename = "_last_modified")]
    pub last_modified: String,
}

/// A group, and the profile assigned to its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserGroup {
    /// Identifier.
    pub uuid: String,
    /// Path of the object.
    pub url: String,
    /// Name of the group.
    pub name: String,
    /// Path of the profile.
    pub user_profile_ref: String,
    /// Whether the host knows the group.
    pub is_known: bool,
    /// Another value after each change of the object.
    #[serde(rename = "_last_modified")]
    pub last_modified: String,
}

/// What a user is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserActivity {
    /// Identifier.
    pub uuid: String,
    /// Path of the object.
    pub url: String,
    /// Name of the user.
    pub name: String,
    /// Open sessions.
    pub concurrent_sessions: usize,
    /// The limit; absent while the configuration is refused.
    pub max_concurrent_sessions: Option<u32>,
    /// Whether the user has an open session.
    pub logged_in: bool,
    /// Where the last login came from.
    pub last_login_ip: Option<String>,
    /// When that was, as RFC 3339 writes it.
    pub last_login_timestamp: Option<String>,
    /// Wrong passwords since the last right one.
    pub failed_login_attempts: usize,
    /// Whether they lock the account.
    pub locked: bool,
    /// Until when, as RFC 3339 writes it; absent where an administrator has to unlock the account.
    pub locked_until: Option<String>,
}

/// An open session, or a slot reserved for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserSession {
    /// Number of the session, never used again until the host boots.
    pub id: i64,
    /// Path of the object.
    pub url: String,
    /// Name of the user.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// PAM service.
    pub service: String,
    /// Terminal.
    pub tty: Option<String>,
    /// Address of the client.
    pub rhost: Option<String>,
    /// The process that leads the session.
    pub pid: i32,
    /// When it began, as RFC 3339 writes it.
    pub since: String,
    /// `open`, `reserved`, `stale` or `elsewhere`.
    pub state: String,
    /// Whether it is the session of this very request.
    pub is_current: bool,
}

/// A login that found no slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Refusal {
    /// Number of the refusal, growing with time.
    pub id: i64,
    /// Path of the object.
    pub url: String,
    /// Name of the user.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// When it was, as RFC 3339 writes it.
    pub time: String,
    /// PAM service.
    pub service: String,
    /// Terminal.
    pub tty: Option<String>,
    /// Address of the client.
    pub rhost: Option<String>,
    /// The limit.
    pub max_concurrent_sessions: u32,
    /// The slots in use.
    pub concurrent_sessions: u32,
    /// What held them, in words: `2 sshd from 192.0.2.7, 1 login on tty1`.
    pub held_by: String,
    /// Whether it was let in all the same, because `on_limit` is `log`.
    pub is_admitted: bool,
}

/// A part of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct History {
    /// The beginning, as RFC 3339 writes it.
    pub from: String,
    /// The end, not included.
    pub to: String,
    /// Seconds of a point.
    pub step: i64,
    /// Days that samples are kept; 0 where none is taken, absent while the configuration is refused.
    pub history_days: Option<u32>,
    /// The points that something is known of, oldest first, 400 at most.
    pub points: Vec<HistoryPoint>,
}

/// What was in one stretch of time. The numbers of sessions and users are absent where no sample was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HistoryPoint {
    /// Its beginning, as RFC 3339 writes it.
    pub time: String,
    /// The most open sessions at once.
    pub sessions: Option<i64>,
    /// The most users who held one.
    pub users: Option<i64>,
    /// The most users who held as many as they may.
    pub users_at_limit: Option<i64>,
    /// The most open sessions of each PAM service; `other` are those of all but the eight most frequent.
    pub services: std::collections::BTreeMap<String, i64>,
    /// Logins that were refused.
    pub refused: i64,
    /// Logins that were let in beyond the limit, because `on_limit` is `log`.
    pub would_be_refused: i64,
}

/// The acting user's own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UserAccount {
    /// Identifier of the user.
    pub uuid: String,
    /// Path of the user.
    pub url: String,
    /// Name of the user.
    pub name: String,
    /// Name of the user.
    pub username: String,
    /// User id.
    pub uid: u32,
    /// Path of the profile that applies; absent while the configuration is refused.
    pub user_profile_ref: Option<String>,
    /// The limit; absent while the configuration is refused.
    pub max_concurrent_sessions: Option<u32>,
    /// Open sessions, this one included.
    pub concurrent_sessions: usize,
    /// Whether every call is allowed, not only those about one's own sessions.
    pub is_administrator: bool,
    /// Whether the password has to be changed before anything else can be called.
    pub password_expired: bool,
    /// Whether the password is one of this host, in `/etc/shadow`.
    pub has_local_password: bool,
}

/// What clearing sessions came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cleared {
    /// Sessions that ended when asked to.
    pub ended: usize,
    /// Sessions that had to be killed.
    pub killed: usize,
    /// Records wiped without ending anything, as the configuration says.
    pub forgotten: usize,
    /// Sessions that could not be ended without ending others.
    pub spared: usize,
    /// Hosts of the fleet on which sessions may not have been ended, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What unlocking an account came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unlocked {
    /// Name of the user.
    pub username: String,
    /// Failed logins that were forgotten.
    pub failed_login_attempts: usize,
}

impl UserAccountProfile {
    /// Shows a profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        let uuid = profile_uuid(profile);
        Self {
            url: url(Resource::UserAccountProfile, &uuid),
            last_modified: version(&format!("{profile:?}")),
            uuid,
            name: profile.name.clone(),
            max_password_history_count: profile.max_password_history_count,
            max_login_failure_count: profile.max_login_failure_count,
            account_lock_timeout: profile.account_lock_timeout,
            max_concurrent_sessions: profile.max_concurrent_sessions,
            credentials_timeout_threshold: profile.credentials_timeout_threshold,
            on_limit: profile.on_limit.map(|choice| choice.word().to_owned()),
        }
    }
}

/// Returns the version of an assignment, or of none.
pub(super) fn assignment_version(entry: Option<&ProfileAssignment>) -> String {
    version(&format!("{entry:?}"))
}

/// Returns the path of an object.
#[must_use]
pub fn url(resource: Resource, id: &str) -> String {
    format!("/api/{}/{id}", resource.word())
}

/// Returns the identifier of a profile: the one in the file, else one that is made from the name.
#[must_use]
pub fn profile_uuid(profile: &Profile) -> String {
    let made = || uuid_of(Resource::UserAccountProfile, &profile.name);
    profile.uuid.clone().unwrap_or_else(made)
}

/// Returns the reference to a profile.
pub(super) fn profile_ref(profile: &Profile, include_name: bool) -> String {
    let path = url(Resource::UserAccountProfile, &profile_uuid(profile));
    if include_name { format!("{path}#{}", profile.name) } else { path }
}

/// Returns the identifier of what has none of its own: always the same for a name.
///
/// UUID version 8 (RFC 9562, section 5.8): its bits are what the maker says.
#[must_use]
pub fn uuid_of(resource: Resource, name: &str) -> String {
    let bits = fnv(name);
    let bits = (bits & !(0xf << 76) & !(0b11 << 62)) | (8 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}-{}",
        resource.word(),
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

/// Returns a number that differs where the content differs.
fn version(content: &str) -> String {
    let bits = fnv(content);
    // What clients keep as a number of microseconds has 16 digits.
    (bits % 10_000_000_000_000_000).to_string()
}

/// FNV-1a of 128 bits: no secret, only the same for the same text.
fn fnv(text: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    text.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

/// Returns a time of the store as RFC 3339 writes it.
pub(super) fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::field::Field;

    #[test]
    fn an_identifier_is_always_the_same_and_has_the_form_of_a_uuid() {
        let uuid = uuid_of(Resource::User, "alice");
        assert_eq!(uuid, uuid_of(Resource::User, "alice"));
        assert_ne!(uuid, uuid_of(Resource::User, "alicf"));
        let digits: Vec<usize> = uuid.split('-').skip(1).map(str::len).collect();
        assert_eq!((digits, uuid.as_bytes()[19]), (vec![8, 4, 4, 4, 12], b'8'), "{uuid}");
    }

    #[test]
    fn a_version_changes_with_each_field() {
        let profile = Profile::built_in("p");
        let before = UserAccountProfile::new(&profile).last_modified;
        for field in Field::ALL {
            let mut changed = profile.clone();
            *field.of_mut(&mut changed) += 1;
            assert_ne!(UserAccountProfile::new(&changed).last_modified, before, "{field}");
        }
        assert_eq!(UserAccountProfile::new(&profile).last_modified, before);
    }
}
