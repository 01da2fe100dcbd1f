//! The token in the PAM handle, from one phase to the next: the module's only `unsafe`.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};

use pam::module::PamHandle;
use session_limit_core::admission::SessionToken;

use crate::panic_guard;

/// Under what name libpam keeps it. Another version of this module in the same process, whose structures
/// look different, has another name.
const DATA_NAME: &CStr = match CStr::from_bytes_with_nul(
    concat!("pam_session_limit:token:", env!("CARGO_PKG_VERSION"), "\0").as_bytes(),
) {
    Ok(name) => name,
    Err(_) => c"pam_session_limit:token",
};

/// Bits of a cleanup's status that are no error: `PAM_DATA_SILENT`, `PAM_DATA_REPLACE`, and
/// `PAM_SILENT`, which systemd adds.
const NO_ERROR_BITS: c_int = 0x4000_0000 | REPLACE_BIT | 0x8000;
const REPLACE_BIT: c_int = 0x2000_0000;

/// What is done with the token when its handle ends; the flag says whether the stack had failed.
pub type OnEnd = fn(Option<&PamHandle>, &SessionToken, bool);

/// What libpam keeps for us. The first field has the same place in every build.
#[repr(C)]
struct StoredToken {
    /// The address of [`cleanup_token`]: another build of the same version has another one.
    owner: usize,
    token: RefCell<Option<SessionToken>>,
    on_end: OnEnd,
}

// pam-bindings offers these too, but its cleanup does not see the status.
unsafe extern "C" {
    fn pam_get_data(
        handle: *const PamHandle,
        name: *const c_char,
        data: *mut *const c_void,
    ) -> c_int;
    fn pam_set_data(
        handle: *mut PamHandle,
        name: *const c_char,
        data: *mut c_void,
        cleanup: unsafe extern "C" fn(*mut PamHandle, *mut c_void, c_int),
    ) -> c_int;
}

/// Returns a copy of what an earlier phase stored in this handle.
pub fn stored(handle: &PamHandle) -> Option<SessionToken> {
    found(handle).and_then(|stored| stored.token.borrow().clone())
}

/// Takes what an earlier phase stored out of this handle.
pub fn take(handle: &PamHandle) -> Option<SessionToken> {
    found(handle).and_then(|stored| stored.token.take())
}

/// Stores the token in the handle, for `on_end` to have when the handle ends; returns whether libpam
/// could.
pub fn store(handle: &mut PamHandle, token: SessionToken, on_end: OnEnd) -> bool {
    // Set once and changed in place: to set it again would clean the old one up.
    if let Some(stored) = found(handle) {
        stored.token.replace(Some(token));
        return true;
    }
    let token = RefCell::new(Some(token));
    let data = Box::into_raw(Box::new(StoredToken { owner: owner(), token, on_end }));
    // SAFETY: handle and name are valid; `data` is a box of ours, which `cleanup_token` takes back.
    let set = unsafe { pam_set_data(handle, DATA_NAME.as_ptr(), data.cast(), cleanup_token) } == 0;
    if !set {
        // SAFETY: libpam did not take the box that was made above.
        drop(unsafe { Box::from_raw(data) });
    }
    set
}

fn owner() -> usize {
    cleanup_token as *const () as usize
}

fn found(handle: &PamHandle) -> Option<&StoredToken> {
    let mut data = std::ptr::null();
    // SAFETY: handle and name are valid, `data` is valid to write to.
    let found = unsafe { pam_get_data(handle, DATA_NAME.as_ptr(), &raw mut data) } == 0;
    if !found || data.is_null() {
        return None;
    }
    // SAFETY: data of this name was stored by a build of this version, and begins with the word that
    // tells which; it lives until the handle ends, and the handle is borrowed.
    let is_ours = unsafe { data.cast::<usize>().read() } == owner();
    // SAFETY: as above, and this very build stored it.
    is_ours.then(|| unsafe { &*data.cast::<StoredToken>() })
}

/// The handle ends: takes the data back, and with it a slot that nothing else would release.
unsafe extern "C" fn cleanup_token(handle: *mut PamHandle, data: *mut c_void, status: c_int) {
    let _logged = panic_guard::catch(|| {
        if data.is_null() {
            return;
        }
        // SAFETY: `store` made this box for libpam, which hands it over exactly once.
        let stored = unsafe { Box::from_raw(data.cast::<StoredToken>()) };
        let stack_failed = status & !NO_ERROR_BITS != 0;
        if let Some(token) = stored.token.take().filter(|_| status & REPLACE_BIT == 0) {
            // SAFETY: libpam passes the handle that is ending, its items still there.
            let handle = unsafe { handle.as_ref() };
            (stored.on_end)(handle, &token, stack_failed);
        }
    });
}
