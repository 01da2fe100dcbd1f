//! A library for `LD_PRELOAD`: moves the wall clock, and makes memory allocations fail.
//!
//! `SHIM_CLOCK_OFFSET` seconds are added to the wall clock. After [`shim_fail_at`] the n-th allocation
//! between two calls of [`shim_mark`] fails, once.

#![allow(missing_docs)]

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
        unsafe { (*now).tv_sec += offset() };
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
