//! A pseudo-terminal with a program on it, read as it speaks.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{self, Termios};

/// How long anything is waited for. Far more than it takes: a test that fails may be slow.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program on a terminal.
pub struct Pty {
    child: Child,
    master: File,
    /// Kept open, so that the terminal outlives the program and can be looked at.
    slave: File,
    heard: Arc<(Mutex<Vec<u8>>, Condvar)>,
    read: usize,
    before: Termios,
}

impl Pty {
    /// Starts a program on a new terminal, as leader of a session of its own.
    pub fn start(command: Command) -> Self {
        Self::start_for(command, 0)
    }

    /// As [`Pty::start`], on a terminal that belongs to a user.
    pub fn start_for(mut command: Command, uid: u32) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = File::from(open(name.as_c_str(), flags, Mode::empty()).unwrap());
        std::os::unix::fs::fchown(&slave, Some(uid), None).unwrap();
        let size = termios::Winsize { ws_row: 50, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        termios::tcsetwinsize(&slave, size).unwrap();
        let before = termios::tcgetattr(&slave).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop(command);
        let master = File::from(master);
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (mut reader, sink) = (master.try_clone().unwrap(), Arc::clone(&heard));
        thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut some) {
                sink.0.lock().unwrap().extend_from_slice(&some[..length]);
                sink.1.notify_all();
            }
        });
        Self { child, master, slave, heard, read: 0, before }
    }

    /// Returns the pid of the program.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Types something.
    pub fn send(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Types a line.
    pub fn line(&mut self, text: &str) {
        self.send(&format!("{text}\r"));
    }

    /// Waits until `text` is on the screen, and returns what came before it since the last wait.
    pub fn expect(&mut self, text: &str) -> String {
        let (heard, more) = &*self.heard;
        let began = Instant::now();
        let mut bytes = heard.lock().unwrap();
        loop {
            let screen = String::from_utf8_lossy(&bytes[self.read..]).into_owned();
            if let Some(at) = screen.find(text) {
                self.read += at + text.len();
                return screen[..at].to_owned();
            }
            let left = DEADLINE.saturating_sub(began.elapsed());
            if left.is_zero() {
                let all = String::from_utf8_lossy(&bytes).into_owned();
                drop(bytes);
                panic!("waited for {text:?}; the screen:\n{all}\n---\n{all:?}");
            }
            bytes = more.wait_timeout(bytes, left).unwrap().0;
        }
    }

    /// Waits for the prompt of a user.
    pub fn expect_prompt(&mut self, user: &str) -> String {
        self.expect(&prompt(user, ""))
    }

    /// Types a line at the prompt of a user and returns what it prints.
    pub fn command(&mut self, user: &str, line: &str) -> String {
        self.line(line);
        // The line is drawn with the prompt in front, perhaps more than once, until it is accepted.
        self.expect("\n");
        let printed = self.expect_prompt(user);
        plain(&printed)
    }

    /// Answers `Login: ` and `Password: `.
    pub fn log_in(&mut self, user: &str, password: &str) {
        self.expect("Login: ");
        self.line(user);
        self.expect("Password: ");
        self.line(password);
    }

    /// Returns everything that was on the screen so far.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.heard.0.lock().unwrap()).into_owned()
    }

    /// Gives the terminal another size.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        termios::tcsetwinsize(&self.slave, size).unwrap();
    }

    /// Returns whether the program still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until the program ends.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < DEADLINE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("does not end; the screen:\n{}", self.screen());
    }

    /// Waits until the program ends, which must be with this exit code.
    pub fn wait_for_code(&mut self, code: i32) {
        let status = self.wait();
        assert_eq!(status.code(), Some(code), "{status}; the screen:\n{}", self.screen());
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: &str) {
        kill(self.pid(), signal);
    }

    /// Returns whether the terminal is as it was before the program.
    pub fn is_restored(&self) -> bool {
        let now = termios::tcgetattr(&self.slave).unwrap();
        format!("{now:?}") == format!("{:?}", self.before)
    }

    /// Returns whether the terminal shows what is typed just now.
    pub fn echoes(&self) -> bool {
        termios::tcgetattr(&self.slave).unwrap().local_modes.contains(termios::LocalModes::ECHO)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a process a signal.
pub fn kill(pid: i32, signal: &str) {
    let status =
        Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{signal} {pid}");
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < DEADLINE, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the prompt of a user; `mode` is empty at the top.
pub fn prompt(user: &str, mode: &str) -> String {
    let host = rustix::system::uname().nodename().to_str().unwrap().replace('.', "-");
    format!("[{user}:{host}]: {mode}> ")
}

/// Returns text without what steers the terminal.
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // Only CSI sequences are sent: they end in a letter.
            let _ = chars.by_ref().find(char::is_ascii_alphabetic);
        } else if c != '\r' {
            plain.push(c);
        }
    }
    plain
}
