//! The answers of a conversation, in memory of the C library.

use std::ffi::c_char;
use std::ptr;

use zeroize::Zeroize;

use super::{Answer, Response};

/// The array of answers that libpam will own; wiped and freed here if it never gets there.
pub(super) struct Answers {
    pub(super) list: *mut Response,
    count: usize,
}

impl Answers {
    pub(super) fn new(count: usize) -> Self {
        // SAFETY: calloc takes two sizes; a null result is looked for by the caller.
        let list = unsafe { libc::calloc(count, size_of::<Response>()) }.cast();
        Self { list, count }
    }

    /// Copies an answer into memory of the C library; returns whether it could.
    pub(super) fn set(&mut self, n: usize, answer: Answer) -> bool {
        let Answer::Text(secret) = answer else { return true };
        let bytes = secret.bytes();
        if bytes.contains(&0) {
            return false;
        }
        // SAFETY: `list` is an array of `count` responses, all zero at first, that only `self` knows.
        let responses = unsafe { std::slice::from_raw_parts_mut(self.list, self.count) };
        let Some(response) = responses.get_mut(n) else { return false };
        // SAFETY: calloc takes two sizes; null is looked for below.
        let text = unsafe { libc::calloc(bytes.len() + 1, 1) }.cast::<c_char>();
        if text.is_null() {
            return false;
        }
        // SAFETY: `text` has room for the bytes and the zero that calloc left behind them.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), text.cast(), bytes.len()) };
        response.text = text;
        true
    }

    pub(super) fn give(mut self) -> *mut Response {
        std::mem::replace(&mut self.list, ptr::null_mut())
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        if self.list.is_null() {
            return;
        }
        // SAFETY: calloc gave `count` responses, all zero until set.
        let responses = unsafe { std::slice::from_raw_parts_mut(self.list, self.count) };
        for response in responses.iter_mut().filter(|response| !response.text.is_null()) {
            // SAFETY: `set` stored a C string there.
            let len = unsafe { libc::strlen(response.text) };
            // SAFETY: the string's bytes, which no other code sees.
            unsafe { std::slice::from_raw_parts_mut(response.text.cast::<u8>(), len) }.zeroize();
            // SAFETY: it came from calloc.
            unsafe { libc::free(response.text.cast()) };
        }
        // SAFETY: as above.
        unsafe { libc::free(self.list.cast()) };
    }
}
