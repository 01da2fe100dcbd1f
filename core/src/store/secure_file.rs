//! Files and folders that only root can have made: checked before use, made private.
//!
//! Every component is looked at without following it. Nobody but root can then replace one of them
//! between the check and the use.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use crate::last::Last;
use crate::system;

/// Why the store could not be used. Every variant names the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// An unprivileged caller may not reach it.
    NotPermitted(String),
    /// It lies on a read-only file system.
    ReadOnly(String),
    /// Anything else: unsafe owner or mode, lock not free in time, disk full, I/O error.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted(text) | Self::ReadOnly(text) | Self::Broken(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for StoreError {}

/// As [`check_folder_of`], but makes the last folder if it is missing.
///
/// # Errors
///
/// Says which folder is not safe, or cannot be made.
pub fn prepare_folder_of(file: &Path) -> Result<(), StoreError> {
    if check_folder_of(file)? {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(file);
    make_folder(folder)?;
    match check_folder_of(file)? {
        true => Ok(()),
        false => Err(broken(folder, "is gone again")),
    }
}

/// Checks every folder on the way to `file`; returns false where the last one is missing.
///
/// Whoever may write to one of them could swap what lies below: they must be root's (or the effective
/// user's) and writable by nobody else, and the last one readable by nobody else.
///
/// # Errors
///
/// Says which folder is not so.
pub fn check_folder_of(file: &Path) -> Result<bool, StoreError> {
    let Some(folder) = file.parent().filter(|_| file.is_absolute()) else {
        return Err(broken(file, "is not an absolute path"));
    };
    // As long as it lies there, nobody but root has changed the way to it.
    if let Some(meta) = known_safe(folder) {
        return check_folder(folder, &meta, true).map(|()| true);
    }
    let mut walked = PathBuf::new();
    for part in folder.components() {
        match part {
            Component::RootDir | Component::Normal(_) => walked.push(part),
            _ => return Err(broken(file, "has a component that is not a plain name")),
        }
        let last = walked == folder;
        let meta = match fs::symlink_metadata(&walked) {
            Err(e) if last && e.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|e| failed(&walked, "cannot be examined", &e))?,
        };
        check_folder(&walked, &meta, last)?;
        if last {
            KNOWN.keep((folder.to_owned(), system::effective_uid(), meta.dev(), meta.ino()));
        }
    }
    Ok(true)
}

/// A folder that was found safe, and the effective user it is safe for; device and inode tell it.
static KNOWN: Last<(PathBuf, u32, u64, u64)> = Last::none();

/// Returns what is known of `folder` now, if it is the one that was found safe.
fn known_safe(folder: &Path) -> Option<fs::Metadata> {
    KNOWN.look(|(path, user, device, inode)| {
        if path != folder {
            return None;
        }
        let meta = fs::symlink_metadata(folder).ok()?;
        let found = (system::effective_uid(), meta.dev(), meta.ino());
        (found == (*user, *device, *inode)).then_some(meta)
    })
}

/// Returns the error of a path that is refused, or broken, for `reason`.
#[must_use]
pub fn broken(path: &Path, reason: &str) -> StoreError {
    StoreError::Broken(format!("{}: {reason}", path.display()))
}

/// Returns the file called as `path` with `suffix` behind it.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Turns an I/O error at `path` into a [`StoreError`].
#[must_use]
pub fn failed(path: &Path, what: &str, error: &io::Error) -> StoreError {
    let text = format!("{}: {what}: {}", path.display(), system::reason(error));
    match error.raw_os_error() {
        Some(libc::EROFS) => StoreError::ReadOnly(text),
        Some(libc::EACCES | libc::EPERM) if system::effective_uid() != 0 => {
            StoreError::NotPermitted(text)
        }
        _ => StoreError::Broken(text),
    }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        // The host's umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(|e| failed(path, "cannot be given its mode", &e)),
        // Another login was faster.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(failed(path, "cannot be made", &e)),
    }
}

fn check_folder(path: &Path, meta: &fs::Metadata, last: bool) -> Result<(), StoreError> {
    let refuse = |what: String| Err(broken(path, &what));
    if !meta.is_dir() {
        return refuse("is not a folder, or is a symbolic link, expected a folder".into());
    }
    check_owner(path, meta)?;
    let mode = meta.mode() & 0o7777;
    if last && mode & 0o077 != 0 {
        return refuse(format!("has mode {mode:04o}, expected 0700"));
    }
    // In a sticky folder, such as /tmp, nobody can replace what is ours.
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
    let refuse = |what: String| Err(broken(path, &what));
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

/// Makes a file that only its owner can read, without following a symbolic link.
///
/// # Errors
///
/// It exists, or cannot be made.
fn create_file(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
        .map_err(|e| failed(path, "cannot be made", &e))?;
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(|e| failed(path, "cannot be given its mode", &e))?;
    Ok(file)
}

/// Opens a file for reading and writing, made if it is missing, checked if not; returns it with what is
/// known of it.
///
/// # Errors
///
/// It is not safe, or cannot be opened or made.
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
        Err(e) => Err(failed(path, "cannot be opened", &e)),
    }
}

fn examined(file: File, path: &Path) -> Result<(File, fs::Metadata), StoreError> {
    match file.metadata() {
        Ok(meta) => Ok((file, meta)),
        Err(e) => Err(failed(path, "cannot be examined", &e)),
    }
}
