//! Signals blocked while the host process must not be interrupted.

/// Blocks signals in this thread for as long as the value lives.
///
/// All but those that report a fault of the thread itself: a terminal, or a timer that the caller of a
/// setuid program set, must not stop or end the host while it owns the lock. SIGXFSZ, which a file size
/// limit sends at our own writes, would end the process; consumed here, the write fails with EFBIG.
pub struct BlockedSignals {
    before: libc::sigset_t,
    size_signal_was_pending: bool,
}

impl BlockedSignals {
    /// Blocks the signals.
    #[must_use]
    pub fn new() -> Self {
        let mut blocked = empty_signal_set();
        // SAFETY: `blocked` is a valid set to write to.
        unsafe { libc::sigfillset(&raw mut blocked) };
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
        ] {
            // SAFETY: `blocked` is an initialised set, the signal numbers are valid.
            unsafe { libc::sigdelset(&raw mut blocked, signal) };
        }
        let mut before = empty_signal_set();
        // SAFETY: both sets are initialised and live across the call.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const blocked, &raw mut before) };
        // SAFETY: `before` is an initialised set, the signal number valid.
        let was_blocked = unsafe { libc::sigismember(&raw const before, libc::SIGXFSZ) } == 1;
        // Not blocked, it would have arrived.
        Self { before, size_signal_was_pending: was_blocked && size_signal_is_pending() }
    }
}

impl std::fmt::Debug for BlockedSignals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockedSignals").finish_non_exhaustive()
    }
}

impl Default for BlockedSignals {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        if !self.size_signal_was_pending && size_signal_is_pending() {
            let mut size_signal = empty_signal_set();
            // SAFETY: the set is initialised, the signal number valid.
            unsafe { libc::sigaddset(&raw mut size_signal, libc::SIGXFSZ) };
            let at_once = libc::timespec::default();
            // SAFETY: set and timespec live across the call; a null siginfo is allowed.
            unsafe {
                libc::sigtimedwait(&raw const size_signal, std::ptr::null_mut(), &raw const at_once)
            };
        }
        // SAFETY: `before` is the set that pthread_sigmask filled in; a null old set is allowed.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut())
        };
    }
}

fn empty_signal_set() -> libc::sigset_t {
    // SAFETY: sigset_t is plain integers, for which all zeroes is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid sigset_t to write to.
    unsafe { libc::sigemptyset(&raw mut set) };
    set
}

fn size_signal_is_pending() -> bool {
    let mut pending = empty_signal_set();
    // SAFETY: `pending` is a valid set to write to.
    let known = unsafe { libc::sigpending(&raw mut pending) } == 0;
    // SAFETY: `pending` is an initialised set, the signal number valid.
    known && unsafe { libc::sigismember(&raw const pending, libc::SIGXFSZ) } == 1
}
