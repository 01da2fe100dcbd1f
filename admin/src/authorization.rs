//! Who may do what: the one place that says so.
//!
//! root and the members of `admin_groups` may use every command. Other users see their own profile and
//! sessions and clear their own sessions. Checked again for each command, so that a change of the
//! groups or of the configuration counts at once.

use std::ffi::CString;

use session_limit_core::config::Config;
use session_limit_core::system;
use session_limit_core::system::users::{User, group_id};

use crate::error::{AdminError, AdminErrorKind};

/// How far the rights of the acting user go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessScope {
    /// Everything.
    All,
    /// What belongs to this uid.
    OwnUser(u32),
}

/// What needs a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission<'a> {
    /// Look at other users than oneself, or even ask whether they exist.
    SeeOthers,
    /// See a profile, where `own` is the profile of the acting user.
    SeeProfile {
        /// The profile's name.
        name: &'a str,
        /// The name of the profile that applies to the user who asks.
        own: &'a str,
    },
    /// See how the host's stacks and files stand.
    SeeStatus,
    /// See which users and groups are assigned to which profile.
    SeeAssignments,
    /// Change the configuration.
    Configure,
    /// End sessions of a user.
    Clear(u32),
    /// Forget the failed logins of a user.
    Unlock,
}

impl AccessScope {
    /// Returns how far the rights of `user` go.
    ///
    /// # Errors
    /// When the name services do not say which groups the user is in.
    pub fn of(user: &User, config: &Config) -> Result<Self, AdminError> {
        if user.uid == 0 {
            return Ok(Self::All);
        }
        for name in &config.policy.admin_groups {
            if is_member(user, name)? {
                return Ok(Self::All);
            }
        }
        Ok(Self::OwnUser(user.uid))
    }

    /// Checks a permission.
    ///
    /// # Errors
    /// One line for the user who does not have it.
    pub fn check(self, permission: Permission<'_>) -> Result<(), AdminError> {
        let allowed = match (self, permission) {
            (Self::All, _) => true,
            (Self::OwnUser(own), Permission::Clear(uid)) => own == uid,
            (Self::OwnUser(_), Permission::SeeProfile { name, own }) => name == own,
            (
                Self::OwnUser(_),
                Permission::SeeOthers
                | Permission::SeeStatus
                | Permission::SeeAssignments
                | Permission::Configure
                | Permission::Unlock,
            ) => false,
        };
        let wanted = match permission {
            _ if allowed => return Ok(()),
            Permission::SeeOthers => "see other users",
            Permission::SeeStatus => "see the status of the host",
            Permission::SeeProfile { .. } => "see other profiles than your own",
            Permission::SeeAssignments => "see the assignments",
            Permission::Configure => "change the configuration",
            Permission::Clear(_) => "end sessions of other users",
            Permission::Unlock => "unlock accounts",
        };
        Err(AdminError::new(
            AdminErrorKind::Forbidden,
            format!("only root and the members of admin_groups may {wanted}"),
        ))
    }
}

/// Returns whether `user` is in the group called `name`, as primary or supplementary group.
///
/// # Errors
/// When the name services fail.
pub fn is_member(user: &User, name: &str) -> Result<bool, AdminError> {
    let failed = |error| {
        AdminError::new(
            AdminErrorKind::Io,
            format!("group `{name}` cannot be looked up: {}", system::error_text(&error)),
        )
    };
    let Ok(c_name) = CString::new(name) else { return Ok(false) };
    let Some(gid) = group_id(&c_name).map_err(failed)? else { return Ok(false) };
    Ok(user.gid == gid || user.groups().map_err(failed)?.contains(&gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, uid: u32, gid: u32) -> User {
        let name = CString::new(name).unwrap();
        User { typed: name.clone(), name, uid, gid }
    }

    #[test]
    fn root_and_the_admin_groups_may_do_all() {
        let mut config = Config::default();
        config.policy.admin_groups = vec!["no-such-group".to_owned(), "daemon".to_owned()];
        assert_eq!(AccessScope::of(&user("x", 0, 12345), &config), Ok(AccessScope::All));
        // gid 1 is daemon on every Linux; the user need not exist for the primary group to count.
        assert_eq!(AccessScope::of(&user("no-such-user", 4242, 1), &config), Ok(AccessScope::All));
        assert_eq!(
            AccessScope::of(&user("no-such-user", 4242, 4242), &config),
            Ok(AccessScope::OwnUser(4242))
        );
    }

    #[test]
    fn others_see_and_clear_their_own() {
        let own = AccessScope::OwnUser(1000);
        let profile = |name| Permission::SeeProfile { name, own: "C" };
        for permission in [Permission::Clear(1000), profile("C")] {
            assert_eq!(own.check(permission), Ok(()));
        }
        for permission in [
            Permission::SeeOthers,
            Permission::SeeStatus,
            Permission::Clear(0),
            profile("D"),
            Permission::SeeAssignments,
            Permission::Configure,
            Permission::Unlock,
        ] {
            assert_eq!(
                own.check(permission).unwrap_err().kind,
                AdminErrorKind::Forbidden,
                "{permission:?}"
            );
            assert_eq!(AccessScope::All.check(permission), Ok(()));
        }
    }
}
