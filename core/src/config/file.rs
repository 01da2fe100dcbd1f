//! Reading a file that only root can have written.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::MAX_BYTES;
use crate::system;

/// Why a file's bytes could not be had.
#[derive(Debug)]
pub enum ReadError {
    /// There is no such file.
    Missing,
    /// It may not be used; says why.
    Refused(String),
}

/// Reads a file that only root (or the effective user, for tests) can have written.
///
/// # Errors
///
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let refuse = |message: String| Err(ReadError::Refused(message));
    // O_NONBLOCK: a FIFO must not hold a login up.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let file = match file {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(ReadError::Missing),
        Err(e) if e.raw_os_error() == Some(libc::ELOOP) => {
            return refuse("is a symbolic link, expected a regular file".into());
        }
        // A socket or a device without a driver.
        Err(e) if e.raw_os_error() == Some(libc::ENXIO) => {
            return refuse("is not a regular file, expected one".into());
        }
        Err(e) => return refuse(format!("cannot be opened: {}", system::error_text(&e))),
    };
    let meta = file.metadata().map_err(|e| {
        ReadError::Refused(format!("cannot be examined: {}", system::error_text(&e)))
    })?;
    if meta.is_dir() {
        return refuse("is a directory, expected a regular file".into());
    }
    if !meta.is_file() {
        return refuse("is not a regular file, expected one".into());
    }
    if meta.uid() != 0 && meta.uid() != system::effective_uid() {
        return refuse(format!("is owned by uid {}, expected root", meta.uid()));
    }
    if meta.mode() & 0o022 != 0 {
        return refuse(format!(
            "has mode {:04o}, expected one that only its owner can write to (0644)",
            meta.mode() & 0o7777
        ));
    }
    if meta.len() > MAX_BYTES {
        return refuse(format!("has {} bytes, expected at most {MAX_BYTES}", meta.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
    match file.take(MAX_BYTES + 1).read_to_end(&mut bytes) {
        Ok(n) if n as u64 > MAX_BYTES => {
            refuse(format!("grew beyond {MAX_BYTES} bytes while it was read"))
        }
        Ok(_) => Ok(bytes),
        Err(e) => refuse(format!("cannot be read: {}", system::error_text(&e))),
    }
}
