//! System calls that the standard library does not offer, each behind a safe function.

pub mod users;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Returns the reason of an error as one short text, without Rust's "(os error N)".
///
/// `strerror` is not used: it may share storage with the host process.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Returns the effective uid of the process.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Returns the pid of the calling process.
///
/// Asked afresh each time: the host may fork.
#[must_use]
pub fn own_pid() -> i32 {
    // SAFETY: getpid takes nothing and cannot fail.
    unsafe { libc::getpid() }
}

/// Returns the pid of the parent process.
#[must_use]
pub fn parent_pid() -> i32 {
    // SAFETY: getppid takes nothing and cannot fail.
    unsafe { libc::getppid() }
}

/// Returns the session id (setsid(2)) of the calling process.
#[must_use]
pub fn own_sid() -> i32 {
    // SAFETY: getsid(0) asks for the calling process and cannot fail.
    unsafe { libc::getsid(0) }
}

/// Gives a name to a file that was opened without one (`O_TMPFILE` of open(2)).
///
/// # Errors
///
/// Those of linkat: the name is taken, say.
pub fn link_unnamed(file: &File, path: &Path) -> io::Result<()> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = CString::new(path.as_os_str().as_bytes())?;
    let (here, follow) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: both names are terminated and outlive the call.
    match unsafe { libc::linkat(here, from.as_ptr(), here, to.as_ptr(), follow) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Returns the name of the program where the calling thread is the main one, whose name it is
/// (`PR_GET_NAME` of prctl(2)).
#[must_use]
pub fn name_of_main_thread() -> Option<CString> {
    let mut name = [0_u8; 16];
    // SAFETY: gettid takes nothing and cannot fail.
    let thread = unsafe { libc::gettid() };
    if thread != own_pid() {
        return None;
    }
    // SAFETY: the kernel writes at most 16 bytes, the last of them NUL.
    let done = unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) } == 0;
    if !done {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok().map(CStr::to_owned)
}

fn clock_ns(clock: libc::clockid_t) -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec to write to; the clocks used exist since Linux 2.6.39.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// Returns nanoseconds since boot, time asleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot_ns() -> i64 {
    clock_ns(libc::CLOCK_BOOTTIME)
}

/// Returns what [`boot_ns`] will return after `time`.
#[must_use]
pub fn boot_ns_in(time: Duration) -> i64 {
    boot_ns().saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns milliseconds since boot, time asleep included.
#[must_use]
pub fn boot_ms() -> i64 {
    boot_ns() / 1_000_000
}

/// Returns seconds since the epoch, for display only.
#[must_use]
pub fn epoch_seconds() -> i64 {
    clock_ns(libc::CLOCK_REALTIME) / 1_000_000_000
}

/// Tries to lock `file` for this open file alone (flock(2)); returns whether it did.
///
/// # Errors
///
/// Those of flock other than the lock being held.
pub fn try_lock(file: &File) -> io::Result<bool> {
    loop {
        // SAFETY: the descriptor is open for as long as `file` is borrowed.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock => return Ok(false),
            io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
}

/// Releases a lock taken by [`try_lock`].
///
/// Closing alone is not enough: a child that the host forked meanwhile holds the same open file.
pub fn unlock(file: &File) {
    // SAFETY: the descriptor is open for as long as `file` is borrowed.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
}

/// Locks the bytes of `file` that every SQLite asks for before it reads or writes a database; returns
/// false while another program has one of them.
///
/// The numbers are those of `sqlite3.c`: `PENDING_BYTE` and the 511 behind it. Let go when any descriptor
/// of the file is closed in this process (fcntl(2), "Advisory record locking").
///
/// # Errors
///
/// Those of fcntl other than the lock being held.
pub fn lock_other_programs_out(file: &File) -> io::Result<bool> {
    // SAFETY: flock is plain numbers, for which all zeroes is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::c_short::try_from(libc::F_WRLCK).unwrap_or_default();
    lock.l_start = 0x4000_0000;
    lock.l_len = 512;
    // SAFETY: the descriptor is open, the lock lives across the call.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(false),
        _ => Err(error),
    }
}

/// A futex(2) in the first four bytes of a file, shared by all processes that map it.
///
/// The memory is never touched from here, only by the kernel, which answers with an error where a
/// program would get SIGBUS (a truncated file, a full file system). Readers and writers of the word
/// use the file.
#[derive(Debug)]
pub struct SharedWord {
    address: *mut libc::c_void,
}

impl SharedWord {
    const LENGTH: usize = size_of::<u32>();

    /// Maps the word of `file`.
    ///
    /// # Errors
    ///
    /// Those of mmap(2).
    pub fn map(file: &File) -> io::Result<Self> {
        // SAFETY: a new mapping at an address of the kernel's choice; the descriptor is open.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::LENGTH,
                libc::PROT_READ,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Self { address })
        }
    }

    /// Sleeps until somebody wakes this waiter, at most for `time`; not at all if the word is not
    /// `value` any more. Where the kernel cannot, sleeps for `time`.
    pub fn wait_while(&self, value: u32, time: Duration) {
        #[allow(clippy::unnecessary_fallible_conversions, reason = "c_long has 32 bits elsewhere")]
        let time_left = libc::timespec {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::try_from(time.subsec_nanos()).unwrap_or(0),
        };
        // SAFETY: the address is mapped for as long as `self` lives, and aligned as a page; the
        // timespec lives across the call.
        let woken = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.address,
                libc::FUTEX_WAIT,
                value,
                &raw const time_left,
                std::ptr::null::<u32>(),
                0,
            )
        };
        if woken != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) {
            std::thread::sleep(time);
        }
    }

    /// Wakes the process that has waited longest; returns whether there was one.
    #[must_use]
    pub fn wake_one(&self) -> bool {
        // SAFETY: the address is mapped for as long as `self` lives, and aligned as a page.
        unsafe { libc::syscall(libc::SYS_futex, self.address, libc::FUTEX_WAKE, 1) > 0 }
    }
}

impl Drop for SharedWord {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and used by nobody else.
        unsafe { libc::munmap(self.address, Self::LENGTH) };
    }
}

/// Returns whether the file lies in memory only (tmpfs, ramfs), so that a reboot empties it.
#[must_use]
pub fn is_in_memory(file: &File) -> bool {
    const RAMFS_MAGIC: i64 = 0x8584_58f6;
    // SAFETY: statfs is plain numbers, for which all zeroes is a value.
    let mut fs: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open, `fs` is a valid statfs to write to.
    let done = unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut fs) } == 0;
    #[allow(clippy::unnecessary_cast, reason = "f_type is not i64 on every architecture")]
    let kind = fs.f_type as i64;
    #[allow(clippy::unnecessary_cast, reason = "TMPFS_MAGIC is not i64 on every architecture")]
    let tmpfs = libc::TMPFS_MAGIC as i64;
    done && (kind == tmpfs || kind == RAMFS_MAGIC)
}

/// Opens a descriptor that names one process for good (pidfd_open(2), Linux 5.3).
///
/// # Errors
///
/// `ESRCH` where the process is gone, `ENOSYS` on older kernels.
pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor, close-on-exec, to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends `signal` to the process behind `pidfd`.
///
/// # Errors
///
/// `ESRCH` where it is gone.
pub fn pidfd_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open; a null siginfo means the same as kill(2).
    let sent = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends `signal` to a pid; for kernels without pidfds.
///
/// # Errors
///
/// Those of kill(2).
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Returns device and inode of what `path` leads to, symbolic links followed.
///
/// # Errors
///
/// Those of stat(2).
pub fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(path)?;
    Ok((meta.dev(), meta.ino()))
}

/// Signals held off from this thread for as long as the value lives.
///
/// All but those that report a fault of the thread itself: the kernel, a terminal or a timer that the
/// caller of a setuid program set must not stop or end the host while it owns the lock. SIGXFSZ, which
/// a file size limit sends at our own writes, would end the process; consumed here, the write fails
/// with EFBIG instead.
pub struct SignalsHeld {
    before: libc::sigset_t,
    size_signal_was_pending: bool,
}

impl SignalsHeld {
    /// Holds the signals off.
    #[must_use]
    pub fn new() -> Self {
        let mut held = empty_signal_set();
        // SAFETY: `held` is a valid set to write to.
        unsafe { libc::sigfillset(&raw mut held) };
        for signal in [
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGILL,
            libc::SIGFPE,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
        ] {
            // SAFETY: `held` is an initialised set, the signal numbers are valid.
            unsafe { libc::sigdelset(&raw mut held, signal) };
        }
        let mut before = empty_signal_set();
        // SAFETY: both sets are initialised and live across the call.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const held, &raw mut before) };
        // SAFETY: `before` is an initialised set, the signal number valid.
        let was_held = unsafe { libc::sigismember(&raw const before, libc::SIGXFSZ) } == 1;
        // Not held off, it would have arrived.
        Self { before, size_signal_was_pending: was_held && size_signal_is_pending() }
    }
}

impl std::fmt::Debug for SignalsHeld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalsHeld").finish_non_exhaustive()
    }
}

impl Default for SignalsHeld {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SignalsHeld {
    fn drop(&mut self) {
        if !self.size_signal_was_pending && size_signal_is_pending() {
            let mut size_signal = empty_signal_set();
            // SAFETY: the set is initialised, the signal number valid.
            unsafe { libc::sigaddset(&raw mut size_signal, libc::SIGXFSZ) };
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
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

#[cfg(not(any(target_arch = "x86", target_arch = "arm")))]
use libc::SYS_setresuid as SETRESUID;
#[cfg(any(target_arch = "x86", target_arch = "arm"))]
use libc::SYS_setresuid32 as SETRESUID;

/// A setuid program put out of its caller's reach for as long as the value lives.
///
/// Its real uid is the caller's, which permits him kill(2): by SIGSTOP, which nothing holds off, he
/// could let the host keep the lock while everybody else waits. With root as the real uid, too, he may
/// signal it no more. Only the calling thread changes; libc's own setresuid would change them all.
#[derive(Debug)]
pub struct OutOfReach {
    caller: Option<libc::uid_t>,
}

impl OutOfReach {
    /// Takes the caller's right away, if there is such a caller.
    #[must_use]
    pub fn new() -> Self {
        let (mut real, mut effective, mut saved) = (0, 0, 0);
        // SAFETY: all three are valid to write to.
        let known = unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
        let is_setuid = known == 0 && real != 0 && effective == 0;
        // The call would set the file system's uid to the effective one: an odd one is left alone.
        // SAFETY: -1 is no uid: nothing is set, the present one is returned.
        if is_setuid && unsafe { libc::setfsuid(libc::uid_t::MAX) } == 0 {
            set_real_uid(0);
            wait_for_signals_on_their_way();
            return Self { caller: Some(real) };
        }
        Self { caller: None }
    }
}

impl Default for OutOfReach {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OutOfReach {
    fn drop(&mut self) {
        if let Some(caller) = self.caller {
            // Out of kernel memory it may be refused, at worst for a moment.
            while !set_real_uid(caller) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
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

/// Descriptors 0 to 2, where the host left them closed, taken for as long as the value lives.
///
/// They behave as if they were closed: what is written to them by habit fails. Without this a file of
/// ours could be there, and get what is written by habit.
pub struct LowDescriptors {
    _taken: Vec<OwnedFd>,
}

impl LowDescriptors {
    /// Takes those that are closed.
    #[must_use]
    pub fn new() -> Self {
        let mut taken = Vec::new();
        while is_one_closed() {
            // SAFETY: the path is terminated.
            let fd = unsafe { libc::open(c"/".as_ptr(), libc::O_PATH | libc::O_CLOEXEC) };
            if fd < 0 {
                break;
            }
            // SAFETY: the kernel has just returned this descriptor to nobody else.
            let fd = unsafe { OwnedFd::from_raw_fd(fd) };
            // Another thread of the host was faster.
            if fd.as_raw_fd() > 2 {
                break;
            }
            taken.push(fd);
        }
        Self { _taken: taken }
    }
}

/// Returns whether descriptor 0, 1 or 2 is closed.
fn is_one_closed() -> bool {
    let asked = |fd| libc::pollfd { fd, events: 0, revents: 0 };
    let mut low = [asked(0), asked(1), asked(2)];
    // SAFETY: three of them are valid to read and write; with a time of 0 poll does not wait.
    if unsafe { libc::poll(low.as_mut_ptr(), 3, 0) } >= 0 {
        return low.iter().any(|one| one.revents & libc::POLLNVAL != 0);
    }
    // A limit of less than three descriptors.
    // SAFETY: asks for flags of a number, open or not.
    (0..=2).any(|number| unsafe { libc::fcntl(number, libc::F_GETFD) } < 0)
}

impl Default for LowDescriptors {
    fn default() -> Self {
        Self::new()
    }
}

/// Connects to a stream socket, or fails at once where that would have to wait.
///
/// # Errors
///
/// Those of connect(2); `EAGAIN` where the listener's queue is full.
pub fn connect_without_waiting(path: &Path) -> io::Result<UnixStream> {
    // SAFETY: sockaddr_un is plain bytes, for which all zeroes is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or_default();
    let name = path.as_os_str().as_bytes();
    // One byte stays zero: the name must be terminated.
    if name.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(name) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes three integers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, flags, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor to nobody else.
    let socket = unsafe { UnixStream::from_raw_fd(fd) };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).unwrap_or_default();
    // SAFETY: `address` is a sockaddr_un of `length` bytes that lives across the call.
    let connected = unsafe { libc::connect(fd, (&raw const address).cast(), length) };
    if connected == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}
