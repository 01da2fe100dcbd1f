//! The distribution's own `pam_faillock` and `pam_pwhistory`, called with arguments of our choice.
//!
//! They have no settings for single users; this module chooses their arguments by the user's profile. Tally,
//! history, messages, log lines and audit records stay theirs, and so do the `faillock` command and the file
//! of old passwords.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pam::constants::{PamFlag, PamResultCode};
use pam::module::PamHandle;
use session_limit_core::model::sanitize::printable;
use session_limit_core::system::library::Library;

/// Where distributions keep the modules of Linux-PAM; never looked up by a search path.
const DIRECTORIES: [&str; 4] =
    [multiarch(), "/usr/lib64/security", "/usr/lib/security", "/lib/security"];

/// Debian's directory for this architecture.
const fn multiarch() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "/usr/lib/x86_64-linux-gnu/security"
    } else if cfg!(target_arch = "aarch64") {
        "/usr/lib/aarch64-linux-gnu/security"
    } else if cfg!(target_arch = "riscv64") {
        "/usr/lib/riscv64-linux-gnu/security"
    } else if cfg!(target_arch = "powerpc64") {
        "/usr/lib/powerpc64le-linux-gnu/security"
    } else if cfg!(target_arch = "s390x") {
        "/usr/lib/s390x-linux-gnu/security"
    } else if cfg!(target_arch = "arm") {
        "/usr/lib/arm-linux-gnueabihf/security"
    } else if cfg!(target_arch = "x86") {
        "/usr/lib/i386-linux-gnu/security"
    } else {
        "/lib64/security"
    }
}

/// A hook of another module: `pam_sm_authenticate`(3) and the like.
type Hook = unsafe extern "C" fn(*mut PamHandle, PamFlag, c_int, *const *const c_char) -> c_int;

/// Which hook is called.
#[derive(Debug, Clone, Copy)]
pub enum Symbol {
    /// `pam_sm_authenticate`
    Authenticate,
    /// `pam_sm_chauthtok`
    ChangePassword,
}

impl Symbol {
    fn name(self) -> &'static CStr {
        match self {
            Self::Authenticate => c"pam_sm_authenticate",
            Self::ChangePassword => c"pam_sm_chauthtok",
        }
    }
}

/// Why another module could not be called.
#[derive(Debug, PartialEq, Eq)]
pub enum DelegateError {
    /// It is in none of the directories, or not at the path that the stack names.
    Missing(String),
    /// The file is not a module for this process.
    NotLoaded(String),
    /// It does not have the hook.
    NoHook(PathBuf),
}

impl fmt::Display for DelegateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "{name} is missing, expected the module of Linux-PAM"),
            Self::NotLoaded(reason) => write!(f, "cannot be loaded: {reason}"),
            Self::NoHook(path) => {
                write!(f, "{} lacks a hook, expected the module of Linux-PAM", path.display())
            }
        }
    }
}

/// A module of the distribution.
#[derive(Debug)]
pub struct Delegate<'a> {
    /// Its file's name, such as `pam_faillock.so`.
    pub file: &'static str,
    /// Another file, where the stack names one.
    pub path: Option<&'a Path>,
}

impl Delegate<'_> {
    /// Calls a hook with these arguments and returns its verdict.
    ///
    /// # Errors
    ///
    /// The module cannot be called; nothing was done.
    pub fn call(
        &self,
        handle: &mut PamHandle,
        symbol: Symbol,
        flags: PamFlag,
        arguments: &[CString],
    ) -> Result<PamResultCode, DelegateError> {
        let hook = load(&self.found()?, symbol)?;
        let pointers: Vec<*const c_char> = arguments.iter().map(|word| word.as_ptr()).collect();
        let count = c_int::try_from(pointers.len()).unwrap_or(0);
        // SAFETY: libpam calls it with the same: a live handle and `count` terminated strings, which
        // outlive the call. It runs on the thread that has the handle.
        let code = unsafe { hook(handle, flags, count, pointers.as_ptr()) };
        // What no version of PAM returns is no permission.
        Ok(PamResultCode::try_from(code).unwrap_or(PamResultCode::PAM_SYSTEM_ERR))
    }

    /// Returns the file. Only a regular one is opened: a FIFO would hold the login up.
    fn found(&self) -> Result<PathBuf, DelegateError> {
        if let Some(path) = self.path {
            return match path.is_file() {
                true => Ok(path.to_owned()),
                false => Err(DelegateError::Missing(printable(path.as_os_str().as_bytes()))),
            };
        }
        let mut candidates =
            DIRECTORIES.iter().map(|directory| Path::new(directory).join(self.file));
        candidates
            .find(|path| path.is_file())
            .ok_or_else(|| DelegateError::Missing(self.file.to_owned()))
    }
}

fn load(path: &Path, symbol: Symbol) -> Result<Hook, DelegateError> {
    let name = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
    // It stays loaded: libpam may call back into what it has left in the handle.
    let library = Library::load(&name)
        .map_err(|reason| DelegateError::NotLoaded(printable(reason.as_bytes())))?;
    let Some(found) = library.function(symbol.name()) else {
        return Err(DelegateError::NoHook(path.to_owned()));
    };
    // SAFETY: a function of this name in a PAM module has this signature (pam_sm_authenticate(3)).
    Ok(unsafe { std::mem::transmute::<*mut c_void, Hook>(found.as_ptr()) })
}
