//! A person's terminal: a pseudo terminal of the host's, with what was read and what is typed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::machine::sys;
use crate::machine::{Machine, kill_tree};
use crate::wait::{seconds, within};

const PATIENCE: Duration = seconds(30);

pub struct Terminal {
    master: File,
    /// N of the host's /dev/pts/N.
    pub number: u32,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the screen has been looked at.
    seen: usize,
    program: Option<Child>,
}

impl Terminal {
    /// A terminal without a program.
    pub fn open(machine: &Machine) -> Self {
        let (master, number) = sys::open_pty(&machine.path("/dev/pts")).unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&screen);
        let mut from = master.try_clone().unwrap();
        // Ends by itself: reading fails when the last user of the slave side and the host are gone.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                match from.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => sink
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&buffer[..count]),
                    // EIO: no process has the slave open. The next getty will.
                    Err(_) if Arc::strong_count(&sink) > 1 => {
                        std::thread::sleep(Duration::from_millis(20))
                    }
                    Err(_) => break,
                }
            }
        });
        Self { master, number, screen, seen: 0, program: None }
    }

    /// A terminal with a program on it.
    pub fn run(machine: &Machine, words: &[&str]) -> Self {
        let mut terminal = Self::open(machine);
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(machine.path(&format!("/dev/pts/{}", terminal.number)))
            .unwrap();
        let mut all = vec!["setsid", "--ctty", "--wait"];
        all.extend(words);
        let program = machine
            .enter(&all)
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap();
        terminal.program = Some(program);
        terminal
    }

    /// Waits until the text appears after what was expected before.
    pub fn expect(&mut self, text: &str) -> &mut Self {
        if !self.shows(text, PATIENCE) {
            panic!("{text:?} does not appear on the terminal:\n{}", self.text());
        }
        self
    }

    /// Returns whether the text appears in time after what was expected before.
    pub fn shows(&mut self, text: &str, limit: Duration) -> bool {
        let end = within(limit, || {
            let screen = self.text();
            let at = screen.get(self.seen..)?.find(text)?;
            Some(self.seen + at + text.len())
        });
        self.seen = end.map_or(self.seen, |(end, _)| end);
        end.is_some()
    }

    /// Types a line.
    pub fn send(&mut self, line: &str) -> &mut Self {
        self.master.write_all(line.as_bytes()).unwrap();
        self.master.write_all(b"\n").unwrap();
        self
    }

    /// All that was ever shown.
    pub fn text(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    pub fn is_running(&mut self) -> bool {
        self.program.as_mut().is_some_and(|program| matches!(program.try_wait(), Ok(None)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            kill_tree(program.id());
            let _ = program.wait();
        }
    }
}
