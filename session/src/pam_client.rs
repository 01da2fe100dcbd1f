//! The application's side of PAM: one transaction, from `pam_start` to `pam_end`.

#![allow(unsafe_code, reason = "libpam is a C library; every call to it is in this file")]

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::{fmt, io};

use serde::{Deserialize, Serialize};
use session_limit_core::system::users::User;

use crate::secret::Secret;
use answers::Answers;

mod answers;

// Numbers of <security/_pam_types.h>, which are part of Linux-PAM's binary interface.
const PAM_SUCCESS: c_int = 0;
const PAM_PERM_DENIED: c_int = 6;
const PAM_AUTH_ERR: c_int = 7;
const PAM_USER_UNKNOWN: c_int = 10;
const PAM_MAXTRIES: c_int = 11;
const PAM_NEW_AUTHTOK_REQD: c_int = 12;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
const PAM_USER: c_int = 2;
const PAM_TTY: c_int = 3;
const PAM_RHOST: c_int = 4;
const PAM_RUSER: c_int = 8;
const PAM_USER_PROMPT: c_int = 9;
const PAM_ESTABLISH_CRED: c_int = 2;
const PAM_DELETE_CRED: c_int = 4;
const PAM_CHANGE_EXPIRED_AUTHTOK: c_int = 0x20;
const PAM_MAX_NUM_MSG: usize = 32;

/// How a stack asks for the name of the user.
pub const USER_PROMPT: &str = "Login: ";

#[repr(C)]
struct Handle {
    _private: [u8; 0],
}

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

type Converse = extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conv {
    converse: Option<Converse>,
    data: *mut c_void,
}

#[link(name = "pam")]
unsafe extern "C" {
    fn pam_start(
        service: *const c_char,
        user: *const c_char,
        conv: *const Conv,
        handle: *mut *mut Handle,
    ) -> c_int;
    fn pam_end(handle: *mut Handle, status: c_int) -> c_int;
    fn pam_fail_delay(handle: *mut Handle, microseconds: c_uint) -> c_int;
    fn pam_authenticate(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_acct_mgmt(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_chauthtok(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_setcred(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_open_session(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_close_session(handle: *mut Handle, flags: c_int) -> c_int;
    fn pam_get_item(handle: *const Handle, item: c_int, value: *mut *const c_void) -> c_int;
    fn pam_set_item(handle: *mut Handle, item: c_int, value: *const c_void) -> c_int;
    fn pam_strerror(handle: *mut Handle, code: c_int) -> *const c_char;
}

/// How a message of a module is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A question whose answer is not shown.
    PromptHidden,
    /// A question whose answer is shown.
    PromptShown,
    /// Something went wrong.
    Error,
    /// Something to know.
    Info,
}

impl Style {
    /// Returns the style with PAM's number.
    #[must_use]
    pub fn from_number(number: c_int) -> Option<Self> {
        Some(match number {
            1 => Self::PromptHidden,
            2 => Self::PromptShown,
            3 => Self::Error,
            4 => Self::Info,
            _ => return None,
        })
    }

    /// Returns PAM's number of the style.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::PromptHidden => 1,
            Self::PromptShown => 2,
            Self::Error => 3,
            Self::Info => 4,
        }
    }

    /// Returns whether it wants an answer.
    #[must_use]
    pub fn is_question(self) -> bool {
        matches!(self, Self::PromptHidden | Self::PromptShown)
    }
}

/// What talks to the user for the modules.
pub trait Conversation {
    /// Shows a message; answers it if its style is a question. Nothing means: give the login up.
    fn converse(&mut self, style: Style, text: &str) -> Option<Answer>;
}

/// What a conversation gives back.
#[derive(Debug)]
pub enum Answer {
    /// The message was shown.
    Shown,
    /// The answer to a question.
    Text(Secret),
}

/// Who logs in, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LoginStart {
    /// PAM service.
    pub service: String,
    /// The user, where known already; else the stack asks.
    pub user: Option<String>,
    /// The terminal, such as `/dev/pts/3`.
    pub tty: Option<String>,
    /// The address of the client, for a login over the network.
    pub rhost: Option<String>,
    /// The user who asks for the login, for one on this host.
    #[serde(default)]
    pub ruser: Option<String>,
    /// Sessions of the user that are to end for this login, where the module asks for that at the limit.
    #[serde(default)]
    pub end_sessions: Vec<i64>,
}

/// In which phase a login failed, which says what to tell and how to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// The transaction could not begin: the service is unknown or libpam is out of order.
    Start,
    /// Name and password.
    Authenticate,
    /// Whether the account may be used; the first place where the limit refuses.
    Account,
    /// A password that had to be changed.
    ChangePassword,
    /// The session; the last place where the limit refuses.
    Open,
}

/// A login that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PamError {
    /// Where.
    pub phase: Phase,
    /// What PAM said.
    pub verdict: Verdict,
    /// PAM's words for it.
    pub text: String,
}

/// What a failing call of PAM means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// `PAM_PERM_DENIED`: known and not let in. The limit speaks so.
    Refused,
    /// Wrong name or password.
    NotAuthenticated,
    /// Anything else.
    Broken,
}

impl fmt::Display for PamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for PamError {}

/// A PAM transaction. Ends the session, if one is open, and the transaction when dropped.
pub struct Transaction<'c> {
    handle: *mut Handle,
    status: c_int,
    open: bool,
    // Boxed twice: libpam keeps a thin pointer to the inner box, which must not move.
    conversation: *mut &'c mut dyn Conversation,
}

impl<'c> Transaction<'c> {
    /// Begins a transaction.
    ///
    /// # Errors
    /// When libpam cannot begin one.
    pub fn start(
        start: &LoginStart,
        conversation: &'c mut dyn Conversation,
    ) -> Result<Self, PamError> {
        let broken = |text: &str| PamError {
            phase: Phase::Start,
            verdict: Verdict::Broken,
            text: text.to_owned(),
        };
        let text =
            |text: &str| CString::new(text).map_err(|_| broken("a name holds a NUL character"));
        let service = text(&start.service)?;
        let user = start.user.as_deref().map(text).transpose()?;
        let conversation: *mut &'c mut dyn Conversation = Box::into_raw(Box::new(conversation));
        let mut transaction =
            Self { handle: ptr::null_mut(), status: PAM_SUCCESS, open: false, conversation };
        let conv = Conv { converse: Some(converse), data: conversation.cast() };
        // SAFETY: the strings live across the call, libpam copies them and `conv`; what `conv.data`
        // points to lives until `pam_end` in `drop`.
        let code = unsafe {
            pam_start(
                service.as_ptr(),
                user.as_ref().map_or(ptr::null(), |user| user.as_ptr()),
                &raw const conv,
                &raw mut transaction.handle,
            )
        };
        transaction.checked(Phase::Start, code)?;
        for (item, value) in [
            (PAM_USER_PROMPT, Some(USER_PROMPT)),
            (PAM_TTY, start.tty.as_deref()),
            (PAM_RHOST, start.rhost.as_deref()),
            (PAM_RUSER, start.ruser.as_deref()),
        ] {
            if let Some(value) = value {
                let value = text(value)?;
                // SAFETY: the handle is live; libpam copies the string.
                let code = unsafe { pam_set_item(transaction.handle, item, value.as_ptr().cast()) };
                transaction.checked(Phase::Start, code)?;
            }
        }
        Ok(transaction)
    }

    /// Has [`Transaction::authenticate`] fail no sooner than about `microseconds` later, whatever the modules ask for.
    pub fn delay_failures(&mut self, microseconds: u32) {
        // SAFETY: the handle is live. It fails for a null handle only.
        let _ = unsafe { pam_fail_delay(self.handle, microseconds) };
    }

    /// Asks who it is.
    ///
    /// # Errors
    /// When name or password are wrong, or cannot be checked.
    pub fn authenticate(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_authenticate(self.handle, 0) };
        self.checked(Phase::Authenticate, code)
    }

    /// Checks whether the user may log in, and has an expired password changed.
    ///
    /// # Errors
    /// When the user may not log in, the limit being one of the reasons.
    pub fn check_account(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        match unsafe { pam_acct_mgmt(self.handle, 0) } {
            PAM_NEW_AUTHTOK_REQD => {
                // SAFETY: as above.
                let code = unsafe { pam_chauthtok(self.handle, PAM_CHANGE_EXPIRED_AUTHTOK) };
                self.checked(Phase::ChangePassword, code)
            }
            code => self.checked(Phase::Account, code),
        }
    }

    /// Checks whether the user may log in; returns whether the password has to be changed first, and leaves it.
    ///
    /// # Errors
    /// See [`Transaction::check_account`].
    pub fn is_password_expired(&mut self) -> Result<bool, PamError> {
        // SAFETY: the handle is live.
        match unsafe { pam_acct_mgmt(self.handle, 0) } {
            PAM_NEW_AUTHTOK_REQD => Ok(true),
            code => self.checked(Phase::Account, code).map(|()| false),
        }
    }

    /// Changes the password of the user as passwd(1) does for that user: modules see the user as the caller,
    /// and ask for the old password.
    ///
    /// # Errors
    /// When the new password is refused, or could not be stored.
    pub fn change_password(&mut self) -> Result<(), PamError> {
        let user = self.user().and_then(|name| CString::new(name).ok());
        let found = user.and_then(|name| User::named(&name).ok().flatten());
        let Some(user) = found else {
            let text = "the user is not known to this host".to_owned();
            return Err(PamError { phase: Phase::ChangePassword, verdict: Verdict::Broken, text });
        };
        // SAFETY: getuid takes nothing and cannot fail.
        let root = unsafe { libc::getuid() };
        // SAFETY: takes integers; the effective uid stays root, so that it can be set back.
        if unsafe { libc::setresuid(user.uid, libc::uid_t::MAX, libc::uid_t::MAX) } != 0 {
            let text = io::Error::last_os_error().to_string();
            return Err(PamError { phase: Phase::ChangePassword, verdict: Verdict::Broken, text });
        }
        // SAFETY: the handle is live.
        let code = unsafe { pam_chauthtok(self.handle, 0) };
        // SAFETY: takes integers.
        unsafe { libc::setresuid(root, libc::uid_t::MAX, libc::uid_t::MAX) };
        self.checked(Phase::ChangePassword, code)
    }

    /// Opens the session.
    ///
    /// # Errors
    /// When a module of the stack says no.
    pub fn open(&mut self) -> Result<(), PamError> {
        // SAFETY: the handle is live.
        let code = unsafe { pam_setcred(self.handle, PAM_ESTABLISH_CRED) };
        self.checked(Phase::Open, code)?;
        // SAFETY: as above.
        let code = unsafe { pam_open_session(self.handle, 0) };
        if code != PAM_SUCCESS {
            // SAFETY: as above. Its result changes nothing any more.
            unsafe { pam_setcred(self.handle, PAM_DELETE_CRED) };
        }
        self.open = code == PAM_SUCCESS;
        self.checked(Phase::Open, code)
    }

    /// Returns the name of the user who has logged in; modules may have changed it.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let mut name: *const c_void = ptr::null();
        // SAFETY: the handle is live, `name` is a place to write a pointer to.
        let code = unsafe { pam_get_item(self.handle, PAM_USER, &raw mut name) };
        if code != PAM_SUCCESS || name.is_null() {
            return None;
        }
        // SAFETY: PAM_USER is a C string that libpam owns and keeps until the item is set again.
        let name = unsafe { CStr::from_ptr(name.cast()) };
        name.to_str().ok().map(str::to_owned)
    }

    fn checked(&mut self, phase: Phase, code: c_int) -> Result<(), PamError> {
        self.status = code;
        let verdict = match code {
            PAM_SUCCESS => return Ok(()),
            PAM_PERM_DENIED => Verdict::Refused,
            PAM_AUTH_ERR | PAM_USER_UNKNOWN | PAM_MAXTRIES => Verdict::NotAuthenticated,
            _ => Verdict::Broken,
        };
        // SAFETY: pam_strerror takes any code, and a null handle too.
        let text = unsafe { pam_strerror(self.handle, code) };
        let text = if text.is_null() {
            format!("PAM error {code}")
        } else {
            // SAFETY: it is a static C string.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        Err(PamError { phase, verdict, text })
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            if self.open {
                // SAFETY: the handle is live.
                self.status = unsafe { pam_close_session(self.handle, 0) };
                // SAFETY: as above.
                unsafe { pam_setcred(self.handle, PAM_DELETE_CRED) };
            }
            // SAFETY: the handle came from pam_start and is not used after this.
            unsafe { pam_end(self.handle, self.status) };
        }
        // SAFETY: the pointer came from Box::into_raw, and libpam has let go of it.
        drop(unsafe { Box::from_raw(self.conversation) });
    }
}

/// Hands libpam's messages to the [`Conversation`] behind `data`.
extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    if count == 0
        || count > PAM_MAX_NUM_MSG
        || messages.is_null()
        || responses.is_null()
        || data.is_null()
    {
        return PAM_CONV_ERR;
    }
    // SAFETY: `data` is what `Transaction::start` gave to pam_start, alive until pam_end, and libpam
    // calls back only from within calls on this thread.
    let conversation = unsafe { &mut *data.cast::<&mut dyn Conversation>() };
    // SAFETY: Linux-PAM passes an array of `count` pointers.
    let messages = unsafe { std::slice::from_raw_parts(messages, count) };
    let mut answers = Answers::new(count);
    if answers.list.is_null() {
        return PAM_BUF_ERR;
    }
    // A panic must not unwind into C.
    let all = catch_unwind(AssertUnwindSafe(|| {
        messages.iter().enumerate().all(|(n, &message)| {
            // SAFETY: each pointer is a valid message, or null where the module is broken.
            let Some(message) = (unsafe { message.as_ref() }) else { return false };
            answer(*conversation, message).is_some_and(|answer| answers.set(n, answer))
        })
    }));
    if !matches!(all, Ok(true)) {
        return PAM_CONV_ERR;
    }
    // SAFETY: `responses` is a place to write a pointer to; libpam frees what it is given.
    unsafe { *responses = answers.give() };
    PAM_SUCCESS
}

fn answer(conversation: &mut dyn Conversation, message: &Message) -> Option<Answer> {
    let style = Style::from_number(message.style)?;
    let text = if message.text.is_null() {
        String::new()
    } else {
        // SAFETY: a message's text is a C string owned by the module for the time of the call.
        unsafe { CStr::from_ptr(message.text) }.to_string_lossy().into_owned()
    };
    conversation.converse(style, &text)
}
