//! A library for `LD_PRELOAD`: moves the wall clock, makes memory allocations fail, and stands for the kernel's
//! audit.
//!
//! Records of the audit trail are appended to the file that `SHIM_AUDIT_TRAIL` names, and do not reach the
//! kernel; `none` is a kernel without audit.
//!
//! `SHIM_CLOCK_OFFSET` seconds are added to the wall clock. After [`shim_fail_at`] the n-th allocation
//! between two calls of [`shim_mark`] fails, once.

#![allow(missing_docs)]

use std::ffi::{CStr, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};

/// Allocations left until one fails; 0 and below: none does.
static LEFT: AtomicI64 = AtomicI64::new(0);
static BETWEEN_MARKS: AtomicBool = AtomicBool::new(false);
const UNREAD: i64 = i64::MIN;
static OFFSET: AtomicI64 = AtomicI64::new(UNREAD);

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
}

/// Lets the `n`-th allocation fail; returns how many were left of the last request.
#[unsafe(no_mangle)]
pub extern "C" fn shim_fail_at(n: i64) -> i64 {
    LEFT.swap(n, Ordering::SeqCst)
}

#[unsafe(no_mangle)]
pub extern "C" fn shim_mark() {
    BETWEEN_MARKS.fetch_xor(true, Ordering::SeqCst);
}

fn fails() -> bool {
    BETWEEN_MARKS.load(Ordering::SeqCst)
        && LEFT.load(Ordering::SeqCst) > 0
        && LEFT.fetch_sub(1, Ordering::SeqCst) == 1
}

#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: glibc's own.
    if fails() { std::ptr::null_mut() } else { unsafe { __libc_malloc(size) } }
}

#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: glibc's own.
    if fails() { std::ptr::null_mut() } else { unsafe { __libc_calloc(count, size) } }
}

/// # Safety
///
/// As realloc(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: glibc's own; the caller keeps its contract.
    if fails() { std::ptr::null_mut() } else { unsafe { __libc_realloc(old, size) } }
}

/// # Safety
///
/// As clock_gettime(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, now: *mut libc::timespec) -> c_int {
    // SAFETY: the caller keeps the system call's contract.
    let done = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, now) };
    if done == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the kernel has just written it.
        unsafe { (*now).tv_sec += offset() as libc::time_t };
    }
    -c_int::from(done != 0)
}

fn offset() -> i64 {
    let known = OFFSET.load(Ordering::Relaxed);
    if known != UNREAD {
        return known;
    }
    // SAFETY: the name is terminated.
    let text = unsafe { libc::getenv(c"SHIM_CLOCK_OFFSET".as_ptr()) };
    // SAFETY: getenv returns null or a terminated string.
    let offset = if text.is_null() { 0 } else { unsafe { libc::atoll(text) } };
    OFFSET.store(offset, Ordering::Relaxed);
    offset
}

/// The descriptor that stands for a socket to the kernel's audit.
static AUDIT: AtomicI32 = AtomicI32::new(-1);

fn trail() -> Option<&'static CStr> {
    // SAFETY: the name is terminated.
    let path = unsafe { libc::getenv(c"SHIM_AUDIT_TRAIL".as_ptr()) };
    // SAFETY: getenv returns null or a terminated string, which nothing changes here.
    (!path.is_null()).then(|| unsafe { CStr::from_ptr(path) })
}

fn fail(error: c_int) -> c_int {
    // SAFETY: it has no precondition.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the location is the thread's own.
    unsafe { errno.write(error) };
    -1
}

#[unsafe(no_mangle)]
pub extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if domain == libc::AF_NETLINK && protocol == libc::NETLINK_AUDIT {
        match trail() {
            Some(path) if path == c"none" => return fail(libc::EPROTONOSUPPORT),
            Some(_) => {
                // Always readable: an answer is always there.
                // SAFETY: takes integers.
                let fd = unsafe { libc::eventfd(1, libc::EFD_CLOEXEC) };
                AUDIT.store(fd, Ordering::SeqCst);
                return fd;
            }
            None => {}
        }
    }
    // SAFETY: takes integers.
    let fd = unsafe { libc::syscall(libc::SYS_socket, domain, kind, protocol) };
    if fd >= 0 && c_int::try_from(fd) == Ok(AUDIT.load(Ordering::SeqCst)) {
        // The number is another socket's by now.
        AUDIT.store(-1, Ordering::SeqCst);
    }
    c_int::try_from(fd).unwrap_or(-1)
}

/// # Safety
///
/// As sendto(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sendto(
    fd: c_int,
    bytes: *const c_void,
    length: usize,
    flags: c_int,
    address: *const c_void,
    address_length: u32,
) -> isize {
    if fd == AUDIT.load(Ordering::SeqCst) {
        if let Some(path) = trail() {
            let how = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
            // SAFETY: the path is terminated.
            let file = unsafe { libc::open(path.as_ptr(), how, 0o600) };
            // SAFETY: the caller gives `length` bytes.
            let written = unsafe { libc::write(file, bytes, length) };
            // SAFETY: opened above.
            unsafe { libc::close(file) };
            return written;
        }
    }
    // SAFETY: the caller keeps the system call's contract.
    let sent = unsafe {
        libc::syscall(libc::SYS_sendto, fd, bytes, length, flags, address, address_length)
    };
    isize::try_from(sent).unwrap_or(-1)
}

/// # Safety
///
/// As recvfrom(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    length: usize,
    flags: c_int,
    address: *mut libc::sockaddr_nl,
    address_length: *mut u32,
) -> isize {
    if fd == AUDIT.load(Ordering::SeqCst) && length >= 36 && !address.is_null() {
        // An acknowledgement: length, type NLMSG_ERROR, flags, sequence, port, error 0, the header again.
        let mut answer = [0_u8; 36];
        answer[..4].copy_from_slice(&36_u32.to_ne_bytes());
        answer[4] = 2;
        // SAFETY: the buffer has room for it.
        unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), buffer.cast(), answer.len()) };
        // SAFETY: a structure of numbers; all zeroes is the kernel's address.
        let kernel = unsafe { std::mem::zeroed() };
        // SAFETY: it is not null, and the caller gives room for one.
        unsafe { address.write(kernel) };
        // SAFETY: the caller gives both or none.
        unsafe { address_length.write(u32::try_from(size_of::<libc::sockaddr_nl>()).unwrap_or(0)) };
        return 36;
    }
    // SAFETY: the caller keeps the system call's contract.
    let received = unsafe {
        libc::syscall(libc::SYS_recvfrom, fd, buffer, length, flags, address, address_length)
    };
    isize::try_from(received).unwrap_or(-1)
}
