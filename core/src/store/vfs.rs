//! How SQLite reaches the store's two files: a VFS of our own (<https://sqlite.org/vfs.html>).
//!
//! SQLite's own VFS walks the path again, asks for its locks byte by byte and writes the rollback
//! journal piece by piece: fifty system calls in a transaction, on files that are checked and locked
//! already. This one is lent two open files for one transaction, and gives them back after it. So a
//! connection, with the schema it has read, outlives the transaction without a descriptor: the host
//! may fork.
//!
//! The journal is collected in memory and written at once, before the first page of the database is:
//! what a kill at any instant leaves is what SQLite expects of it. It is never deleted. Its header is
//! zeroed instead, which means the same to every SQLite (`PRAGMA journal_mode=PERSIST`).

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::FileExt;

use rusqlite::{Connection, OpenFlags, ffi};

use crate::{store::sqlite_os, system};

/// The name that SQLite knows the database by; no path, for nothing is looked up by it.
const NAME: &str = "store";
/// How many bytes of a journal make it invalid when they are zero: `zeroJournalHdr` in pager.c.
const JOURNAL_HEADER: [u8; 28] = [0; 28];
/// A journal that has grown beyond this is emptied instead.
const LONGEST_JOURNAL: u64 = 64 * 1024;

/// The two files, open for one transaction.
#[derive(Debug)]
pub struct Files {
    database: File,
    database_length: u64,
    journal: File,
    journal_length: u64,
    /// The beginning of the journal, as long as the file does not have it.
    unwritten: Vec<u8>,
    /// The journal's file may have a valid header.
    journal_is_valid: bool,
}

impl Files {
    /// Takes both files, each with its length in bytes.
    #[must_use]
    pub fn new(database: (File, u64), journal: (File, u64)) -> Self {
        Self {
            database: database.0,
            database_length: database.1,
            journal: journal.0,
            journal_length: journal.1,
            unwritten: Vec::new(),
            journal_is_valid: false,
        }
    }

    /// Reads the first bytes of the database; what is beyond its end is zero.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn header(&self) -> io::Result<[u8; 100]> {
        let mut header = [0; 100];
        read_up_to(&self.database, &mut header, 0)?;
        Ok(header)
    }

    /// Looks whether a journal was left behind by somebody who was killed.
    ///
    /// # Errors
    ///
    /// Those of reading.
    pub fn has_journal(&mut self) -> io::Result<bool> {
        let mut first = [0];
        read_up_to(&self.journal, &mut first, 0)?;
        self.journal_is_valid = first != [0];
        Ok(self.journal_is_valid)
    }

    fn write_journal(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let fits = !self.journal_is_valid && at <= self.unwritten.len();
        if !fits {
            self.flush_journal()?;
            return self.write_journal_now(bytes, offset);
        }
        // What is written again lies at the beginning: the header's count of pages.
        let overlap = (self.unwritten.len() - at).min(bytes.len());
        let (again, new) = bytes.split_at(overlap);
        if let Some(place) = self.unwritten.get_mut(at..at + overlap) {
            place.copy_from_slice(again);
        }
        // What most transactions need, at once.
        let room = if self.unwritten.is_empty() { 8 * 1024 } else { new.len() };
        self.unwritten.try_reserve(room.max(new.len())).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.unwritten.extend_from_slice(new);
        Ok(())
    }

    fn flush_journal(&mut self) -> io::Result<()> {
        if !self.unwritten.is_empty() {
            // Valid as soon as a part is there.
            self.journal_is_valid = true;
            let bytes = std::mem::take(&mut self.unwritten);
            let written = self.write_journal_now(&bytes, 0);
            self.unwritten = bytes;
            written?;
            self.unwritten.clear();
        }
        Ok(())
    }

    fn write_journal_now(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.journal_length = self.journal_length.max(end);
        self.journal.write_all_at(bytes, offset)
    }

    /// What commits a transaction: without its journal the database stays as it is now.
    fn drop_journal(&mut self) -> io::Result<()> {
        self.unwritten.clear();
        if self.journal_is_valid {
            self.journal.write_all_at(&JOURNAL_HEADER, 0)?;
            self.journal_is_valid = false;
            if self.journal_length > LONGEST_JOURNAL && self.journal.set_len(0).is_ok() {
                // Best effort: it is invalid already.
                self.journal_length = 0;
            }
        }
        Ok(())
    }

    fn read(&mut self, which: Which, bytes: &mut [u8], offset: u64) -> c_int {
        let read = match which {
            Which::Database => read_up_to(&self.database, bytes, offset),
            Which::Journal => {
                self.flush_journal().and_then(|()| read_up_to(&self.journal, bytes, offset))
            }
        };
        match read {
            Ok(length) if length == bytes.len() => ffi::SQLITE_OK,
            // The rest has been zeroed, as SQLite wants it.
            Ok(_) => ffi::SQLITE_IOERR_SHORT_READ,
            Err(_) => ffi::SQLITE_IOERR_READ,
        }
    }

    fn write(&mut self, which: Which, bytes: &[u8], offset: u64) -> c_int {
        let written = match which {
            Which::Database => self.flush_journal().and_then(|()| {
                let end = offset.saturating_add(bytes.len() as u64);
                self.database_length = self.database_length.max(end);
                self.database.write_all_at(bytes, offset)
            }),
            Which::Journal => self.write_journal(bytes, offset),
        };
        code_of(written, ffi::SQLITE_IOERR_WRITE)
    }

    fn truncate(&mut self, which: Which, length: u64) -> c_int {
        let truncated = match which {
            Which::Database => self.flush_journal().and_then(|()| {
                self.database_length = length;
                self.database.set_len(length)
            }),
            Which::Journal if length == 0 => self.drop_journal(),
            Which::Journal => self.flush_journal().and_then(|()| {
                self.journal_length = length;
                self.journal.set_len(length)
            }),
        };
        code_of(truncated, ffi::SQLITE_IOERR_TRUNCATE)
    }

    fn sync(&mut self, which: Which) -> c_int {
        let synced = match which {
            Which::Database => self.database.sync_data(),
            Which::Journal => self.flush_journal().and_then(|()| self.journal.sync_data()),
        };
        code_of(synced, ffi::SQLITE_IOERR_FSYNC)
    }

    fn length(&mut self, which: Which) -> io::Result<u64> {
        match which {
            Which::Database => Ok(self.database_length),
            Which::Journal => self.flush_journal().map(|()| self.journal_length),
        }
    }
}

/// Fills `bytes` from `offset` on, zeroes what is beyond the end of the file, and returns how much
/// there was.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(length as u64)) {
            Ok(0) => {
                rest.fill(0);
                break;
            }
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(length)
}

fn code_of(done: io::Result<()>, failure: c_int) -> c_int {
    match done {
        Ok(()) => ffi::SQLITE_OK,
        Err(e) if matches!(e.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT)) => ffi::SQLITE_FULL,
        Err(e) if e.kind() == io::ErrorKind::OutOfMemory => ffi::SQLITE_NOMEM,
        Err(_) => failure,
    }
}

/// A connection that reaches its files only while they are lent to it.
#[derive(Debug)]
pub struct Database {
    // Closed before what it calls goes.
    connection: Connection,
    vfs: Vfs,
}

// SAFETY: what the raw pointers lead to is made for one Database and reached through it only, by
// whoever has it: SQLite keeps no other way to it once the connection is open.
unsafe impl Send for Database {}

impl Database {
    /// Opens a connection to the database among `files`, which are lent to it.
    ///
    /// # Errors
    ///
    /// Those of `sqlite3_open_v2`.
    pub fn open(files: Files) -> rusqlite::Result<Self> {
        sqlite_os::prepare();
        let vfs = Vfs::new(files);
        // No URI: the name is a name.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Known by name only for as long as SQLite looks it up.
        let registered = vfs.register()?;
        let connection = Connection::open_with_flags_and_vfs(NAME, flags, vfs.name());
        drop(registered);
        Ok(Self { connection: connection?, vfs })
    }

    /// Lends it the files for the next transaction.
    pub fn lend(&self, files: Files) {
        self.vfs.shared().replace(Some(files));
    }

    /// Closes the files that were lent, between two transactions.
    pub fn close_files(&self) {
        self.vfs.shared().take();
    }

    /// Calls `look` with the lent files.
    pub fn with_files<T>(&self, look: impl FnOnce(&Files) -> T) -> Option<T> {
        self.vfs.shared().borrow().as_ref().map(look)
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// What SQLite's calls reach.
type Shared = RefCell<Option<Files>>;

/// The table of functions that SQLite is given, and what they work on; both stay where they are.
struct Vfs {
    table: *mut ffi::sqlite3_vfs,
    shared: *mut Shared,
    name: CString,
}

impl Vfs {
    fn new(files: Files) -> Self {
        let shared = Box::into_raw(Box::new(Shared::new(Some(files))));
        // Its own address: no other connection of this process has that name.
        let name = CString::new(format!("{shared:p}")).unwrap_or_default();
        let table = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 1,
            szOsFile: c_int::try_from(size_of::<Handle>()).unwrap_or(c_int::MAX),
            mxPathname: 64,
            pNext: std::ptr::null_mut(),
            zName: name.as_ptr(),
            pAppData: shared.cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: None,
            xCurrentTimeInt64: None,
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        Self { table, shared, name }
    }

    fn name(&self) -> &CStr {
        &self.name
    }

    fn shared(&self) -> &Shared {
        // SAFETY: made by `new`, freed by `drop`, and only ever borrowed in between.
        unsafe { &*self.shared }
    }

    fn register(&self) -> rusqlite::Result<Registered<'_>> {
        // As the default one, there being no other.
        // SAFETY: the table lives longer than the registration, which borrows it.
        match unsafe { ffi::sqlite3_vfs_register(self.table, 1) } {
            ffi::SQLITE_OK => {
                let mut unused = [0_u8];
                // SQLite seeds its random numbers, which tell a journal from older ones, when the first
                // is asked for, from the VFS that is the default then.
                // SAFETY: one byte is valid to write to.
                unsafe { ffi::sqlite3_randomness(1, unused.as_mut_ptr().cast()) };
                Ok(Registered(self))
            }
            code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
        }
    }
}

impl std::fmt::Debug for Vfs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vfs").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: made by `new`; the connection that used it is closed.
        drop(unsafe { Box::from_raw(self.table) });
        // SAFETY: as above.
        drop(unsafe { Box::from_raw(self.shared) });
    }
}

struct Registered<'a>(&'a Vfs);

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        // SAFETY: the table was registered by `register`; SQLite finds it in its list and takes it out.
        unsafe { ffi::sqlite3_vfs_unregister(self.0.table) };
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Database,
    Journal,
}

/// An open file, in room that SQLite makes; every call names it.
#[repr(C)]
struct Handle {
    // First: what a sqlite3_file is.
    methods: *const ffi::sqlite3_io_methods,
    shared: *const Shared,
    which: Which,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    // The lock beside the store keeps logins apart, one POSIX lock keeps other programs out.
    xLock: Some(change_lock),
    xUnlock: Some(change_lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Works on the lent files; fails with `SQLITE_IOERR` while none are lent.
fn on_shared(shared: &Shared, work: impl FnOnce(&mut Files) -> c_int) -> c_int {
    match shared.try_borrow_mut().as_deref_mut() {
        Ok(Some(files)) => work(files),
        _ => ffi::SQLITE_IOERR,
    }
}

/// As [`on_shared`], for a call that names an open file.
///
/// # Safety
///
/// `file` is one that [`open`] has filled in.
unsafe fn on_file(
    file: *mut ffi::sqlite3_file,
    work: impl FnOnce(&mut Files, Which) -> c_int,
) -> c_int {
    // SAFETY: `open` made a Handle of it.
    let handle = unsafe { &*file.cast::<Handle>() };
    // SAFETY: what it points to lives longer than the connection (`Database`).
    let shared = unsafe { &*handle.shared };
    on_shared(shared, |files| work(files, handle.which))
}

/// As [`on_shared`], for a call that names the table.
///
/// # Safety
///
/// `vfs` is a table made by [`Vfs::new`].
unsafe fn on_vfs(vfs: *mut ffi::sqlite3_vfs, work: impl FnOnce(&mut Files) -> c_int) -> c_int {
    // SAFETY: `Vfs::new` made it.
    let shared = unsafe { (*vfs).pAppData }.cast::<Shared>();
    // SAFETY: it lives as long as the table.
    on_shared(unsafe { &*shared }, work)
}

// What SQLite calls. None of them may panic: a panic cannot leave an `extern "C"` function, and would
// end the host.

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    _: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let which = match flags {
        _ if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => Which::Database,
        _ if flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0 => Which::Journal,
        // Temporary files: SQLite is compiled to keep those in memory.
        _ => {
            // SAFETY: SQLite made room for a Handle, which begins as a sqlite3_file does. Without
            // methods it is not closed.
            unsafe { (*file).pMethods = std::ptr::null() };
            return ffi::SQLITE_CANTOPEN;
        }
    };
    // SAFETY: the table is one of ours.
    let shared = unsafe { (*vfs).pAppData }.cast::<Shared>();
    // SAFETY: SQLite made room for szOsFile bytes, a Handle, aligned for any type.
    unsafe { file.cast::<Handle>().write(Handle { methods: &raw const METHODS, shared, which }) };
    if !out_flags.is_null() {
        // SAFETY: valid to write to where it is not null.
        unsafe { *out_flags = flags };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(_: *mut ffi::sqlite3_file) -> c_int {
    // Whoever lent the files closes them.
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    bytes: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let (Ok(length), Ok(offset)) = (usize::try_from(length), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: SQLite hands over room for `length` bytes for this call.
    unsafe { bytes.cast::<u8>().write_bytes(0, length) };
    // SAFETY: as above, and initialised now.
    let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), length) };
    // SAFETY: an open file.
    unsafe { on_file(file, |files, which| files.read(which, bytes, offset)) }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    let (Ok(length), Ok(offset)) = (usize::try_from(length), u64::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite hands over `length` initialised bytes for this call.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    // SAFETY: an open file.
    unsafe { on_file(file, |files, which| files.write(which, bytes, offset)) }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    let length = u64::try_from(length).unwrap_or_default();
    // SAFETY: an open file.
    unsafe { on_file(file, |files, which| files.truncate(which, length)) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: an open file.
    unsafe { on_file(file, Files::sync) }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, length: *mut i64) -> c_int {
    let answer = |files: &mut Files, which| match files.length(which) {
        Ok(found) => {
            // SAFETY: valid to write to.
            unsafe { *length = i64::try_from(found).unwrap_or(i64::MAX) };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_FSTAT,
    };
    // SAFETY: an open file.
    unsafe { on_file(file, answer) }
}

unsafe extern "C" fn change_lock(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_: *mut ffi::sqlite3_file, is_held: *mut c_int) -> c_int {
    // SAFETY: valid to write to. Whoever could hold it is locked out.
    unsafe { *is_held = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    512
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    // As SQLite's own VFS takes every file system to be.
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, _: *const c_char, _: c_int) -> c_int {
    // Only the journal is ever deleted.
    // SAFETY: the table is one of ours.
    unsafe { on_vfs(vfs, |files| code_of(files.drop_journal(), ffi::SQLITE_IOERR_DELETE)) }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    _: *const c_char,
    _: c_int,
    answer: *mut c_int,
) -> c_int {
    // Only the journal is ever asked for.
    let look = |files: &mut Files| match files.has_journal() {
        Ok(found) => {
            // SAFETY: valid to write to.
            unsafe { *answer = c_int::from(found) };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_ACCESS,
    };
    // SAFETY: the table is one of ours.
    unsafe { on_vfs(vfs, look) }
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a terminated name.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if usize::try_from(room).is_ok_and(|room| name.len() <= room) {
        // SAFETY: `out` has room for `room` bytes, and does not overlap with the name.
        unsafe { out.copy_from_nonoverlapping(name.as_ptr().cast(), name.len()) };
        return ffi::SQLITE_OK;
    }
    ffi::SQLITE_CANTOPEN
}

unsafe extern "C" fn randomness(
    _: *mut ffi::sqlite3_vfs,
    length: c_int,
    bytes: *mut c_char,
) -> c_int {
    // What is left where the kernel has none yet: that differs from login to login, too.
    let mut random =
        [system::boot_ns().unsigned_abs() ^ u64::from(system::own_pid().unsigned_abs()) << 40; 8];
    let wanted = usize::try_from(length).unwrap_or_default().min(size_of_val(&random));
    // SAFETY: `wanted` bytes of it are valid to write to.
    unsafe { libc::getrandom(random.as_mut_ptr().cast(), wanted, libc::GRND_NONBLOCK) };
    // SAFETY: SQLite has room for `length` bytes, and the two do not overlap.
    unsafe { bytes.cast::<u8>().copy_from_nonoverlapping(random.as_ptr().cast(), wanted) };
    c_int::try_from(wanted).unwrap_or_default()
}

// SQLite never waits where nothing is ever locked, and runs no statement of ours that needs the time.

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, _: c_int) -> c_int {
    0
}

unsafe extern "C" fn current_time(_: *mut ffi::sqlite3_vfs, day: *mut f64) -> c_int {
    // SAFETY: valid to write to.
    unsafe { *day = 0.0 };
    ffi::SQLITE_OK
}
