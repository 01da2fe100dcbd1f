//! A PAM module that tells where a stack is: a tracer by a system call that does not exist, a preloaded
//! shim by its own function.

#![allow(missing_docs)]

use std::ffi::CStr;

use pam::constants::{PamFlag, PamResultCode};
use pam::module::{PamHandle, PamHooks};

/// As in `testkit`, which a module does not link.
const MARK: libc::c_long = 9_999;

struct Marking;
pam::pam_hooks!(Marking);

fn mark() -> PamResultCode {
    // SAFETY: the kernel refuses the number and does nothing.
    unsafe { libc::syscall(MARK) };
    // SAFETY: the name is terminated.
    let shim = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"shim_mark".as_ptr()) };
    if !shim.is_null() {
        // SAFETY: this is the function's type, in `preload_shim.rs`.
        let shim = unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn()>(shim) };
        shim();
    }
    PamResultCode::PAM_IGNORE
}

impl PamHooks for Marking {
    fn acct_mgmt(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        mark()
    }

    fn sm_open_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        mark()
    }

    fn sm_close_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        mark()
    }
}
