//! What a terminal can do beside taking text.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// A terminal, or what stands for one.
pub trait Screen {
    /// Shows a text page by page.
    ///
    /// # Errors
    /// When the terminal, or `out`, fails.
    fn page(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()>;

    /// Empties the screen.
    ///
    /// # Errors
    /// When the terminal fails.
    fn clear(&mut self) -> io::Result<()>;

    /// Waits; returns true as soon as the user wants to stop.
    ///
    /// # Errors
    /// When the terminal fails.
    fn pause(&mut self, how_long: Duration) -> io::Result<bool>;
}

/// Where there is no terminal: texts are shown whole, and no key stops anything.
#[derive(Debug, Clone, Copy)]
pub struct NoScreen;

impl Screen for NoScreen {
    fn page(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn pause(&mut self, how_long: Duration) -> io::Result<bool> {
        thread::sleep(how_long);
        Ok(false)
    }
}
