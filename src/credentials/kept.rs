//! What one phase of a login leaves in the PAM handle for the next: the user's profile, and whether a password
//! was asked for.

use std::ffi::CString;
use std::path::PathBuf;

use pam::module::PamHandle;
use session_limit_core::system::users::User;

/// What configuration and name services say of a user, and what has happened so far.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The user as the application spells the name.
    pub typed: CString,
    /// The configuration file that was read; `None` is the default one.
    pub config: Option<PathBuf>,
    /// The user.
    pub user: User,
    /// Failures that lock the account; 0 = none do.
    pub deny: u32,
    /// Seconds that a lock lasts; 0 = until it is removed.
    pub lock_seconds: u32,
    /// Passwords remembered; 0 = none.
    pub history: u32,
    /// Days after which a password expires; 0 = never.
    pub expiry_days: u32,
    /// Whether the service is one that users log in by.
    pub is_login: bool,
    /// Whether this handle has asked for a password, the outcome of which is not recorded yet.
    pub is_authenticating: bool,
}

/// Returns the name in the handle: one for each copy of this library in the process, whose structures may
/// differ. The library is never unloaded.
fn name() -> String {
    format!("pam_session_limit:credentials:{:x}", name as *const () as usize)
}

/// Returns what an earlier phase stored in this handle.
pub fn stored(handle: &PamHandle) -> Option<Kept> {
    // SAFETY: only `store` of this very copy of the library uses the name, for a value of this type.
    unsafe { handle.get_data::<Kept>(&name()) }.ok().cloned()
}

/// Stores what the next phase is to know. Where libpam cannot, the next phase finds it out again.
pub fn store(handle: &mut PamHandle, kept: Kept) {
    let _ = handle.set_data(&name(), Box::new(kept));
}
