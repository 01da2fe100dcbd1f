//! The screen of the terminal: pages, emptying, and keys that stop what repeats.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};

use crate::interactive::terminal;
use crate::output::screen::Screen;

/// Lines of a terminal that does not say how many it has.
const DEFAULT_ROWS: usize = 24;
const MORE: &str = "--More--";
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// The terminal on standard input and output.
#[derive(Debug, Clone, Copy)]
pub struct TerminalScreen;

impl Screen for TerminalScreen {
    fn page(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        let mut may_show = rows().saturating_sub(1).max(1);
        let whole_page = may_show;
        for (shown, line) in text.lines().enumerate() {
            if shown == may_show {
                write!(out, "{MORE}")?;
                out.flush()?;
                let key = next_key(None)?;
                write!(out, "\r{:1$}\r", "", MORE.len())?;
                may_show = match key {
                    None | Some(b'q' | b'Q' | CTRL_C | CTRL_D) => break,
                    Some(b'\n' | b'\r' | b'j') => shown + 1,
                    Some(_) => shown + whole_page,
                };
            }
            writeln!(out, "{line}")?;
        }
        out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        let text: &[u8] = if moves_cursor() { b"\x1b[H\x1b[2J" } else { b"\n" };
        io::stdout().write_all(text)
    }

    fn pause(&mut self, how_long: Duration) -> io::Result<bool> {
        let until = Instant::now() + how_long;
        loop {
            // Typed while the screen was drawn, when keys are not read one by one.
            if terminal::was_interrupted() {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            match next_key(Some(left))? {
                Some(b'q' | b'Q' | CTRL_C | CTRL_D) => return Ok(true),
                Some(_) => {}
                None if left.is_zero() => return Ok(false),
                // The terminal is at its end, or the time is up.
                None => return Ok(Instant::now() < until),
            }
        }
    }
}

/// Returns whether the terminal understands more than lines of text.
#[must_use]
pub fn moves_cursor() -> bool {
    io::stdout().is_terminal()
        && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Returns how many columns the terminal has.
#[must_use]
pub fn columns() -> usize {
    termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col))
}

fn rows() -> usize {
    match termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row)) {
        0 => DEFAULT_ROWS,
        rows => rows,
    }
}

/// Waits for a key; nothing at the end of the time, or of the input.
fn next_key(how_long: Option<Duration>) -> io::Result<Option<u8>> {
    let _keys = SingleKeys::begin()?;
    let stdin = io::stdin();
    let until = how_long.map(|how_long| Instant::now() + how_long);
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let limit = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        let mut input = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut input, limit.as_ref()) {
            Ok(0) => return Ok(None),
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
            Ok(_) => {}
        }
        let mut byte = [0];
        match rustix::io::read(&stdin, &mut byte) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(byte.first().copied()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The terminal giving each key at once, Ctrl-C among them, until dropped.
struct SingleKeys {
    before: Termios,
}

impl SingleKeys {
    fn begin() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut single = before.clone();
        single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &single)?;
        Ok(Self { before })
    }
}

impl Drop for SingleKeys {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}
