//! What a person at a keyboard does: an ssh client, run inside the host against its own sshd.

use std::process::Command;

use crate::client::{Client, Ended};
use crate::host::Host;
use crate::terminal::Terminal;

/// The two lines that a refused person reads.
pub const WARNING: [&str; 2] = [
    "WARNING: Maximum concurrent session count has been reached.",
    "Please clear the sessions using shell --clear-sessions",
];

/// Prints that it is in, then stays until its input ends.
const STAY: &str = "echo you-are-in; exec cat >/dev/null";
/// The same with a shell that takes commands.
const SHELL: &str = "echo you-are-in; exec bash";

/// A description of an ssh client. Every choice has a default: alice's key, port 22, a command.
#[derive(Clone)]
pub struct Ssh<'h> {
    host: &'h Host,
    user: String,
    port: u16,
    options: Vec<String>,
    password: Option<String>,
}

impl<'h> Ssh<'h> {
    pub fn new(host: &'h Host, user: &str) -> Self {
        Self { host, user: user.to_owned(), port: 22, options: Vec::new(), password: None }
    }

    /// Logs in by the password method.
    pub fn by_password(self) -> Self {
        let password = format!("password-of-{}", self.user);
        self.with_password("password", &password)
    }

    /// Logs in by the keyboard-interactive method.
    pub fn by_keyboard(self) -> Self {
        let password = format!("password-of-{}", self.user);
        self.with_password("keyboard-interactive", &password)
    }

    /// Tries these methods, with this password if one is asked for.
    pub fn with_password(mut self, methods: &str, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.option(&format!("PreferredAuthentications={methods}"))
            .option("NumberOfPasswordPrompts=1")
    }

    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// An option as in ssh_config.
    pub fn option(self, option: &str) -> Self {
        self.flag("-o").flag(option)
    }

    /// A flag of the command line.
    pub fn flag(mut self, flag: &str) -> Self {
        self.options.push(flag.to_owned());
        self
    }

    /// Runs a remote command to its end.
    pub fn run(&self, remote: &str) -> Ended {
        Client::start(self.command(&[remote]), "").log_out()
    }

    /// Starts a login that stays; it may still be refused.
    pub fn start(&self) -> Client {
        Client::start(self.command(&[STAY]), "you-are-in")
    }

    /// Starts `ssh -N`: a connection without a command, which prints nothing by itself.
    pub fn start_without_command(&self) -> Client {
        let command = self.clone().flag("-N").flag("-v").command(&[]);
        Client::start(command, "Entering interactive session")
    }

    /// A login that stays.
    ///
    /// # Panics
    ///
    /// When it is refused.
    pub fn log_in(&self) -> Client {
        Self::expect_in(self.start())
    }

    /// A login with a shell that takes commands by [`Client::send`].
    pub fn log_in_to_a_shell(&self) -> Client {
        Self::expect_in(Client::start(self.command(&[SHELL]), "you-are-in"))
    }

    /// A login with a terminal, as a person has it; nothing is waited for.
    pub fn on_a_terminal(&self, remote: &[&str]) -> Terminal {
        let mut words = vec!["ssh".to_owned(), "-tt".to_owned()];
        words.extend(self.arguments(remote));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Terminal::run(self.host.machine(), &words)
    }

    /// Tries a login that must be refused as documented: the client exits with 255, shows both lines of
    /// the warning, and its standard output is empty.
    pub fn is_refused(&self) -> Ended {
        let ended = self.run("echo you-are-in");
        assert_refused(&ended);
        ended
    }

    pub fn is_admitted(&self) -> Ended {
        let ended = self.run("echo you-are-in").ok();
        assert_eq!(ended.stdout, "you-are-in\n", "{ended:#?}");
        ended
    }

    fn expect_in(mut client: Client) -> Client {
        if !client.gets_in() {
            panic!("the login was refused: {:#?}", client.wait());
        }
        client
    }

    /// The client without a person at a keyboard: the answers to its questions are given in advance.
    fn command(&self, remote: &[&str]) -> Command {
        let mut words = match &self.password {
            Some(password) => vec!["sshpass", "-p", password, "ssh"],
            None => vec!["ssh", "-o", "BatchMode=yes"],
        };
        let arguments = self.arguments(remote);
        words.extend(arguments.iter().map(String::as_str));
        self.host.machine().enter(&words)
    }

    fn arguments(&self, remote: &[&str]) -> Vec<String> {
        let mut words = vec!["-p".to_owned(), self.port.to_string()];
        words.extend(self.options.iter().cloned());
        words.push(format!("{}@127.0.0.1", self.user));
        words.extend(remote.iter().map(|&word| word.to_owned()));
        words
    }
}

/// # Panics
///
/// Unless this is what a refused client looks like.
pub fn assert_refused(ended: &Ended) {
    assert_ne!(ended.status, 0, "{ended:#?}");
    assert_eq!(ended.stdout, "", "standard output is not clean: {ended:#?}");
    for line in WARNING {
        assert!(ended.stderr.contains(line), "{line:?} is missing: {ended:#?}");
    }
}
