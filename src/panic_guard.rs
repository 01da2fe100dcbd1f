//! Panics inside a host process: caught at the entry by `pam_hooks!`, and never printed.

use std::sync::Once;

/// Makes panics of this library silent.
///
/// The standard library's own hook writes to descriptor 2, which may be a user's terminal or file,
/// and reads `RUST_BACKTRACE` from an environment that a setuid program's caller controls. The hook
/// is that of the module's own copy of the standard library: a host written in Rust keeps its own.
pub fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
}
