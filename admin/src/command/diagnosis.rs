//! Why a limit takes effect, or why it does not, whom it would refuse, and what Tab completes.

use super::NameKind;
use crate::administration::{Administration, profile_of};
use crate::authorization::{AccessScope, Permission};
use crate::config::object::ObjectKind;
use crate::error::{AdminError, AdminErrorKind};
use crate::explain::{self, Explanation};
use crate::impact::{self, UserAboveLimit};
use crate::status::{self, Check, HostFiles};

impl Administration {
    /// Looks at all that limits depend on. Works with a broken configuration, too; only root may then, for
    /// the file does not say who else may.
    ///
    /// # Errors
    /// When the acting user may not.
    pub fn status(&self) -> Result<Vec<Check>, AdminError> {
        let known = self.known()?;
        let permitted = self.reach(&known.config)?.check(Permission::SeeStatus);
        if let (Err(_), Some(mistake)) = (&permitted, known.mistake) {
            return Err(AdminError::new(AdminErrorKind::Configuration, mistake));
        }
        permitted?;
        Ok(status::collect(&HostFiles::default(), &self.config, self.sessions.path()))
    }

    /// Says what would become of a user's next login through a service, and why.
    ///
    /// # Errors
    /// When there is no such user, or the acting user may not see it.
    pub fn explain(&self, name: &str, service: &str) -> Result<Explanation, AdminError> {
        let config = self.read()?;
        let user = self.visible_user(&config, name)?;
        let (host, store) = (HostFiles::default(), self.sessions.path());
        explain::explain(&host, &config, store, &user, service)
    }

    /// Says which users an object puts above their limit now.
    ///
    /// # Errors
    /// When the acting user may not configure it, or that cannot be found out.
    pub fn users_above(
        &self,
        kind: ObjectKind,
        name: &str,
    ) -> Result<Vec<UserAboveLimit>, AdminError> {
        let config = self.read()?;
        self.reach(&config)?.check(Permission::Configure)?;
        let (in_use, _) = impact::slots_in_use_now(self, &config)?;
        impact::of_object(&config, &in_use, kind, name)
    }

    /// Returns the names that the acting user may see; Tab shows no more than the commands do.
    ///
    /// # Errors
    /// When they cannot be found out.
    pub fn names(&self, kind: NameKind) -> Result<Vec<String>, AdminError> {
        let config = self.read()?;
        let reach = self.reach(&config)?;
        let mut names: Vec<String> = match (kind, reach) {
            (NameKind::Profiles, AccessScope::All) => {
                config.profiles.iter().map(|profile| profile.name.clone()).collect()
            }
            (NameKind::Profiles, AccessScope::OwnUser(_)) => {
                vec![profile_of(&config, &self.user)?.name]
            }
            (NameKind::Users, AccessScope::OwnUser(_)) => vec![self.own_name()],
            (NameKind::Users, AccessScope::All) => {
                let assigned = config.users.iter().map(|entry| entry.name.clone());
                let active = self.sessions.seen(None)?.into_iter().map(|seen| seen.session.user);
                assigned.chain(active).collect()
            }
            (NameKind::Groups, AccessScope::All) => {
                config.groups.iter().map(|entry| entry.name.clone()).collect()
            }
            (NameKind::Groups, AccessScope::OwnUser(_)) => Vec::new(),
            (NameKind::Services, _) => {
                let patterns = config.policy.counted_services.iter();
                patterns.filter(|pattern| !pattern.ends_with('*')).cloned().collect()
            }
            (NameKind::Sessions, reach) => {
                let uid = match reach {
                    AccessScope::All => None,
                    AccessScope::OwnUser(own) => Some(own),
                };
                let seen = self.sessions.seen(uid)?;
                seen.iter().map(|seen| seen.session.id.to_string()).collect()
            }
        };
        names.sort();
        names.dedup();
        Ok(names)
    }
}
