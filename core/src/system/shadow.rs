//! The passwords in `/etc/shadow`, which only root may read.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use crate::model::password_age::{PasswordDates, dates_in, has_password_in};

const PATH: &str = "/etc/shadow";
/// Bytes of the longest file that is read: hundreds of thousands of users.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Returns the dates of a local user's password.
///
/// The name services are not asked: a directory server has rules of its own for the passwords in it. None
/// for a user without a line or without a password, and where the caller may not read the file, as a screen
/// locker may not.
///
/// # Errors
///
/// The file cannot be read for another reason.
pub fn password_dates(user: &[u8]) -> io::Result<Option<PasswordDates>> {
    Ok(read()?.and_then(|text| dates_in(&text.0, user)))
}

/// Returns whether a user has a local password that could be changed; see [`password_dates`].
///
/// # Errors
///
/// The file cannot be read for another reason.
pub fn has_password(user: &[u8]) -> io::Result<bool> {
    Ok(read()?.is_some_and(|text| has_password_in(&text.0, user)))
}

/// Returns the text of the file; nothing where there is none for the caller.
fn read() -> io::Result<Option<Wiped>> {
    let file = match File::open(PATH) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.size();
    if size > MAX_BYTES {
        return Err(io::Error::other(format!("{size} bytes, expected at most {MAX_BYTES}")));
    }
    let mut text = Wiped(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(MAX_BYTES).read_to_end(&mut text.0)?;
    Ok(Some(text))
}

/// Hashes of passwords, which must not stay in the memory of the application.
struct Wiped(Vec<u8>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.fill(0);
        // The bytes are looked at, so that writing them is not left out.
        std::hint::black_box(&self.0);
    }
}
