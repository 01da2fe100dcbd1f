//! Panics inside a host process: caught, never printed, and told to the caller.
#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once};

/// Where the last panic was, and what it said.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs `work`; a panic becomes an error that says where it was.
///
/// # Errors
///
/// The panic's text.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    silence();
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        // A payload may panic when it is dropped.
        std::mem::forget(payload);
        LAST.try_lock().map(|last| last.clone()).unwrap_or_default()
    })
}

/// Makes panics of this library silent, and has their text kept.
///
/// The standard library's own hook writes to descriptor 2, which may be a user's terminal or file,
/// and reads `RUST_BACKTRACE` from an environment that a setuid program's caller controls. The hook
/// is that of the module's own copy of the standard library: a host written in Rust keeps its own.
pub fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("no message");
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            // A thread of the host may be at it: then its text stands there.
            if let Ok(mut last) = LAST.try_lock() {
                *last = format!("{place}: {text}");
            }
        }));
    });
}
