//! The terminal: questions with and without echo, and its settings back to what they were however the
//! program ends.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use rustix::io::Errno;
use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use session_limit_session::secret::Secret;

/// The terminal that belongs to a process (tty(4)).
const CONTROLLING: &str = "/dev/tty";

static TERMINAL: OnceLock<Terminal> = OnceLock::new();
static COMMAND_RUNS: AtomicBool = AtomicBool::new(false);
/// Whether Ctrl-C was typed while a command runs.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The terminal that questions are asked on, and its settings when the program began.
struct Terminal {
    file: File,
    before: Termios,
}

impl Terminal {
    /// Opens the terminal of standard input and output; where a file or a program is at one of them, the one that
    /// the process belongs to.
    fn open() -> io::Result<Self> {
        let file = if is_interactive() {
            File::from(io::stdin().as_fd().try_clone_to_owned()?)
        } else {
            OpenOptions::new().read(true).write(true).open(CONTROLLING)?
        };
        Ok(Self { before: termios::tcgetattr(&file)?, file })
    }
}

/// Returns whether a person sits at both ends.
#[must_use]
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Returns the path of the terminal on standard input.
#[must_use]
pub fn name() -> Option<String> {
    let name = termios::ttyname(io::stdin(), Vec::new()).ok()?;
    name.into_string().ok()
}

/// Remembers the terminal's settings, and has them restored when a signal ends the program.
///
/// Ctrl-C does not end the program while a command runs, see [`while_running`].
///
/// # Errors
/// When there is no terminal, or the signals cannot be had.
pub fn prepare() -> io::Result<()> {
    let terminal = Terminal::open()?;
    TERMINAL.get_or_init(|| terminal);
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            if signal == SIGINT && COMMAND_RUNS.load(Ordering::Relaxed) {
                INTERRUPTED.store(true, Ordering::Relaxed);
                continue;
            }
            restore();
            // The holder sees its end of the socket close, and closes the session.
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// Makes Ctrl-Z do nothing: no user may get out of the program into another one.
///
/// # Errors
/// When the signal cannot be had.
pub fn forbid_suspension() -> io::Result<()> {
    signal_hook::flag::register(SIGTSTP, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Runs a command that Ctrl-C does not break off: sessions that are being ended are ended, and then
/// the prompt is back.
pub fn while_running<T>(command: impl FnOnce() -> T) -> T {
    INTERRUPTED.store(false, Ordering::Relaxed);
    COMMAND_RUNS.store(true, Ordering::Relaxed);
    let value = command();
    COMMAND_RUNS.store(false, Ordering::Relaxed);
    value
}

/// Returns whether Ctrl-C was typed since the command began, for one that repeats.
#[must_use]
pub fn was_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Gives the terminal back the settings it had when [`prepare`] was called.
pub fn restore() {
    if let Some(Terminal { file, before }) = TERMINAL.get() {
        // A terminal that is gone has no settings.
        let _ = termios::tcsetattr(file, OptionalActions::Now, before);
    }
}

/// Asks a question on the terminal of [`prepare`] and reads the answer; nothing at the end of input (Ctrl-D).
///
/// The answer is read byte by byte into locked memory: no buffer in between keeps a copy.
///
/// # Errors
/// When there is no terminal, it fails, or the answer is longer than PAM takes.
pub fn ask(prompt: &str, hidden: bool) -> io::Result<Option<Secret>> {
    let missing = || io::Error::other("the login asks a question, which needs a terminal (ssh -t)");
    let Terminal { file, .. } = TERMINAL.get().ok_or_else(missing)?;
    let _echo = if hidden { Some(EchoOff::begin(file)?) } else { None };
    let mut out = file;
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut answer = Secret::new()?;
    let mut fits = true;
    loop {
        let mut byte = [0];
        match rustix::io::read(file, &mut byte) {
            Ok(0) if answer.bytes().is_empty() => {
                out.write_all(b"\n")?;
                return Ok(None);
            }
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) => fits &= answer.push(byte.first().copied().unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !fits {
        return Err(io::Error::other("the answer is too long"));
    }
    Ok(Some(answer))
}

/// Reads a line that the terminal edits itself, for terminals that cannot move the cursor; nothing at
/// the end of input.
///
/// What is beyond `most` bytes is dropped, apart from one byte: the line is seen to be too long.
///
/// # Errors
/// When the terminal fails, or what was typed is not UTF-8.
pub fn read_line(prompt: &str, most: usize) -> io::Result<Option<String>> {
    let mut out = io::stdout().lock();
    out.write_all(prompt.as_bytes())?;
    out.flush()?;
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match rustix::io::read(io::stdin(), &mut byte) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() > most => {}
            Ok(_) => line.extend_from_slice(&byte),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    String::from_utf8(line).map(Some).map_err(|_| io::Error::other("not UTF-8, expected text"))
}

/// The terminal without echo, until dropped.
struct EchoOff<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> EchoOff<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The line end is shown all the same.
        silent.local_modes.insert(LocalModes::ECHONL);
        // Flush: what was typed before the question was typed with echo.
        termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for EchoOff<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
