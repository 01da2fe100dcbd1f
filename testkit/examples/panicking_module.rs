//! A PAM module whose hooks panic: shows what the module's own panic guard does in a host.
//!
//! It shares the guard's source file; to link the module's library would define its hooks twice.

#![allow(clippy::panic, missing_docs)]

use std::ffi::CStr;

use pam::constants::{PamFlag, PamResultCode};
use pam::module::{PamHandle, PamHooks};

#[path = "../../src/panic_guard.rs"]
#[allow(dead_code, reason = "only the silence is shown")]
mod panic_guard;

struct Panicking;
pam::pam_hooks!(Panicking);

impl PamHooks for Panicking {
    fn acct_mgmt(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        panic_guard::silence();
        panic!("the account hook panics")
    }

    fn sm_open_session(_: &mut PamHandle, _: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        panic_guard::silence();
        panic!("the session hook panics")
    }
}
