//! A PAM module that tells a tracer where a stack is: its hooks make a system call that does not exist.

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
