//! A program that runs inside the host and is watched from here: an ssh client, mostly.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::machine::kill_tree;
use crate::wait::{seconds, until, until_some};

/// Longest wait for one program, on a machine that is busy with a storm.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// # Panics
    ///
    /// Unless the program succeeded.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{self:#?}");
        self
    }
}

/// A running program.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Pipe,
    stderr: Pipe,
    started: Instant,
    /// What the program prints, to either output, once its login is through.
    sign: &'static str,
}

impl Client {
    pub fn start(mut command: Command, sign: &'static str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take(),
            stdout: Pipe::read(child.stdout.take().unwrap()),
            stderr: Pipe::read(child.stderr.take().unwrap()),
            child,
            started: Instant::now(),
            sign,
        }
    }

    /// Waits until the login is through (true) or the program has ended (false).
    pub fn gets_in(&mut self) -> bool {
        until_some("the login is through or refused", PATIENCE, || {
            if self.shows(self.sign) {
                return Some(true);
            }
            // The last output may still be in the pipe when the program is gone.
            (!self.is_running()).then(|| {
                self.stdout.drain();
                self.stderr.drain();
                self.shows(self.sign)
            })
        })
        .0
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// True when either output holds the text.
    pub fn shows(&self, text: &str) -> bool {
        self.stdout.text().contains(text) || self.stderr.text().contains(text)
    }

    /// Types a line.
    pub fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    /// Types a line and waits for an answer.
    pub fn ask(&mut self, line: &str, answer: &str) {
        self.send(line);
        until(&format!("{line:?} shows {answer:?}"), seconds(20), || self.shows(answer));
    }

    /// Ends the program's input, which ends a held login properly.
    pub fn log_out(mut self) -> Ended {
        self.stdin.take();
        self.wait()
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let (status, _) =
            until_some("the program ends", PATIENCE, || self.child.try_wait().unwrap());
        self.stdout.drain();
        self.stderr.drain();
        Ended {
            status: status.code().unwrap_or(-1),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
            took: self.started.elapsed(),
        }
    }

    /// Waits for the program to be ended from outside, and returns how long it took.
    pub fn sees_its_connection_close(&mut self, limit: Duration) -> Duration {
        until("the client's connection closes", limit, || !self.is_running())
    }

    /// Kills the program where it runs, without notice to the other side.
    pub fn kill(&mut self) {
        kill_tree(self.child.id());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
        // Reaped, so that no zombie of a scenario lasts into the next.
        let _ = self.child.wait();
    }
}

/// An output of a program, read by a thread of its own so that it can never fill up.
struct Pipe {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Pipe {
    fn read(mut from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let mut text = sink.lock().unwrap_or_else(PoisonError::into_inner);
                text.extend_from_slice(&buffer[..count]);
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Waits a moment for the end of the output; a grandchild may hold it open indefinitely.
    fn drain(&mut self) {
        let deadline = Instant::now() + Duration::from_millis(500);
        if let Some(reader) = self.reader.take() {
            while !reader.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}
