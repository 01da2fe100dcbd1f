//! The arguments of the process.

use std::path::PathBuf;

use clap::Parser;
use session_limit_core::{config, store};

use crate::output::response::Format;

/// What `--help` teaches below the options.
const EXAMPLES: &str = "\
Examples:
  shell                                     log in, then type commands; `help` lists them
  shell --clear-sessions                    log in and end your other sessions
  shell show session                        one command, with the rights of the caller
  shell -c 'show user alice | grep profile'
  shell configure useraccountprofile Contractors max_concurrent_sessions 2
  shell -o json show useractivity
  shell < script                            a command on each line
  shell --check-config                      check the configuration as the module would

Exit codes: 0 done, 1 failed, 2 not understood, 3 refused (limit), 4 not authenticated, 5 not
started by root, 6 not allowed, 7 configuration, 8 changed meanwhile, 9 store; 128+N on signal N.
See shell(1) and session-limit(5).";

/// Shows and configures how many sessions users may hold at once.
///
/// Without a command it asks for name and password and gives a prompt. With a command, -c, or a script
/// on standard input it asks nothing and acts with the rights of the caller.
#[derive(Debug, Parser)]
#[command(name = "shell", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Args {
    /// End your other sessions once name and password are accepted
    #[arg(long, conflicts_with_all = ["command", "words", "check_config"])]
    pub clear_sessions: bool,

    /// Log in as NAME; only the password is asked
    #[arg(long, value_name = "NAME", conflicts_with_all = ["command", "words", "check_config"])]
    pub user: Option<String>,

    /// Run a command line; may be given again
    #[arg(short, long, value_name = "LINE", conflicts_with = "words")]
    pub command: Vec<String>,

    /// The form of the answers
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    pub output: Format,

    /// Judge a configuration file and leave; the file in use by default
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["command", "words"])]
    pub check_config: Option<Option<PathBuf>>,

    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_PATH)]
    pub config: PathBuf,

    /// The store of sessions
    #[arg(long, value_name = "FILE", default_value = store::DEFAULT_PATH)]
    pub state: PathBuf,

    /// Print the completions for a shell and leave
    #[arg(long, value_name = "SHELL", hide = true)]
    pub completions: Option<clap_complete::Shell>,

    /// Be the process that holds a session, with the other end on standard input
    #[arg(long, hide = true, exclusive = true)]
    pub holder: bool,

    /// One command and its words
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub words: Vec<String>,
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
            &["--user", "alice", "show", "user"],
            &["-c", "show user", "show", "user"],
            &["--holder", "--user", "x"],
        ] {
            assert!(read(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn check_config_takes_a_file_or_none() {
        assert_eq!(read(&["--check-config"]).unwrap().check_config, Some(None));
        assert_eq!(read(&["--check-config", "/x"]).unwrap().check_config, Some(Some("/x".into())));
    }
}
