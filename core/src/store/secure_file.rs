//! Files and directories that only root can have made: checked before use, created private.
//!
//! Every component is looked at without following it. Only root can then replace one of them
//! between the check and the use.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::StoreError;
use crate::system;

/// As [`check_directory_of`], but creates the last directory if it is missing.
///
/// # Errors
///
/// Says which directory is not safe, or cannot be created.
pub fn prepare_directory_of(file: &Path) -> Result<(), StoreError> {
    if check_directory_of(file)? {
        return Ok(());
    }
    let directory = file.parent().unwrap_or(file);
    make_directory(directory)?;
    match check_directory_of(file)? {
        true => Ok(()),
        false => Err(StoreError::at(directory, "is gone again")),
    }
}

/// Checks every directory on the way to `file`; returns false where the last one is missing.
///
/// A user who may write to one of them could swap what lies below: they must belong to root (or the
/// effective user) and be writable by that user only, the last one readable by that user only.
///
/// # Errors
///
/// Says which directory is not so.
pub fn check_directory_of(file: &Path) -> Result<bool, StoreError> {
    let Some(directory) = file.parent().filter(|_| file.is_absolute()) else {
        return Err(StoreError::at(file, "is not an absolute path"));
    };
    let mut walked = PathBuf::new();
    for part in directory.components() {
        match part {
            Component::RootDir | Component::Normal(_) => walked.push(part),
            _ => return Err(StoreError::at(file, "has a component that is not a plain name")),
        }
        let last = walked == directory;
        let meta = match fs::symlink_metadata(&walked) {
            Err(e) if last && e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|e| StoreError::io(&walked, "cannot be examined", &e))?,
        };
        check_directory(&walked, &meta, last)?;
    }
    Ok(true)
}

/// What the names of a database's files end with. Journals come first: they must never meet a database that they do
/// not belong to.
pub const SUFFIXES: [&str; 4] = ["-journal", "-wal", "-shm", ""];

/// Returns the file called as `path` with `suffix` behind it.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a database and all that belongs to it; what is missing is no error.
///
/// # Errors
///
/// `what`, of the file that cannot be removed.
pub fn remove_database(path: &Path, what: &str) -> Result<(), StoreError> {
    for suffix in SUFFIXES {
        let path = with_suffix(path, suffix);
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(|e| StoreError::io(&path, what, &e))?,
        }
    }
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // The host's umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| StoreError::io(path, "cannot be given its mode", &e)),
        // Another login was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(StoreError::io(path, "cannot be created", &e)),
    }
}

fn check_directory(path: &Path, meta: &fs::Metadata, last: bool) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::at(path, &what));
    if !meta.is_dir() {
        return refuse("is not a directory, or is a symbolic link, expected a directory".into());
    }
    check_owner(path, meta)?;
    let mode = meta.mode() & 0o7777;
    if last && mode & 0o077 != 0 {
        return refuse(format!("has mode {mode:04o}, expected 0700"));
    }
    // In a sticky directory, such as /tmp, other users cannot replace what is ours.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return refuse(format!(
            "has mode {mode:04o}, expected one that only its owner can write to"
        ));
    }
    Ok(())
}

/// Checks that a file is regular, root's (or the effective user's), private, and has one name.
///
/// # Errors
///
/// Says which of these it is not.
fn check_file(path: &Path, meta: &fs::Metadata) -> Result<(), StoreError> {
    let refuse = |what: String| Err(StoreError::at(path, &what));
    if !meta.is_file() {
        return refuse("is not a regular file, expected one".into());
    }
    check_owner(path, meta)?;
    if meta.mode() & 0o077 != 0 {
        return refuse(format!("has mode {:04o}, expected 0600", meta.mode() & 0o7777));
    }
    if meta.nlink() > 1 {
        return refuse(format!("has {} names (hard links), expected one", meta.nlink()));
    }
    Ok(())
}

fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<(), StoreError> {
    if meta.uid() == 0 || meta.uid() == system::effective_uid() {
        return Ok(());
    }
    if system::effective_uid() != 0 {
        let text = format!("{}: is owned by uid {}", path.display(), meta.uid());
        return Err(StoreError::NotPermitted(text));
    }
    Err(StoreError::Broken(format!(
        "{}: is owned by uid {}, expected root",
        path.display(),
        meta.uid()
    )))
}

/// Creates a file that only its owner can read, without following a symbolic link.
///
/// # Errors
///
/// It exists, or cannot be created.
pub(super) fn create_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| StoreError::io(path, "cannot be created", &e))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|e| StoreError::io(path, "cannot be given its mode", &e))?;
    Ok(file)
}

/// Opens a file for reading and writing, created if it is missing, checked if not; returns it with its
/// metadata.
///
/// # Errors
///
/// It is not safe, or cannot be opened or created.
pub fn open_or_create(path: &Path) -> Result<(File, fs::Metadata), StoreError> {
    loop {
        if let Some(opened) = open_with(OpenOptions::new().read(true).write(true), path)? {
            return Ok(opened);
        }
        match create_file(path) {
            Ok(file) => return examined(file, path),
            // Another login was faster: open what it made.
            Err(_) if path.symlink_metadata().is_ok() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Checks a file without opening it, and creates it empty if it is missing.
///
/// # Errors
///
/// It is not safe, or cannot be created.
pub fn ensure(path: &Path) -> Result<(), StoreError> {
    if check_if_exists(path)? {
        return Ok(());
    }
    match create_file(path) {
        Ok(_) => Ok(()),
        // Another login was faster.
        Err(_) if path.symlink_metadata().is_ok() => check_if_exists(path).map(drop),
        Err(error) => Err(error),
    }
}

/// Checks a file without opening it; returns false where it is missing.
///
/// # Errors
///
/// It is not safe, or cannot be examined.
pub fn check_if_exists(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(meta) => check_file(path, &meta).map(|()| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(StoreError::io(path, "cannot be examined", &e)),
    }
}

/// Opens a file for reading, checked; `None` where it is missing.
///
/// # Errors
///
/// It is not safe, or cannot be opened.
pub fn open(path: &Path) -> Result<Option<(File, fs::Metadata)>, StoreError> {
    open_with(OpenOptions::new().read(true), path)
}

fn open_with(
    options: &mut OpenOptions,
    path: &Path,
) -> Result<Option<(File, fs::Metadata)>, StoreError> {
    match options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Ok(file) => {
            let (file, meta) = examined(file, path)?;
            check_file(path, &meta)?;
            Ok(Some((file, meta)))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io(path, "cannot be opened", &e)),
    }
}

fn examined(file: File, path: &Path) -> Result<(File, fs::Metadata), StoreError> {
    match file.metadata() {
        Ok(meta) => Ok((file, meta)),
        Err(e) => Err(StoreError::io(path, "cannot be examined", &e)),
    }
}
