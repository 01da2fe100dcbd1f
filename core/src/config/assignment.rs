//! Which profile holds for a user.

use std::ffi::CString;
use std::io;

use super::Config;
use crate::model::profile::{DEFAULT_PROFILE, Profile};
use crate::system;
use crate::system::users::{self, User};

/// The profile that holds for a user, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedProfile {
    /// The profile.
    pub profile: Profile,
    /// What assigns it.
    pub source: AssignmentSource,
    /// Groups of the user whose names could not be had, a line each.
    pub warnings: Vec<String>,
}

/// What assigns a profile to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignmentSource {
    /// The user's own entry.
    User,
    /// The entry of a group that the user is a member of.
    Group(String),
    /// No entry: the default profile holds.
    Default,
}

/// Returns the profile of `user`: that of the user's own entry, else of the first group entry in file
/// order that names a group of the user's, else the default profile.
///
/// The name services are asked only where no user entry matches, and for the user's groups only, not for
/// the groups in the file: one of those may be large, or in a directory that answers slowly.
///
/// # Errors
///
/// The list of the user's groups cannot be had. A single group whose name cannot be had is passed over,
/// with a warning.
pub fn profile_for(config: &Config, user: &User) -> io::Result<AssignedProfile> {
    let own = config.users.iter().find(|entry| user.is_named(&entry.name));
    if own.is_none() && !config.groups.is_empty() {
        let mut names = GroupNames::of(user)?;
        let group = config.groups.iter().find(|entry| names.contain(&entry.name));
        if let Some(group) = group {
            let source = AssignmentSource::Group(group.name.clone());
            return Ok(assigned(config, Some(&group.user_profile), source, names.warnings));
        }
        return Ok(assigned(config, None, AssignmentSource::Default, names.warnings));
    }
    let source = if own.is_some() { AssignmentSource::User } else { AssignmentSource::Default };
    Ok(assigned(config, own.map(|entry| &entry.user_profile), source, Vec::new()))
}

fn assigned(
    config: &Config,
    name: Option<&String>,
    source: AssignmentSource,
    warnings: Vec<String>,
) -> AssignedProfile {
    let name = name.map_or(DEFAULT_PROFILE, String::as_str);
    // Every reference was checked, and the default profile is always there.
    let profile = config.profile(name).cloned().unwrap_or_else(|| Profile::built_in(name));
    AssignedProfile { profile, source, warnings }
}

/// The names of a user's groups, each asked for when it is needed, and once.
struct GroupNames {
    unasked: std::vec::IntoIter<u32>,
    known: Vec<CString>,
    warnings: Vec<String>,
}

impl GroupNames {
    fn of(user: &User) -> io::Result<Self> {
        let unasked = user.groups()?.into_iter();
        Ok(Self { unasked, known: Vec::new(), warnings: Vec::new() })
    }

    fn contain(&mut self, name: &str) -> bool {
        let is_it = |known: &CString| known.as_bytes() == name.as_bytes();
        if self.known.iter().any(is_it) {
            return true;
        }
        for gid in self.unasked.by_ref() {
            match users::group_name(gid) {
                Ok(Some(found)) => {
                    let matches = is_it(&found);
                    self.known.push(found);
                    if matches {
                        return true;
                    }
                }
                Ok(None) => {}
                Err(e) => self.warnings.push(format!(
                    "group database: group {gid}: {}; its entry is passed over",
                    system::error_text(&e)
                )),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A user of the groups root (0) and daemon (1), and of one that has no name.
    fn user(name: &std::ffi::CStr) -> (User, GroupNames) {
        let user = User { typed: name.to_owned(), name: name.to_owned(), uid: 4001, gid: 0 };
        let unasked = vec![0, u32::MAX - 7, 1].into_iter();
        (user, GroupNames { unasked, known: Vec::new(), warnings: Vec::new() })
    }

    fn config() -> Config {
        Config::parse(
            "[[useraccountprofile]]\nname=\"a\"\n[[useraccountprofile]]\nname=\"b\"\n\
             [[group]]\nname=\"no-such-group\"\nuser_profile=\"b\"\n\
             [[group]]\nname=\"root\"\nuser_profile=\"a\"\n\
             [[user]]\nusername=\"alice\"\nuser_profile=\"b\"\n",
        )
        .unwrap()
    }

    #[test]
    fn a_user_entry_precedes_group_entries_and_the_default_comes_last() {
        let profile = |name| profile_for(&config(), &user(name).0).unwrap();
        let alice = profile(c"alice");
        assert_eq!((alice.profile.name.as_str(), alice.source), ("b", AssignmentSource::User));
        let bob = profile(c"bob");
        assert_eq!(bob.profile.name, "a");
        assert_eq!(bob.source, AssignmentSource::Group("root".into()));
        let nobody = profile_for(&Config::default(), &user(c"bob").0).unwrap();
        assert_eq!(nobody.profile.name, DEFAULT_PROFILE);
        assert_eq!(nobody.source, AssignmentSource::Default);
    }

    #[test]
    fn group_entries_go_in_file_order_not_in_the_order_of_the_users_groups() {
        let (_, mut names) = user(c"bob");
        assert!(names.contain("daemon"));
        assert!(names.contain("root"), "asked before");
        assert!(!names.contain("no-such-group"));
        assert_eq!(names.unasked.next(), None);
        assert_eq!(names.warnings, Vec::<String>::new());
    }
}
