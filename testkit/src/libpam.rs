//! The application's side of libpam, as pam(3) describes it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

/// Return values of libpam, from `security/_pam_types.h`.
pub mod code {
    #![allow(missing_docs, reason = "the names are those of the header")]
    pub const SUCCESS: i32 = 0;
    pub const SERVICE_ERR: i32 = 3;
    pub const SYSTEM_ERR: i32 = 4;
    pub const PERM_DENIED: i32 = 6;
    pub const AUTH_ERR: i32 = 7;
    pub const USER_UNKNOWN: i32 = 10;
    pub const MAXTRIES: i32 = 11;
    pub const NEW_AUTHTOK_REQD: i32 = 12;
    pub const SESSION_ERR: i32 = 14;
    pub const CONV_ERR: i32 = 19;
    pub const IGNORE: i32 = 25;
    pub const ABORT: i32 = 26;
    pub const MODULE_UNKNOWN: i32 = 28;
}

/// The flag by which an application asks for no messages.
pub const SILENT: i32 = 0x8000;
/// The bit that marks the end of a handle in a forked child.
pub const DATA_SILENT: i32 = 0x4000_0000;

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    retcode: c_int,
}

type ConvFn =
    unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    function: Option<ConvFn>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start_confdir(
        service: *const c_char,
        user: *const c_char,
        conversation: *const Conversation,
        confdir: *const c_char,
        handle: *mut *mut c_void,
    ) -> c_int;
    fn pam_set_item(handle: *mut c_void, item: c_int, value: *const c_void) -> c_int;
    fn pam_authenticate(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_chauthtok(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut c_void, flags: c_int) -> c_int;
    fn pam_end(handle: *mut c_void, status: c_int) -> c_int;
}

/// How the conversation function of an application behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationMode {
    /// Shows messages, answers prompts from the queue; `PAM_CONV_ERR` when that is empty.
    Scripted,
    /// Shows messages, cannot prompt (sshd with a key).
    TextOnly,
    /// Prompts "succeed" without an answer (cronie).
    NoAnswer,
    /// The function pointer is null (cron, atd).
    Null,
}

/// What an application received and will answer.
#[derive(Debug)]
pub struct ConversationLog {
    /// See [`ConversationMode`].
    pub mode: ConversationMode,
    /// Answers to prompts, first to last.
    pub answers: Vec<CString>,
    /// Style and text of what the module said.
    pub received: Vec<(i32, Vec<u8>)>,
}

/// One PAM handle.
pub struct Handle {
    handle: *mut c_void,
    log: *mut ConversationLog,
}

// SAFETY: libpam keeps nothing per thread; a handle has one owner, which uses it from one thread at
// a time.
unsafe impl Send for Handle {}

impl Handle {
    /// Starts a transaction with the stacks in `confdir`.
    ///
    /// # Errors
    ///
    /// libpam's code.
    pub fn start(
        confdir: &Path,
        service: &CStr,
        user: Option<&CStr>,
        mode: ConversationMode,
    ) -> Result<Self, i32> {
        let log = Box::into_raw(Box::new(ConversationLog {
            mode,
            answers: Vec::new(),
            received: Vec::new(),
        }));
        let function: Option<ConvFn> =
            if mode == ConversationMode::Null { None } else { Some(converse) };
        let conversation = Conversation { function, data: log.cast() };
        let confdir =
            CString::new(confdir.as_os_str().as_encoded_bytes()).map_err(|_| code::ABORT)?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: all strings are terminated and live across the call, libpam copies conversation.
        let started = unsafe {
            pam_start_confdir(
                service.as_ptr(),
                user.map_or(std::ptr::null(), CStr::as_ptr),
                &raw const conversation,
                confdir.as_ptr(),
                &raw mut handle,
            )
        };
        if started == code::SUCCESS { Ok(Self { handle, log }) } else { Err(started) }
    }

    /// Sets a string item.
    pub fn set(&mut self, item: i32, value: Option<&CStr>) -> i32 {
        let value = value.map_or(std::ptr::null(), |value| value.as_ptr().cast());
        // SAFETY: the handle is open; the string is terminated and libpam copies it.
        unsafe { pam_set_item(self.handle, item, value) }
    }

    /// Authenticates.
    pub fn auth(&mut self, flags: i32) -> i32 {
        // SAFETY: the handle is open.
        unsafe { pam_authenticate(self.handle, flags) }
    }

    /// Changes the password.
    pub fn chauthtok(&mut self, flags: i32) -> i32 {
        // SAFETY: the handle is open.
        unsafe { pam_chauthtok(self.handle, flags) }
    }

    /// Runs the account phase.
    pub fn acct(&mut self, flags: i32) -> i32 {
        // SAFETY: the handle is open.
        unsafe { pam_acct_mgmt(self.handle, flags) }
    }

    /// Opens the session.
    pub fn open(&mut self, flags: i32) -> i32 {
        // SAFETY: the handle is open.
        unsafe { pam_open_session(self.handle, flags) }
    }

    /// Closes the session.
    pub fn close(&mut self, flags: i32) -> i32 {
        // SAFETY: the handle is open.
        unsafe { pam_close_session(self.handle, flags) }
    }

    /// Ends the transaction; the handle must not be used again.
    pub fn end(&mut self, status: i32) -> i32 {
        // SAFETY: the handle is open; the caller gives it up.
        unsafe { pam_end(self.handle, status) }
    }

    /// The messages received, and the answers to prompts.
    pub fn conversation(&mut self) -> &mut ConversationLog {
        // SAFETY: made by `start`, never freed; libpam uses it only inside its own calls, which
        // need the handle that is borrowed here.
        unsafe { &mut *self.log }
    }
}

unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `data` is the log of the handle that libpam is working for.
    let log = unsafe { &mut *data.cast::<ConversationLog>() };
    if count != 1 {
        return code::CONV_ERR;
    }
    // SAFETY: libpam passes an array of `count` pointers.
    let message = unsafe { *messages };
    // SAFETY: each points to a message that lives across the call.
    let message = unsafe { &*message };
    // SAFETY: a message's text is terminated.
    let text = unsafe { CStr::from_ptr(message.text) };
    let is_prompt = matches!(message.style, 1 | 2);
    if is_prompt && log.mode == ConversationMode::TextOnly {
        return code::CONV_ERR;
    }
    log.received.push((message.style, text.to_bytes().to_vec()));
    let mut answer = std::ptr::null_mut();
    if is_prompt && log.mode == ConversationMode::Scripted {
        if log.answers.is_empty() {
            return code::CONV_ERR;
        }
        // SAFETY: strdup copies a terminated string.
        answer = unsafe { libc::strdup(log.answers.remove(0).as_ptr()) };
    }
    // SAFETY: malloc of one plain struct; the module frees it.
    let response = unsafe { libc::malloc(size_of::<Response>()) }.cast::<Response>();
    if response.is_null() {
        return code::CONV_ERR;
    }
    // SAFETY: `response` was just made, malloc aligns it.
    unsafe { response.write(Response { text: answer, retcode: 0 }) };
    // SAFETY: libpam passes a valid location for the pointer.
    unsafe { responses.write(response) };
    code::SUCCESS
}
