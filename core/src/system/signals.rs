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

/// Signals that report a fault of the thread itself.
const FAULTS: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

impl BlockedSignals {
    /// Blocks the signals.
    #[must_use]
    pub fn new() -> Self {
        let all = 1..=libc::SIGRTMAX();
        let blocked = set_of(all.filter(|signal| !FAULTS.contains(signal)));
        let before = change_mask(libc::SIG_BLOCK, &blocked);
        let was_blocked = contains(&before, libc::SIGXFSZ);
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
            let size_signal = set_of([libc::SIGXFSZ]);
            let at_once = libc::timespec::default();
            // SAFETY: set and timespec live across the call; a null siginfo is allowed.
            unsafe {
                libc::sigtimedwait(&raw const size_signal, std::ptr::null_mut(), &raw const at_once)
            };
        }
        change_mask(libc::SIG_SETMASK, &self.before);
    }
}

/// Returns the set of these signals; numbers that the C library keeps for itself are left out.
fn set_of(signals: impl IntoIterator<Item = libc::c_int>) -> libc::sigset_t {
    // SAFETY: sigset_t is plain integers, for which all zeroes is a value.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid sigset_t to write to.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in signals {
        // SAFETY: `set` is an initialised set; a number that is not valid changes nothing.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

fn contains(set: &libc::sigset_t, signal: libc::c_int) -> bool {
    // SAFETY: `set` is an initialised set.
    unsafe { libc::sigismember(set, signal) == 1 }
}

/// Changes which signals this thread blocks; returns those that it blocked before.
fn change_mask(how: libc::c_int, set: &libc::sigset_t) -> libc::sigset_t {
    let mut before = set_of([]);
    // SAFETY: both sets are initialised and live across the call.
    unsafe { libc::pthread_sigmask(how, set, &raw mut before) };
    before
}

fn size_signal_is_pending() -> bool {
    let mut pending = set_of([]);
    // SAFETY: `pending` is a valid set to write to.
    let known = unsafe { libc::sigpending(&raw mut pending) } == 0;
    known && contains(&pending, libc::SIGXFSZ)
}
