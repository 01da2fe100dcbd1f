//! One application, seen from the test.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::hex::to_hex;

/// What a module said: PAM's message style and the text.
pub type Message = (i32, String);

/// One application in a process of its own. Killed when dropped, as a crash would.
pub struct Login {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: PathBuf,
    said: Vec<Message>,
    results: Vec<(i32, i32)>,
}

impl Login {
    pub(crate) fn spawn(
        program: &Path,
        etc: &Path,
        confdir: &Path,
        stderr: &Path,
        environment: &[(String, String)],
    ) -> Self {
        let errors = OpenOptions::new().create(true).append(true).open(stderr).unwrap();
        let mut command = Command::new(program);
        command
            .args([etc, confdir])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Must change nothing: see the tests of panics.
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = loop {
            match command.spawn() {
                // A copy made just now: a child that another thread begins has it open until its exec.
                Err(e) if e.kind() == ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                spawned => break spawned.unwrap_or_else(|e| panic!("{}: {e}", program.display())),
            }
        };
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            stdin,
            stdout,
            stderr: stderr.to_owned(),
            said: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Sends a command of [`crate::actor`] without waiting for the answer.
    pub fn begin(&mut self, command: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{command}").unwrap();
    }

    /// Waits for the answer to [`Login::begin`].
    pub fn finish(&mut self) -> i32 {
        self.answer().unwrap_or_else(|| {
            panic!(
                "the application ended before it answered: {}",
                std::fs::read_to_string(&self.stderr).unwrap_or_default()
            )
        })
    }

    /// Returns the code of the answer, `None` where the application ended instead.
    fn answer(&mut self) -> Option<i32> {
        self.said.clear();
        self.results.clear();
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["msg", style, hex] => self.said.push((style.parse().unwrap(), text_of(hex))),
                ["result", acct, open] => {
                    self.results.push((acct.parse().unwrap(), open.parse().unwrap()));
                }
                ["=", code] => return Some(code.parse().unwrap()),
                other => panic!("answer {other:?}"),
            }
        }
    }

    /// Sends a command and returns its code.
    pub fn tell(&mut self, command: &str) -> i32 {
        self.begin(command);
        self.finish()
    }

    /// Starts the PAM transaction; `None` leaves the user out. See [`crate::actor`] for `mode`.
    pub fn start(&mut self, service: &[u8], user: Option<&[u8]>, mode: &str) -> i32 {
        let user = user.map_or("-".to_owned(), to_hex);
        self.tell(&format!("start {} {user} {mode}", to_hex(service)))
    }

    /// Sets a PAM item by its number; `None` unsets it.
    pub fn item(&mut self, item: i32, value: Option<&[u8]>) -> i32 {
        let value = value.map_or("-".to_owned(), to_hex);
        self.tell(&format!("item {item} {value}"))
    }

    /// Queues the answer to a prompt.
    pub fn will_answer(&mut self, text: &str) -> &mut Self {
        self.tell(&format!("answer {}", to_hex(text.as_bytes())));
        self
    }

    /// Authenticates.
    pub fn auth(&mut self) -> i32 {
        self.tell("auth")
    }

    /// Changes the password.
    pub fn chauthtok(&mut self) -> i32 {
        self.tell("chauthtok")
    }

    /// Runs the account phase.
    pub fn acct(&mut self) -> i32 {
        self.tell("acct")
    }

    /// Opens the session.
    pub fn open(&mut self) -> i32 {
        self.tell("open")
    }

    /// Runs the account phase and, if that lets the login in, opens the session.
    pub fn log_in(&mut self) -> i32 {
        match self.acct() {
            0 => self.open(),
            refused => refused,
        }
    }

    /// The same where the application may abort because it is out of memory; `None` if it did.
    pub fn try_log_in(&mut self) -> Option<i32> {
        for phase in ["acct", "open"] {
            self.begin(phase);
            match self.answer()? {
                0 => {}
                refused => return Some(refused),
            }
        }
        Some(0)
    }

    /// Closes the session.
    pub fn close(&mut self) -> i32 {
        self.tell("close")
    }

    /// The same where the application may abort because it is out of memory; `None` if it did.
    pub fn try_close(&mut self) -> Option<i32> {
        self.begin("close");
        self.answer()
    }

    /// Ends the transaction.
    pub fn end(&mut self, status: i32) -> i32 {
        self.tell(&format!("end {status}"))
    }

    /// What the module said during the last command.
    #[must_use]
    pub fn said(&self) -> &[Message] {
        &self.said
    }

    /// Account and opening codes of every process of the last `herd` command.
    #[must_use]
    pub fn results(&self) -> &[(i32, i32)] {
        &self.results
    }

    /// Pid of the application.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Kills the application, which stays a zombie.
    pub fn kill_unreaped(&mut self) {
        // SAFETY: the child was not waited for, so the pid is its own.
        unsafe { libc::kill(self.pid(), libc::SIGKILL) };
        while !std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))
            .unwrap()
            .contains(") Z ")
        {
            std::thread::yield_now();
        }
    }

    /// Kills the application, as `kill -9` and its parent do.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Closes the application's input, so that it exits; returns its exit status.
    pub fn quit(&mut self) -> Option<i32> {
        self.stdin.take();
        self.child.wait().unwrap().code()
    }

    /// Returns whether the application has ended, a zombie included.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.stdin.take();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text_of(hex: &str) -> String {
    let bytes: Vec<u8> = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    String::from_utf8(bytes).unwrap()
}
