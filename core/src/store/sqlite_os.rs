//! What SQLite gets in the place of its own layer for Unix, which is not compiled in
//! (`SQLITE_OS_OTHER` of <https://sqlite.org/compile.html>): it opens no file by itself, and its mutexes
//! are these. Thirty functions of libc that it does not ask for are thirty that no login has to look up.

use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::ffi::{self, sqlite3_mutex, sqlite3_mutex_methods};

/// Must be called before anything else of SQLite is.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: this option takes a pointer to such a table, which SQLite copies. Where it is refused,
        // SQLite has begun without it; rusqlite then opens nothing.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MUTEX, &raw const METHODS) };
    });
}

/// SQLite calls it once, for the files that it could open by itself: there are none.
#[unsafe(no_mangle)]
extern "C" fn sqlite3_os_init() -> c_int {
    ffi::SQLITE_OK
}

/// The end of [`sqlite3_os_init`].
#[unsafe(no_mangle)]
extern "C" fn sqlite3_os_end() -> c_int {
    ffi::SQLITE_OK
}

/// A mutex that its owner may take again, as SQLite does while it begins.
#[derive(Debug)]
struct Mutex {
    lock: UnsafeCell<libc::pthread_mutex_t>,
    /// The thread that has it; 0 while nobody has.
    owner: AtomicUsize,
    /// How often its owner has taken it. Only the owner changes it.
    depth: AtomicUsize,
}

// SAFETY: the lock is made for several threads, and everything else in it is atomic.
unsafe impl Sync for Mutex {}

impl Mutex {
    const fn new() -> Self {
        Self {
            lock: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            owner: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
        }
    }

    fn enter(&self) {
        // SAFETY: pthread_self takes nothing and cannot fail.
        let own = usize::try_from(unsafe { libc::pthread_self() }).unwrap_or(usize::MAX);
        // Nobody but this thread writes it there.
        if self.owner.load(Ordering::Relaxed) != own {
            // SAFETY: a pthread mutex, initialised, and never moved once it is in use.
            unsafe { libc::pthread_mutex_lock(self.lock.get()) };
            self.owner.store(own, Ordering::Relaxed);
        }
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        if self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.owner.store(0, Ordering::Relaxed);
            // SAFETY: as above, and locked by this thread.
            unsafe { libc::pthread_mutex_unlock(self.lock.get()) };
        }
    }
}

static METHODS: sqlite3_mutex_methods = sqlite3_mutex_methods {
    xMutexInit: Some(init),
    xMutexEnd: Some(init),
    xMutexAlloc: Some(alloc),
    xMutexFree: Some(free),
    xMutexEnter: Some(enter),
    xMutexTry: Some(busy),
    xMutexLeave: Some(leave),
    // Asked by SQLite's assertions, which are not compiled in.
    xMutexHeld: None,
    xMutexNotheld: None,
};

/// The mutexes that SQLite knows by number, from `SQLITE_MUTEX_STATIC_MAIN` on.
static KNOWN: [Mutex; 12] = [const { Mutex::new() }; 12];

unsafe extern "C" fn init() -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn alloc(kind: c_int) -> *mut sqlite3_mutex {
    let number = usize::try_from(kind - ffi::SQLITE_MUTEX_STATIC_MAIN);
    match number.map(|number| KNOWN.get(number)) {
        Ok(Some(known)) => std::ptr::from_ref(known).cast_mut().cast(),
        Ok(None) => std::ptr::null_mut(),
        Err(_) => Box::into_raw(Box::new(Mutex::new())).cast(),
    }
}

unsafe extern "C" fn free(mutex: *mut sqlite3_mutex) {
    // SAFETY: SQLite frees only what `alloc` made for it, once, and not the ones known by number.
    drop(unsafe { Box::from_raw(mutex.cast::<Mutex>()) });
}

unsafe extern "C" fn enter(mutex: *mut sqlite3_mutex) {
    // SAFETY: `alloc` returned it, and it was not freed.
    unsafe { &*mutex.cast::<Mutex>() }.enter();
}

/// SQLite asks so where it can do without, and takes this answer.
unsafe extern "C" fn busy(_: *mut sqlite3_mutex) -> c_int {
    ffi::SQLITE_BUSY
}

unsafe extern "C" fn leave(mutex: *mut sqlite3_mutex) {
    // SAFETY: `alloc` returned it, and it was not freed.
    unsafe { &*mutex.cast::<Mutex>() }.leave();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_it_however_often_it_takes_it() {
        let mutex = Mutex::new();
        let count = AtomicUsize::new(0);
        // Not one step: what another thread adds in between is lost.
        let add = || count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        mutex.enter();
                        mutex.enter();
                        add();
                        mutex.leave();
                        add();
                        mutex.leave();
                    }
                });
            }
        });
        assert_eq!(count.into_inner(), 160_000);
    }

    #[test]
    fn a_number_that_sqlite_does_not_have_is_no_mutex() {
        let made = |kind| {
            // SAFETY: `alloc` looks at the number only.
            unsafe { alloc(kind) }
        };
        assert!(made(ffi::SQLITE_MUTEX_STATIC_VFS3 + 1).is_null());
        let [first, last] =
            [ffi::SQLITE_MUTEX_STATIC_MAIN, ffi::SQLITE_MUTEX_STATIC_VFS3].map(made);
        assert!(!first.is_null() && !last.is_null() && first != last);
        assert_eq!(first, made(ffi::SQLITE_MUTEX_STATIC_MAIN));
        let own = [made(ffi::SQLITE_MUTEX_RECURSIVE), made(ffi::SQLITE_MUTEX_RECURSIVE)];
        assert_ne!(own[0], own[1]);
        for mutex in own {
            // SAFETY: made just now, and nobody has it.
            unsafe { free(mutex) };
        }
    }
}
