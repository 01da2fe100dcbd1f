//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// How the program is called.
pub const USAGE: &str = "\
usage: session-limitd [--session-command PATH]

Serves the REST API and the web console of pam_session_limit. Everything else is in the [service] table of
/etc/session-limit/config.toml, see session-limit(5).

  --session-command PATH  start PATH for each login, where systemd does not do that; needs root, and serves as
                          user session-limit
  --help, --version
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Args {
    /// Serve.
    Serve,
    /// Start session processes, and serve in another process.
    Launch(PathBuf),
    /// Explain.
    Help,
    /// Name the version.
    Version,
}

impl Args {
    /// Reads the arguments behind the program's name.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut command = None;
        let mut arguments = arguments.peekable();
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--version" | "-V") => return Ok(Self::Version),
                Some("--session-command") if command.is_none() => {
                    let path = arguments.next().map(PathBuf::from);
                    let path = path.filter(|path| path.is_absolute());
                    command = Some(path.ok_or("--session-command expects an absolute path")?);
                }
                _ => return Err(format!("{}: not understood", argument.to_string_lossy())),
            }
        }
        Ok(command.map_or(Self::Serve, Self::Launch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Args, String> {
        Args::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn only_what_is_understood_is_taken() {
        assert_eq!(parse(&[]), Ok(Args::Serve));
        assert_eq!(parse(&["--session-command", "/x"]), Ok(Args::Launch("/x".into())));
        for bad in [&["--session-command"][..], &["--session-command", "x"], &["x"], &["--listen"]]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_completions_know_every_option() {
        let scripts = [
            include_str!("../../packaging/completions/session-limitd.bash"),
            include_str!("../../packaging/completions/_session-limitd"),
            include_str!("../../packaging/completions/session-limitd.fish"),
        ];
        let words = USAGE.split(|c: char| !c.is_ascii_lowercase() && c != '-');
        let options: Vec<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        assert_eq!(options.len(), 4, "{options:?}");
        for option in options {
            assert!(scripts.iter().all(|script| script.contains(option)), "{option}");
        }
        let complete = |typed: &str| {
            let [script, ..] = scripts;
            let line = "COMP_WORDS=(session-limitd $1); COMP_CWORD=1; _session_limitd; echo ${COMPREPLY[*]}";
            let command = format!("{script}\n{line}");
            let output =
                std::process::Command::new("bash").args(["-c", &command, "bash", typed]).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        assert_eq!(complete("--se"), "--session-command\n");
        assert_eq!(complete("--"), "--session-command --help --version\n");
    }
}
