//! libaudit, where the host has it: loaded when there is something to record, and never needed.
//!
//! libpam has loaded it already wherever it writes audit records itself, so that nothing is read from disk.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;

use super::library::Library;

/// Its name since audit 2.0.
const NAME: &CStr = c"libaudit.so.1";

type Open = unsafe extern "C" fn() -> c_int;
type LogUserMessage = unsafe extern "C" fn(
    fd: c_int,
    kind: c_int,
    message: *const c_char,
    hostname: *const c_char,
    addr: *const c_char,
    tty: *const c_char,
    result: c_int,
) -> c_int;

/// A record of the audit trail (`audit_log_user_message`(3)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Number of its type, of linux/audit.h or libaudit.h.
    pub kind: i32,
    /// Its fields that libaudit does not write itself.
    pub fields: String,
    /// Name or address of the client, `?` where there is none.
    pub host: String,
    /// Terminal, `?` where there is none.
    pub tty: String,
    /// Whether what it tells of was done.
    pub success: bool,
}

/// Writes a record.
///
/// A host without libaudit, or whose kernel has no audit, has no trail: nothing is written.
///
/// # Errors
///
/// The kernel refuses it: the caller lacks `CAP_AUDIT_WRITE`.
pub fn write(record: &Record) -> io::Result<()> {
    let Some((open, log)) = functions() else { return Ok(()) };
    let text = |text: &str| CString::new(text).unwrap_or_default();
    let (fields, host, tty) = (text(&record.fields), text(&record.host), text(&record.tty));
    // SAFETY: audit_open takes nothing and returns a descriptor or -1.
    let fd = unsafe { open() };
    if fd < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            Some(libc::EINVAL | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => Ok(()),
            _ => Err(error),
        };
    }
    // The address is given, so that libaudit does not ask a name server for it.
    // SAFETY: the strings are terminated and outlive the call; `fd` is open.
    let sent = unsafe {
        log(
            fd,
            record.kind,
            fields.as_ptr(),
            host.as_ptr(),
            host.as_ptr(),
            tty.as_ptr(),
            c_int::from(record.success),
        )
    };
    let error = io::Error::last_os_error();
    // SAFETY: audit_open made the descriptor, and nothing else has it.
    unsafe { libc::close(fd) };
    match error.raw_os_error() {
        _ if sent > 0 => Ok(()),
        // Not the first pid namespace: its audit trail is not this host's.
        Some(libc::ECONNREFUSED) => Ok(()),
        _ => Err(error),
    }
}

fn functions() -> Option<(Open, LogUserMessage)> {
    let library = Library::load(NAME).ok()?;
    let open = library.function(c"audit_open")?.as_ptr();
    let log = library.function(c"audit_log_user_message")?.as_ptr();
    // SAFETY: the function of this name has had this signature since audit 1.0.
    let open = unsafe { std::mem::transmute::<*mut c_void, Open>(open) };
    // SAFETY: as above.
    let log = unsafe { std::mem::transmute::<*mut c_void, LogUserMessage>(log) };
    Some((open, log))
}
