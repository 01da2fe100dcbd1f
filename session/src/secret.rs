//! A page of memory for one secret: locked into RAM where the kernel lets us, left out of core dumps
//! and of children, wiped.

#![allow(unsafe_code, reason = "memory of its own is mapped, locked and unmapped here")]

use std::ffi::c_void;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{self, Advice, MapFlags, ProtFlags};
use zeroize::Zeroize;

/// Bytes mapped for each secret.
const SIZE: usize = 4096;
/// Bytes of the longest secret: what PAM takes as an answer (`PAM_MAX_RESP_SIZE`).
pub const CAPACITY: usize = 512;

/// One secret text of at most [`CAPACITY`] bytes.
pub struct Secret {
    page: NonNull<u8>,
    len: usize,
}

// SAFETY: the page belongs to this value alone, and no thread has anything of its own in it.
unsafe impl Send for Secret {}
// SAFETY: as above; what changes the page needs the value mutably.
unsafe impl Sync for Secret {}

impl Secret {
    /// Maps an empty secret.
    ///
    /// # Errors
    /// When the page cannot be mapped or kept out of core dumps.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping touches no memory that exists already.
        let page = unsafe {
            mm::mmap_anonymous(
                std::ptr::null_mut(),
                SIZE,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let secret = Self { page, len: 0 };
        let start = page.as_ptr().cast::<c_void>();
        // A container may not let its root lock anything: that must not keep root from clearing sessions.
        // SAFETY: the range is the page just mapped, which `secret` owns.
        let _ = unsafe { mm::mlock(start, SIZE) };
        for advice in [Advice::LinuxDontDump, Advice::LinuxDontFork] {
            // SAFETY: as above; neither advice changes what this process reads there.
            unsafe { mm::madvise(start, SIZE, advice) }?;
        }
        Ok(secret)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the page is mapped, zeroed by the kernel, and `len` never exceeds it.
        unsafe { std::slice::from_raw_parts(self.page.as_ptr(), self.len) }
    }

    /// Adds a byte; returns whether there was room for it.
    pub fn push(&mut self, byte: u8) -> bool {
        let len = self.len;
        match self.room().get_mut(len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Returns the whole room, to be filled from outside, and takes the number of bytes filled in.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        self.wipe();
        let filled = fill(self.room());
        self.len = filled.as_ref().map_or(0, |&n| n.min(CAPACITY));
        filled.map(drop)
    }

    fn room(&mut self) -> &mut [u8] {
        // SAFETY: the page is mapped, larger than CAPACITY, and borrowed mutably by this call alone.
        unsafe { std::slice::from_raw_parts_mut(self.page.as_ptr(), CAPACITY) }
    }

    fn wipe(&mut self) {
        self.room().zeroize();
        self.len = 0;
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
        // SAFETY: the page was mapped by `new` with this size and nothing borrows it any more.
        let _ = unsafe { mm::munmap(self.page.as_ptr().cast(), SIZE) };
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_takes_as_much_as_pam_does() {
        let mut secret = Secret::new().unwrap();
        for byte in std::iter::repeat_n(b'x', CAPACITY) {
            assert!(secret.push(byte));
        }
        assert!(!secret.push(b'y'));
        assert_eq!(secret.bytes(), [b'x'; CAPACITY]);
        secret
            .fill(|room| {
                room[..2].copy_from_slice(b"ab");
                Ok::<_, ()>(2)
            })
            .unwrap();
        assert_eq!(secret.bytes(), b"ab");
        assert_eq!(secret.fill(|_| Err(())), Err(()));
        assert_eq!(secret.bytes(), b"");
    }

    #[test]
    fn its_page_is_locked_and_left_out_of_core_dumps() {
        let secret = Secret::new().unwrap();
        let start = format!("{:x}-", secret.page.as_ptr() as usize);
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = maps
            .lines()
            .skip_while(|line| !line.starts_with(&start))
            .find(|line| line.starts_with("VmFlags:"))
            .unwrap();
        for flag in ["lo", "dd", "dc"] {
            assert!(flags.split_whitespace().any(|f| f == flag), "{flag} in {flags}");
        }
    }

    #[test]
    fn it_is_never_printed() {
        let mut secret = Secret::new().unwrap();
        secret.push(b'p');
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }
}
