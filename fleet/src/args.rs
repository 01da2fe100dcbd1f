//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use session_limit_core::store;

/// How the program is called.
pub const USAGE: &str = "\
usage: session-limit-agent [--config PATH] [--state PATH] [--try]

Keeps this host in the fleet that the [fleet] table of /etc/session-limit/config.toml describes, see
session-limit-agent(8).

  --config PATH  another configuration
  --state PATH   another store; the socket is fleet.sock beside it
  --try          use etcd once, say whether that works, and end
  --help, --version
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Args {
    /// Keep the host in the fleet.
    Run(Settings),
    /// Explain.
    Help,
    /// Name the version.
    Version,
}

/// What the command line sets.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// Another configuration than the default one.
    pub config: Option<PathBuf>,
    /// The store.
    pub state: PathBuf,
    /// Only look whether the engine can be used.
    pub only_tries: bool,
}

impl Args {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut settings =
            Settings { config: None, state: PathBuf::from(store::DEFAULT_PATH), only_tries: false };
        while let Some(argument) = arguments.next() {
            let mut path = |name: &str| {
                let path = arguments.next().map(PathBuf::from).filter(|path| path.is_absolute());
                path.ok_or_else(|| format!("{name} expects an absolute path"))
            };
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--version" | "-V") => return Ok(Self::Version),
                Some("--config") => settings.config = Some(path("--config")?),
                Some("--state") => settings.state = path("--state")?,
                Some("--try") => settings.only_tries = true,
                _ => return Err(format!("{}: not understood", argument.to_string_lossy())),
            }
        }
        Ok(Self::Run(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_understood_is_taken() {
        let parse = |words: &[&str]| Args::parse(words.iter().map(OsString::from));
        let Ok(Args::Run(settings)) = parse(&["--config", "/c", "--state", "/s", "--try"]) else {
            panic!("not read");
        };
        assert_eq!((settings.config, settings.state), (Some("/c".into()), "/s".into()));
        assert!(settings.only_tries);
        for bad in [&["--config"][..], &["--config", "x"], &["x"], &["--state", "x"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
