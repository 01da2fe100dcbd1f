//! Reading the store without holding anything that a login waits for.
//!
//! A reader that SQLite knows of keeps every login from committing for as long as it reads, or is stopped
//! while it does. So the file is copied without a lock, and the copy is used where it is known to be whole.
//!
//! The copy is made twice. Where both are the same, every page was in the file at the moment between the
//! two, and where no transaction was under way at that moment, the file held exactly the last committed
//! one. A transaction is under way as long as its journal has a header: SQLite fills the journal before it
//! touches the database, and commits by truncating the journal (<https://sqlite.org/atomiccommit.html>);
//! another program may write zeroes over the header.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB};

use super::error::sqlite_error;
use super::secure_file::{self, with_suffix};
use super::transaction::Transaction;
use super::{StoreError, TransactionError};

/// How often a copy is tried. A writer is done within a millisecond.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);
/// Bytes of the largest store that is copied: about a million sessions.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Returns the database at `path` as it was at one moment; `None` where that cannot be had, for a
/// transaction is always under way, or was left unfinished.
pub fn copy(path: &Path) -> Result<Option<Transaction>, TransactionError> {
    connection(path)?.map(|connection| Transaction::on_copy(connection, path)).transpose()
}

/// As [`copy`], whatever the version of the store.
pub fn connection(path: &Path) -> Result<Option<Connection>, TransactionError> {
    for _ in 0..TRIES {
        let first = read(path)?;
        let is_settled = !is_under_way(path)?;
        if is_settled && first == read(path)? {
            let mut connection =
                Connection::open_in_memory().map_err(|e| sqlite_error(path, &e))?;
            // SQLite deserialises no image of zero bytes; an empty database is what it means.
            if !first.is_empty() {
                connection
                    .deserialize_read_exact(MAIN_DB, first.as_slice(), first.len(), true)
                    .map_err(|e| sqlite_error(path, &e))?;
            }
            return Ok(Some(connection));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    if let Some((file, _)) = secure_file::open(path)? {
        file.take(MAX_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|e| StoreError::io(path, "cannot be read", &e))?;
    }
    Ok(bytes)
}

/// SQLite goes by the first byte as well when it looks for a transaction to undo.
fn is_under_way(path: &Path) -> Result<bool, StoreError> {
    let journal = with_suffix(path, "-journal");
    let Some((mut file, _)) = secure_file::open(&journal)? else { return Ok(false) };
    let mut first = [0];
    match file.read_exact(&mut first) {
        Ok(()) => Ok(first != [0]),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(StoreError::io(&journal, "cannot be read", &e)),
    }
}
