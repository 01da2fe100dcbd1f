//! The new password, asked for as pam_unix and pam_pwhistory ask for it.

use std::ffi::{c_char, c_int};

use pam::constants::PamResultCode;
use pam::module::PamHandle;

const PAM_AUTHTOK: c_int = 6;
/// How often a user is asked who types two different passwords.
const TRIES: usize = 3;

unsafe extern "C" {
    fn pam_get_authtok(
        handle: *mut PamHandle,
        item: c_int,
        password: *mut *const c_char,
        prompt: *const c_char,
    ) -> c_int;
}

/// Has libpam ask for the new password twice, unless it has it already; it keeps it for the lines that follow.
pub fn ask(handle: &mut PamHandle) -> PamResultCode {
    let mut code = PamResultCode::PAM_TRY_AGAIN;
    for _ in 0..TRIES {
        let mut password = std::ptr::null();
        // SAFETY: the handle is live and `password` valid to write to; it is libpam's, and not used here.
        let asked =
            unsafe { pam_get_authtok(handle, PAM_AUTHTOK, &raw mut password, std::ptr::null()) };
        code = PamResultCode::try_from(asked).unwrap_or(PamResultCode::PAM_SYSTEM_ERR);
        if code != PamResultCode::PAM_TRY_AGAIN {
            break;
        }
    }
    code
}
