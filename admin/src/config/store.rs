//! The configuration file on disk: read with its text, changed under a lock, replaced as a whole.
//!
//! At every moment the path holds the old or the new file, never a part of one, and never one that
//! the module would refuse. The lock keeps two of us apart; a last look before the rename notices
//! an editor that knows nothing of the lock.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use session_limit_core::config::{self, Config, ConfigError, MAX_BYTES, SourceLocation};
use session_limit_core::system;

use super::edit::{ConfigEditor, EditError};
use crate::error::{AdminError, AdminErrorKind};

/// How long another writer is waited for; a write takes milliseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);
const LOCK_POLL: Duration = Duration::from_millis(5);
/// What a new file begins as: it has the entry that exempts root.
const SHIPPED: &str = include_str!("../../../packaging/config.toml");
/// Mode of a new file.
const NEW_MODE: u32 = 0o644;

/// The configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    path: PathBuf,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum SaveError {
    /// The file is refused as it is, or would be as changed.
    Config(ConfigError),
    /// The change cannot be made in this text.
    ConfigEditor(PathBuf, EditError),
    /// The file was changed by something that does not take the lock, between reading and writing.
    ConcurrentChange(PathBuf),
    /// Another writer holds the lock.
    Locked(PathBuf),
    /// Doing something to a path failed.
    Io(&'static str, PathBuf, io::Error),
}

impl fmt::Display for SaveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::ConfigEditor(path, error) => write!(f, "{}: {error}", path.display()),
            Self::ConcurrentChange(path) => {
                write!(
                    f,
                    "{}: was changed while it was being written; nothing was saved, try again",
                    path.display()
                )
            }
            Self::Locked(path) => {
                write!(
                    f,
                    "{}: another writer holds the lock; nothing was saved, try again",
                    path.display()
                )
            }
            Self::Io(doing, path, error) => {
                write!(
                    f,
                    "{}: cannot {doing}: {}; nothing was saved",
                    path.display(),
                    system::error_text(error)
                )
            }
        }
    }
}

impl std::error::Error for SaveError {}

impl From<SaveError> for AdminError {
    fn from(error: SaveError) -> Self {
        let kind = match &error {
            SaveError::Config(_) => AdminErrorKind::Configuration,
            SaveError::ConfigEditor(..) | SaveError::ConcurrentChange(_) | SaveError::Locked(_) => {
                AdminErrorKind::InUse
            }
            SaveError::Io(..) => AdminErrorKind::Io,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<ConfigError> for SaveError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// What a file was when it was read; another file, or another content, is another stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileFingerprint {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    mode: u32,
    owner: (u32, u32),
}

impl FileFingerprint {
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let meta = match fs::symlink_metadata(path) {
            Ok(meta) => meta,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(Some(Self {
            file: (meta.dev(), meta.ino()),
            size: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            mode: meta.mode() & 0o7777,
            owner: (meta.uid(), meta.gid()),
        }))
    }
}

impl ConfigFile {
    /// Names the file at `path`; nothing is touched yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file as the module does: only the default file may be missing.
    ///
    /// # Errors
    /// When the module would refuse the file.
    pub fn read(&self) -> Result<Config, ConfigError> {
        if self.path == Path::new(config::DEFAULT_PATH) {
            Config::load_default()
        } else {
            Config::load(&self.path)
        }
    }

    /// Changes the file. `change` gets the text and what it means; the result is written if it is a
    /// good configuration and differs from what is there.
    ///
    /// # Errors
    /// Those of `change`, and see [`SaveError`]; the file is untouched then.
    pub fn update<T, E: From<SaveError>>(
        &self,
        change: impl FnOnce(&mut ConfigEditor, &Config) -> Result<T, E>,
    ) -> Result<T, E> {
        let directory = self.directory()?;
        let _lock = self.lock(&directory)?;
        let (stamp, text, config) = self.read_for_change()?;
        let mut edit = ConfigEditor::new(text.clone())
            .map_err(|e| SaveError::ConfigEditor(self.path.clone(), e))?;
        let result = change(&mut edit, &config)?;
        if edit.text() != text {
            self.check(edit.text()).map_err(SaveError::from)?;
            self.replace(&directory, stamp, edit.text())?;
        }
        Ok(result)
    }

    fn io(&self, doing: &'static str, error: io::Error) -> SaveError {
        SaveError::Io(doing, self.path.clone(), error)
    }

    /// Opens the directory that the file is in; the default one is created if it is missing.
    fn directory(&self) -> Result<File, SaveError> {
        let directory = match self.path.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        if self.path == Path::new(config::DEFAULT_PATH) {
            match fs::DirBuilder::new().mode(0o755).create(directory) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(SaveError::Io("create the directory", directory.to_owned(), e));
                }
                _ => {}
            }
        }
        OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY)
            .open(directory)
            .map_err(|e| SaveError::Io("open the directory", directory.to_owned(), e))
    }

    /// Returns `.NAMEsuffix`, which lies beside the file.
    fn sibling(&self, suffix: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!(".{name}{suffix}"))
    }

    fn lock(&self, directory: &File) -> Result<Lock, SaveError> {
        let path = self.sibling(".lock");
        // Mode 0600: who cannot write the file cannot hold up those who can.
        let file = rustix::fs::openat(
            directory,
            path.file_name().unwrap_or_default(),
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        )
        .map(File::from)
        .map_err(|e| SaveError::Io("open the lock file", path.clone(), e.into()))?;
        let began = Instant::now();
        while !system::file_lock::try_lock(&file)
            .map_err(|e| SaveError::Io("lock", path.clone(), e))?
        {
            if began.elapsed() >= LOCK_DEADLINE {
                return Err(SaveError::Locked(self.path.clone()));
            }
            std::thread::sleep(LOCK_POLL);
        }
        Ok(Lock(file))
    }

    fn read_for_change(&self) -> Result<(Option<FileFingerprint>, String, Config), SaveError> {
        let stamp = FileFingerprint::of(&self.path).map_err(|e| self.io("examine", e))?;
        self.read()?;
        if stamp.is_none() {
            let text = SHIPPED.to_owned();
            let config = self.check(&text)?;
            return Ok((None, text, config));
        }
        let text = fs::read_to_string(&self.path).map_err(|e| self.io("read", e))?;
        // What was checked may have been another text: the one in hand is what counts.
        let config = self.check(&text)?;
        Ok((stamp, text, config))
    }

    /// Returns what a text means, or the line the module would log.
    fn check(&self, text: &str) -> Result<Config, ConfigError> {
        let refused =
            |location, message| ConfigError { path: self.path.clone(), location, message };
        if text.len() as u64 > MAX_BYTES {
            return Err(refused(
                None,
                format!("would have {} bytes, expected at most {MAX_BYTES}", text.len()),
            ));
        }
        Config::parse(text).map_err(|mistake| {
            let place = mistake.span.map(|span| SourceLocation::of(text.as_bytes(), span.start));
            refused(place, mistake.message)
        })
    }

    fn replace(
        &self,
        directory: &File,
        stamp: Option<FileFingerprint>,
        text: &str,
    ) -> Result<(), SaveError> {
        let new = self.sibling(".new");
        // One that a killed writer left; the lock is ours, so no other process is writing to it.
        match fs::remove_file(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(self.io("remove the old temporary file", e));
            }
            _ => {}
        }
        let written = self.write_new(&new, stamp, text).and_then(|()| {
            let now = FileFingerprint::of(&self.path).map_err(|e| self.io("examine", e))?;
            if now != stamp {
                return Err(SaveError::ConcurrentChange(self.path.clone()));
            }
            fs::rename(&new, &self.path).map_err(|e| self.io("replace", e))
        });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&new);
            return written;
        }
        directory.sync_all().map_err(|e| self.io("flush the directory", e))
    }

    fn write_new(
        &self,
        new: &Path,
        stamp: Option<FileFingerprint>,
        text: &str,
    ) -> Result<(), SaveError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new)
            .map_err(|e| self.io("make a temporary file", e))?;
        file.write_all(text.as_bytes()).map_err(|e| self.io("write", e))?;
        if let Some(stamp) = stamp {
            fchown(&file, Some(stamp.owner.0), Some(stamp.owner.1))
                .map_err(|e| self.io("keep the owner", e))?;
        }
        let mode = stamp.map_or(NEW_MODE, |stamp| stamp.mode);
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(|e| self.io("keep the mode", e.into()))?;
        file.sync_all().map_err(|e| self.io("flush", e))
    }
}

/// The lock, held until dropped.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        system::file_lock::unlock(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::object::ObjectKind;

    const TEXT: &str =
        "# head\n[[useraccountprofile]]\nname = \"P\"\nmax_concurrent_sessions = 1 # one\n";

    fn file() -> (tempfile::TempDir, ConfigFile) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, TEXT).unwrap();
        (directory, ConfigFile::at(&path))
    }

    fn set(file: &ConfigFile, value: i64) -> Result<(), SaveError> {
        file.update(|edit, _| {
            edit.set(ObjectKind::Profile, "P", "max_concurrent_sessions", value)
                .map_err(|e| SaveError::ConfigEditor(PathBuf::new(), e))
        })
    }

    #[test]
    fn a_change_keeps_mode_and_comments_and_leaves_no_temporary_file() {
        let (directory, file) = file();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        set(&file, 5).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), TEXT.replace("= 1", "= 5"));
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o640);
        let mut names: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".config.toml.lock", "config.toml"]);
    }

    #[test]
    fn what_the_module_would_refuse_is_never_written() {
        let (_directory, file) = file();
        let error = set(&file, -1).unwrap_err();
        let expected = format!(
            "{}:4:27: invalid value: integer `-1`, expected a whole number",
            file.path().display()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(fs::read_to_string(file.path()).unwrap(), TEXT);
    }

    #[test]
    fn a_file_that_is_refused_is_not_touched() {
        let (_directory, file) = file();
        fs::write(file.path(), "mistake = 1\n").unwrap();
        assert!(matches!(set(&file, 5), Err(SaveError::Config(_))));
        fs::write(file.path(), TEXT).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(set(&file, 5), Err(SaveError::Config(_))));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), TEXT);
    }

    #[test]
    fn a_writer_without_the_lock_is_noticed() {
        let (_directory, file) = file();
        let other = TEXT.replace("one", "two");
        let result: Result<(), SaveError> = file.update(|edit, _| {
            fs::write(file.path(), &other).unwrap();
            edit.set(ObjectKind::Profile, "P", "max_concurrent_sessions", 9).unwrap();
            Ok(())
        });
        assert!(matches!(result, Err(SaveError::ConcurrentChange(_))));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), other);
    }

    #[test]
    fn a_temporary_file_left_by_a_killed_writer_is_no_hindrance() {
        let (directory, file) = file();
        fs::write(directory.path().join(".config.toml.new"), "half").unwrap();
        set(&file, 5).unwrap();
        assert!(!directory.path().join(".config.toml.new").exists());
    }

    #[test]
    fn a_symbolic_link_is_refused_not_followed() {
        let (directory, file) = file();
        let link = ConfigFile::at(&directory.path().join("link.toml"));
        std::os::unix::fs::symlink(file.path(), link.path()).unwrap();
        assert!(matches!(set(&link, 5), Err(SaveError::Config(_))));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), TEXT);
    }
}
