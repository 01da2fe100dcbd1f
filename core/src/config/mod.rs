//! The configuration file: TOML text, read as typed, then checked.
//!
//! The whole file is valid or the whole file is rejected, with one line that names the position. Every
//! login reads it, so there is nothing to reload.
#![forbid(unsafe_code)]

pub mod assignment;
mod error;
mod file;
mod raw;
mod raw_fleet;
mod raw_service;

use std::path::Path;

pub use error::{ConfigError, ConfigProblem, SourceLocation};

use crate::model::fleet_settings::Fleet;
use crate::model::policy::Policy;
use crate::model::profile::{DEFAULT_PROFILE, Profile, ProfileAssignment};
use crate::model::service_settings::Service;
use file::ReadError;
use raw::RawConfig;
pub use raw::{is_name, is_profile_uuid};

/// Where the configuration is unless a module argument names another file.
pub const DEFAULT_PATH: &str = "/etc/session-limit/config.toml";
/// Bytes of the largest file that is read.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// The checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// In file order; the default profile is always among them.
    pub profiles: Vec<Profile>,
    /// Users assigned to a profile, in file order.
    pub users: Vec<ProfileAssignment>,
    /// Groups assigned to a profile, in file order.
    pub groups: Vec<ProfileAssignment>,
    /// The `[policy]` table.
    pub policy: Policy,
    /// The `[service]` table.
    pub service: Service,
    /// The `[fleet]` table, if the file has one.
    pub fleet: Option<Fleet>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profiles: vec![Profile::built_in(DEFAULT_PROFILE)],
            users: Vec::new(),
            groups: Vec::new(),
            policy: Policy::default(),
            service: Service::default(),
            fleet: None,
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
        Self::read(None)
    }

    /// Reads the file at `path`, which must exist.
    ///
    /// # Errors
    ///
    /// A file that is missing, not regular, owned by neither root nor the effective user, writable by
    /// others, too large, not UTF-8, or not a valid configuration.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::read(Some(path))
    }

    fn read(path: Option<&Path>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let at = |location, message| ConfigError { path: file.to_owned(), location, message };
        let bytes = match file::read(file) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) if path.is_none() => return Ok(Self::default()),
            Err(ReadError::Missing) => {
                let message = "no such file, expected the configuration named by config=";
                return Err(at(None, message.to_owned()));
            }
            Err(ReadError::Refused(message)) => return Err(at(None, message)),
        };
        let location = |offset| Some(SourceLocation::of(&bytes, offset));
        let text = std::str::from_utf8(&bytes)
            .map_err(|e| at(location(e.valid_up_to()), "not UTF-8, expected TOML text".into()))?;
        Self::parse(text)
            .map_err(|problem| at(problem.span.and_then(|s| location(s.start)), problem.message))
    }

    /// Reads a configuration from its text.
    ///
    /// # Errors
    ///
    /// The first problem in the text, with the bytes it spans.
    pub fn parse(text: &str) -> Result<Self, ConfigProblem> {
        let raw: RawConfig = toml::from_str(text)?;
        raw.checked()
    }

    /// Returns the profile called `name`.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }
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
}
