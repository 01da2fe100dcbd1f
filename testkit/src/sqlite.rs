//! Another program that uses the module's database: sqlite3(1), with the distribution's SQLite.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs statements, which must succeed, and returns what they print.
///
/// # Panics
///
/// If a statement fails or sqlite3 is not installed.
#[must_use]
pub fn sqlite(database: &Path, statements: &str) -> String {
    let mut child = command(database).stderr(Stdio::piped()).spawn().expect("sqlite3 is installed");
    child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{statements}: {errors}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn command(database: &Path) -> Command {
    let mut command = Command::new("sqlite3");
    command.args(["-batch", "-bail", "-init", "/dev/null"]).arg(database);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A program that reads the database until this value is dropped.
#[derive(Debug)]
pub struct Reader(Child);

impl Reader {
    /// Starts to read the rows of the sessions.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn of(database: &Path) -> Self {
        let mut child = command(database).spawn().expect("sqlite3 is installed");
        let statements = "BEGIN; SELECT count(*) FROM session;\n";
        child.stdin.as_mut().unwrap().write_all(statements.as_bytes()).unwrap();
        let mut count = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut count).unwrap();
        assert!(count.trim().parse::<u32>().is_ok(), "{count}");
        Self(child)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
