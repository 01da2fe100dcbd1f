//! The arguments of the process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser;
use session_limit_core::{config, store};

use crate::output::response::Format;

/// The socket of the session program for the `shell` of users, see session-limit-shell.socket.
pub const SOCKET: &str = session_limit_admin::status::SHELL_SOCKET;

/// What `--help` teaches below the options.
const EXAMPLES: &str = "\
Examples:
  shell                                     log in, then type commands; `help` lists them
  shell --clear-sessions                    log in and end your other sessions
  shell show session                        one command, with the rights of the caller
  shell --user carol show session           the same, with the rights of carol
  shell -c 'show user alice | grep profile'
  shell configure useraccountprofile Contractors max_concurrent_sessions 2
  shell -o json show useractivity
  shell < script                            a command on each line
  shell --check-config                      check the configuration as the module would
  shell --check-config --engine             and whether the engine of its [fleet] can be used

Exit codes: 0 done, 1 failed, 2 not understood, 3 refused (limit), 4 not authenticated, 5 session
program out of reach, 6 not allowed, 7 configuration, 8 changed meanwhile, 9 store; 128+N on signal N.
See shell(1) and session-limit(5).";

/// Shows and configures how many sessions users may hold at once.
///
/// Without a command it asks for name and password and gives a prompt. A command, -c, or a script on standard
/// input acts with the rights of the caller, whose password is asked for; root is asked for nothing.
#[derive(Debug, Parser)]
#[command(name = "shell", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// End your other sessions once name and password are accepted
    #[arg(long, conflicts_with_all = ["command", "words", "check_config"])]
    pub clear_sessions: bool,

    /// Log in as NAME; only the password is asked
    #[arg(long, value_name = "NAME", conflicts_with = "check_config")]
    pub user: Option<String>,

    /// Run a command line; may be given again
    #[arg(short, long, value_name = "LINE", conflicts_with = "words")]
    pub command: Vec<String>,

    /// The form of the answers
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,

    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,

    /// Check a configuration file and exit; the file in use by default
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["command", "words"])]
    pub check_config: Option<Option<PathBuf>>,

    /// With --check-config: also try the engine of the fleet; only root may
    #[arg(long, requires = "check_config")]
    pub engine: bool,

    /// The configuration file [default: /etc/session-limit/config.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The store of sessions [default: /run/session-limit/live-sessions.db]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The socket of the session program [default: /run/session-limit-shell.sock, unless run by root]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "state"])]
    pub socket: Option<PathBuf>,

    /// Print the completions for a shell and exit
    #[arg(long, value_name = "SHELL", hide = true)]
    pub completions: Option<clap_complete::Shell>,

    /// One command and its words
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub words: Vec<String>,
}

impl Args {
    /// Returns the form of the answers.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }

    /// Returns the path of the configuration.
    #[must_use]
    pub fn config(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(config::DEFAULT_PATH))
    }

    /// Returns the path of the store.
    #[must_use]
    pub fn state(&self) -> &Path {
        self.state.as_deref().unwrap_or(Path::new(store::DEFAULT_PATH))
    }

    /// Returns whether the arguments name files that only root may name, for `shell` opens them with
    /// the rights of root: they could grant, or show, what the user may not have.
    #[must_use]
    pub fn names_files(&self) -> bool {
        self.config.is_some() || self.state.is_some() || matches!(self.check_config, Some(Some(_)))
    }

    /// Returns whether the command is a question for help, which needs no rights.
    #[must_use]
    pub fn asks_for_help(&self) -> bool {
        match self.words.as_slice() {
            [first, ..] if first == "help" || first == "?" => true,
            [.., last] => last == "?",
            [] => false,
        }
    }
}

/// Returns whether a command line that was not understood asks for JSON.
#[must_use]
pub fn wants_json(line: &[OsString]) -> bool {
    let is = |word: &OsString, text: &str| word == text;
    line.iter().any(|word| ["--json", "--output=json", "-ojson"].iter().any(|text| is(word, text)))
        || line.windows(2).any(|pair| {
            matches!(pair, [option, value]
                if (is(option, "-o") || is(option, "--output")) && is(value, "json"))
        })
}

/// Explains a word that a word processor made of an option: `–clear-sessions`.
#[must_use]
pub fn dash_hint(word: &str) -> Option<String> {
    let option = word.strip_prefix(['\u{2010}', '\u{2011}', '\u{2013}', '\u{2014}', '\u{2212}'])?;
    let option = option.trim_start_matches(['-', '\u{2013}', '\u{2014}']);
    Some(format!(
        "unknown command `{word}`: it begins with a dash that is no hyphen, expected `--{option}`"
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from([&["shell"], line].concat())
    }

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn words_of_a_command_keep_their_hyphens() {
        let args = read(&["-o", "json", "import", "limits", "--apply"]).unwrap();
        assert_eq!(
            (args.output, args.words),
            (Format::Json, vec!["import".into(), "limits".into(), "--apply".into()])
        );
    }

    #[test]
    fn a_login_and_a_command_exclude_each_other() {
        for line in [
            &["--clear-sessions", "show", "user"][..],
            &["--clear-sessions", "-c", "show user"],
            &["-c", "show user", "show", "user"],
            &["--holder"],
        ] {
            assert!(read(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn json_is_asked_for_in_several_ways() {
        for line in
            [&["--json", "show", "user"][..], &["-o", "json"], &["-ojson"], &["--output=json"]]
        {
            assert_eq!(read(line).unwrap().format(), Format::Json, "{line:?}");
            let raw: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert!(wants_json(&raw), "{line:?}");
        }
        assert!(!wants_json(&["-o".into(), "table".into(), "json".into()]));
    }

    #[test]
    fn the_help_names_the_paths_that_are_used() {
        let help = Args::command().render_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for path in [config::DEFAULT_PATH, store::DEFAULT_PATH, SOCKET] {
            assert!(help.contains(&format!("[default: {path}")), "{help}");
        }
    }

    #[test]
    fn a_dash_that_is_no_hyphen_is_explained() {
        let hint = dash_hint("\u{2013}clear-sessions").unwrap();
        assert!(hint.ends_with("expected `--clear-sessions`"), "{hint}");
        assert!(dash_hint("\u{2014}-clear-sessions").unwrap().ends_with("`--clear-sessions`"));
        assert_eq!(dash_hint("clear"), None);
    }

    #[test]
    fn check_config_takes_a_file_or_none() {
        assert_eq!(read(&["--check-config"]).unwrap().check_config, Some(None));
        assert!(
            read(&["--engine"]).is_err() && read(&["--check-config", "--engine"]).unwrap().engine
        );
        assert_eq!(read(&["--check-config", "/x"]).unwrap().check_config, Some(Some("/x".into())));
    }
}
