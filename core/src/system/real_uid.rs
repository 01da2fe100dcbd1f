//! The real uid of a setuid program, which permits its caller to stop it.

use std::io;
use std::time::Duration;

#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
use libc::SYS_setresuid as SETRESUID;
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
use libc::SYS_setresuid32 as SETRESUID;

/// Puts a setuid program out of its caller's reach for as long as the value lives.
///
/// The real uid of such a program is its caller's, which permits the caller kill(2): by SIGSTOP, which
/// cannot be blocked, the caller could make the program keep the lock while every other login waits.
/// With root as the real uid, too, the caller may signal it no more. Only the calling thread changes;
/// libc's own setresuid would change them all.
///
/// Nothing changes where the real uid could not be given back, for want of `CAP_SETUID`.
#[derive(Debug)]
pub struct RealUidGuard {
    caller: Option<libc::uid_t>,
}

impl RealUidGuard {
    /// Makes root the real uid, if it is another one and can be given back.
    #[must_use]
    pub fn new() -> Self {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        // SAFETY: all three are valid to write to.
        let known = unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
        let is_setuid = known == 0 && real != 0 && effective == 0;
        if !is_setuid || !may_set_uids() {
            return Self { caller: None };
        }
        // The call would set the file system's uid to the effective one: an odd one is left alone.
        // SAFETY: -1 is no uid: nothing is set, the present one is returned.
        if unsafe { libc::setfsuid(libc::uid_t::MAX) } != 0 {
            return Self { caller: None };
        }
        set_real_uid(0);
        wait_for_signals_on_their_way();
        Self { caller: Some(real) }
    }
}

impl Default for RealUidGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RealUidGuard {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            // Out of kernel memory it may be refused, at worst for a moment.
            while !set_real_uid(caller) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// Returns whether the calling thread has `CAP_SETUID` (capget(2), capabilities(7)).
fn may_set_uids() -> bool {
    /// `_LINUX_CAPABILITY_VERSION_3`
    const VERSION_3: u32 = 0x2008_0522;
    const CAP_SETUID: u32 = 7;
    let header: [u32; 2] = [VERSION_3, 0];
    // Effective, permitted and inheritable, in two halves of 32 bits.
    let mut sets = [0_u32; 6];
    // SAFETY: the structures of capget(2): a version and a pid (0: the calling thread), and two times
    // three words that are valid to write to.
    let done = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) } == 0;
    let [effective, ..] = sets;
    done && effective & (1 << CAP_SETUID) != 0
}

/// Returns when no kill(2) is under way any more that was permitted earlier and has not arrived yet.
///
/// The kernel permits and sends a signal inside one read-side section of its RCU; a global membarrier(2)
/// waits for all of those, some milliseconds. What arrived meanwhile is acted on before this returns.
fn wait_for_signals_on_their_way() {
    const GLOBAL: libc::c_int = 1;
    // SAFETY: membarrier takes three integers; a kernel without it changes nothing.
    unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0, 0) };
}

/// Sets this thread's real uid; returns false where it makes sense to try again.
fn set_real_uid(uid: libc::uid_t) -> bool {
    const UNCHANGED: libc::uid_t = libc::uid_t::MAX;
    // SAFETY: setresuid takes three integers.
    let set = unsafe { libc::syscall(SETRESUID, uid, UNCHANGED, UNCHANGED) };
    set == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::EAGAIN)
}
