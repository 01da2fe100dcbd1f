//! The adapter: the only file that knows PAM's handle, items, flags and codes.
//!
//! Each hook reads what PAM knows into a [`Request`], asks [`login`], and turns the answer into a
//! code, journal lines and at most one message.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ::pam::constants::{
    PAM_ERROR_MSG, PAM_PROMPT_ECHO_ON, PAM_SILENT, PamFlag, PamMessageStyle, PamResultCode,
};
use ::pam::conv::Conv;
use ::pam::items::{RHost, Service, Tty, User};
use ::pam::module::{PamHandle, PamHooks};

use crate::options::Arguments;
use crate::panic_guard;
use session_limit_core::admission::{self, Fault, Outcome, Request, Ticket};
use session_limit_core::log::{Journal, Level};
use session_limit_core::model::sanitize;
use session_limit_core::model::session::{Origin, Wish};
use session_limit_core::store::{Store, StoreError};

struct SessionLimit;

/// The six `pam_sm_*` functions: all that the library exports.
#[allow(
    missing_docs,
    reason = "pam_hooks! makes them; pam_sm_open_session(3) and its like say what they do"
)]
mod exported {
    use super::SessionLimit;
    ::pam::pam_hooks!(SessionLimit);
}

impl PamHooks for SessionLimit {
    fn acct_mgmt(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        panic_guard::silence();
        judge(handle, &args, flags, "account", admission::account)
    }

    fn sm_open_session(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        panic_guard::silence();
        judge(handle, &args, flags, "session", admission::open)
    }

    fn sm_close_session(handle: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        panic_guard::silence();
        // Nothing was recorded through this handle: nothing is to be done, whatever the service.
        let Some(ticket) = kept(handle).and_then(RefCell::take) else {
            return PamResultCode::PAM_IGNORE;
        };
        let service = service(handle);
        let journal = Journal::new(&service, "session", Arguments::read(&args).debug);
        give_back(&ticket, &journal)
    }
}

/// A phase of [`login`].
type Phase = fn(&Request, Option<&Ticket>, &Store) -> Result<Outcome, Fault>;

fn judge(
    handle: &mut PamHandle,
    args: &[&CStr],
    flags: PamFlag,
    name: &str,
    phase: Phase,
) -> PamResultCode {
    let arguments = Arguments::read(args);
    let service = service(handle);
    let journal = Journal::new(&service, name, arguments.debug);
    for complaint in &arguments.complaints {
        journal.write(Level::Error, complaint);
    }
    let silent = flags & PAM_SILENT != 0;
    let mut request = request(handle, service.clone(), arguments);
    // What an earlier phase kept stays there.
    let ticket = kept(handle).and_then(|kept| kept.borrow().clone());
    let store = Store::at(&request.state);

    let mut decided = phase(&request, ticket.as_ref(), &store);
    if let Ok(Outcome::Ask { sessions }) = decided {
        request.answer = Some(!silent && says_yes(handle, sessions));
        decided = phase(&request, ticket.as_ref(), &store);
    }
    for moved in store.take_moved_aside() {
        journal.write(Level::Critical, &moved.to_string());
    }

    let answer = Answer::to(&decided, &request, |level| journal.hears(level));
    for (level, line) in &answer.lines {
        journal.write(*level, line);
    }
    if answer.warns && !silent {
        // Best effort: an application without a conversation changes no verdict.
        let _ = converse(handle, PAM_ERROR_MSG, admission::WARNING);
    }
    match decided {
        Ok(Outcome::Reserved { ticket, .. } | Outcome::Opened { ticket, .. })
            if !keep(handle, &ticket) =>
        {
            // Without its ticket the place could not be given back later.
            journal.write(Level::Error, "libpam could not keep the session's data");
            give_back(&ticket, &journal);
            PamResultCode::PAM_SYSTEM_ERR
        }
        Ok(Outcome::Refused { .. }) => {
            drop(kept(handle).map(RefCell::take));
            answer.code
        }
        _ => answer.code,
    }
}

/// What the application and the administrator are told.
struct Answer {
    code: PamResultCode,
    lines: Vec<(Level, String)>,
    warns: bool,
}

impl Answer {
    /// The one table of outcomes; a line that nobody `hears` is not made.
    ///
    /// Whether an error lets the login pass is decided in the PAM stack, where it belongs; see the
    /// control list in the README.
    fn to(
        decided: &Result<Outcome, Fault>,
        request: &Request,
        hears: impl Fn(Level) -> bool,
    ) -> Self {
        let user = sanitize::printable(request.user.to_bytes());
        let origin = &request.origin;
        let line = |level, text: fmt::Arguments| hears(level).then(|| (level, text.to_string()));
        let say = |code, level, text| Self {
            code,
            lines: line(level, text).into_iter().collect(),
            warns: false,
        };
        match decided {
            Ok(Outcome::NotCounted(why)) => {
                say(PamResultCode::PAM_IGNORE, Level::Debug, format_args!("user {user}: {why}"))
            }
            Ok(Outcome::Unlimited) => say(
                PamResultCode::PAM_SUCCESS,
                Level::Debug,
                format_args!("user {user}: the check is off"),
            ),
            Ok(Outcome::AlreadyOpen) => say(
                PamResultCode::PAM_SUCCESS,
                Level::Debug,
                format_args!("user {user}: the session is open already"),
            ),
            Ok(Outcome::Reserved { held, limit, wish, .. }) => {
                let wish = match wish {
                    Wish::None => "",
                    Wish::ClearAll => ", other sessions will be cleared",
                    Wish::EvictOldest => ", the oldest sessions will be ended",
                };
                say(
                    PamResultCode::PAM_SUCCESS,
                    Level::Debug,
                    format_args!(
                        "place reserved for user {user}: {held} of {limit}{wish}, {origin}"
                    ),
                )
            }
            Ok(Outcome::Opened { held, limit, cleared, .. }) => {
                let of = match limit {
                    0 => ", the check is off".to_owned(),
                    limit => format!(" of {limit}"),
                };
                // One of several is no news: others have logged the login itself, and a line is a tenth
                // of what a login pays.
                let is_last = u32::try_from(*held) == Ok(*limit);
                let is_news = *held > 1 || is_last || !cleared.is_empty();
                let level = if is_news { Level::Info } else { Level::Debug };
                Self {
                    code: PamResultCode::PAM_SUCCESS,
                    lines: cleared_line(&user, cleared)
                        .into_iter()
                        .chain(line(
                            level,
                            format_args!("session opened for user {user}: {held}{of}, {origin}"),
                        ))
                        .collect(),
                    warns: false,
                }
            }
            Ok(Outcome::Unrecorded(fault)) => say(
                PamResultCode::PAM_SUCCESS,
                code_and_level(fault).1,
                format_args!(
                    "session of user {user} is not recorded, the check is off: {}",
                    reason(fault)
                ),
            ),
            // Still asking after an answer: nobody can be asked.
            Ok(Outcome::Ask { sessions }) => Self {
                code: PamResultCode::PAM_PERM_DENIED,
                lines: vec![(
                    Level::Notice,
                    format!("session refused for user {user}: {sessions} open, {origin}"),
                )],
                warns: true,
            },
            Ok(Outcome::Refused { held, limit, cleared }) => {
                let refused =
                    format!("session refused for user {user}: {held} of {limit}, {origin}");
                Self {
                    code: PamResultCode::PAM_PERM_DENIED,
                    lines: cleared_line(&user, cleared)
                        .into_iter()
                        .chain([(Level::Notice, refused)])
                        .collect(),
                    warns: true,
                }
            }
            Err(fault) => {
                let (code, level) = code_and_level(fault);
                say(code, level, format_args!("{}", reason(fault)))
            }
        }
    }
}

/// What a fault is to PAM, and to the journal.
fn code_and_level(fault: &Fault) -> (PamResultCode, Level) {
    match fault {
        Fault::UnknownUser => (PamResultCode::PAM_USER_UNKNOWN, Level::Notice),
        Fault::Config(_) => (PamResultCode::PAM_SERVICE_ERR, Level::Error),
        Fault::Store(StoreError::NotPermitted(_)) => (PamResultCode::PAM_IGNORE, Level::Debug),
        // Nobody is limited then: an administrator must be able to see it.
        Fault::Store(StoreError::ReadOnly(_)) => (PamResultCode::PAM_IGNORE, Level::Warning),
        Fault::Store(StoreError::Broken(_)) | Fault::System(_) => {
            (PamResultCode::PAM_SYSTEM_ERR, Level::Error)
        }
    }
}

fn cleared_line(user: &str, cleared: &admission::Cleared) -> Option<(Level, String)> {
    (!cleared.is_empty())
        .then(|| (Level::Notice, format!("sessions of user {user} cleared: {cleared}")))
}

fn reason(fault: &Fault) -> String {
    match fault {
        // Not named: people type their password where the name belongs.
        Fault::UnknownUser => "the user is not known to this host".to_owned(),
        Fault::Config(error) => error.to_string(),
        Fault::Store(error) => error.to_string(),
        Fault::System(text) => text.clone(),
    }
}

/// Gives a place back; what goes wrong is logged, and never keeps anybody from logging out.
fn give_back(ticket: &Ticket, journal: &Journal) -> PamResultCode {
    let store = Store::at(&ticket.state);
    match admission::close(ticket, &store) {
        Ok(true) if ticket.open => {
            journal.write(Level::Debug, &format!("session closed for user {}", ticket.user));
        }
        Ok(_) => {}
        Err(error) => journal.write(Level::Error, &error.to_string()),
    }
    for moved in store.take_moved_aside() {
        journal.write(Level::Critical, &moved.to_string());
    }
    PamResultCode::PAM_SUCCESS
}

// What PAM knows.

fn request(handle: &mut PamHandle, service: String, arguments: Arguments) -> Request {
    let tty = handle.get_item::<Tty>().ok().flatten().map(|tty| tty.to_bytes());
    let rhost = handle.get_item::<RHost>().ok().flatten().map(|rhost| rhost.to_bytes());
    let said = |item: Option<&[u8]>| item.filter(|text| !text.is_empty()).map(sanitize::printable);
    let origin = Origin { service, tty: said(tty), rhost: said(rhost) };
    Request {
        user: user(handle),
        origin,
        config: arguments.config,
        state: arguments.state,
        clear_sessions: arguments.clear_sessions,
        on_limit: arguments.on_limit,
        answer: None,
    }
}

fn service(handle: &PamHandle) -> String {
    let service = handle.get_item::<Service>().ok().flatten();
    service.map(|service| sanitize::printable(service.to_bytes())).unwrap_or_default()
}

/// Returns the user as typed; asks for him, as modules do, where the application did not say.
fn user(handle: &mut PamHandle) -> CString {
    let item = |handle: &PamHandle| {
        handle.get_item::<User>().ok().flatten().map(|user| CStr::to_owned(&user))
    };
    item(handle).unwrap_or_else(|| {
        // The answer becomes the item; an empty name is an unknown user.
        let _ = handle.get_user(None);
        item(handle).unwrap_or_default()
    })
}

// The conversation.

fn converse(handle: &PamHandle, style: PamMessageStyle, text: &str) -> Option<Vec<u8>> {
    let conversation = handle.get_item::<Conv>().ok().flatten()?;
    let reply = conversation.send(style, text).ok().flatten()?;
    Some(reply.as_bytes().to_vec())
}

/// Asks whether the sessions shall be cleared. No answer, or no way to ask, is a no.
fn says_yes(handle: &PamHandle, sessions: usize) -> bool {
    let first_line = admission::WARNING.lines().next().unwrap_or_default();
    let what = if sessions == 1 { "session" } else { "sessions" };
    let question = format!("{first_line}\nClear {sessions} {what} and log in? [y/N] ");
    converse(handle, PAM_PROMPT_ECHO_ON, &question).is_some_and(|reply| {
        let reply = reply.trim_ascii();
        reply.eq_ignore_ascii_case(b"y") || reply.eq_ignore_ascii_case(b"yes")
    })
}

// Data that lives in the handle, from one phase to the next.

const DATA_NAME: &CStr = c"pam_session_limit:ticket";
/// Bits of a cleanup's status that are no error: `PAM_DATA_SILENT`, `PAM_DATA_REPLACE`, and
/// `PAM_SILENT`, which systemd adds.
const NO_ERROR_BITS: c_int = 0x4000_0000 | REPLACE_BIT | 0x8000;
const REPLACE_BIT: c_int = 0x2000_0000;

type Kept = RefCell<Option<Ticket>>;

// pam-bindings offers these too, but its cleanup does not see the status.
unsafe extern "C" {
    fn pam_get_data(
        handle: *const PamHandle,
        name: *const c_char,
        data: *mut *const c_void,
    ) -> c_int;
    fn pam_set_data(
        handle: *mut PamHandle,
        name: *const c_char,
        data: *mut c_void,
        cleanup: unsafe extern "C" fn(*mut PamHandle, *mut c_void, c_int),
    ) -> c_int;
}

/// Returns what an earlier phase kept in this handle.
fn kept(handle: &PamHandle) -> Option<&Kept> {
    let mut data = std::ptr::null();
    // SAFETY: handle and name are valid, `data` is valid to write to.
    let found = unsafe { pam_get_data(handle, DATA_NAME.as_ptr(), &raw mut data) } == 0;
    if !found {
        return None;
    }
    // SAFETY: data of this name is what `keep` made; it lives until the handle ends, and the
    // handle is borrowed. libpam gives a module's data to that module only.
    unsafe { data.cast::<Kept>().as_ref() }
}

/// Keeps the ticket in the handle; returns whether libpam could.
fn keep(handle: &mut PamHandle, ticket: &Ticket) -> bool {
    let new = Some(ticket.clone());
    // Set once and changed in place: to set it again would clean the old one up.
    if let Some(kept) = kept(handle) {
        kept.replace(new);
        return true;
    }
    let data = Box::into_raw(Box::new(Kept::new(new)));
    // SAFETY: handle and name are valid; `data` is a box of ours, which `release` takes back.
    let set = unsafe { pam_set_data(handle, DATA_NAME.as_ptr(), data.cast(), release) } == 0;
    if !set {
        // SAFETY: libpam did not take the box that was made above.
        drop(unsafe { Box::from_raw(data) });
    }
    set
}

/// The handle ends: takes the data back, and with it a place that nobody else would give back.
unsafe extern "C" fn release(handle: *mut PamHandle, data: *mut c_void, status: c_int) {
    let released = catch_unwind(AssertUnwindSafe(|| {
        panic_guard::silence();
        if data.is_null() {
            return;
        }
        // SAFETY: `keep` made this box for libpam, which hands it over exactly once.
        let kept = unsafe { Box::from_raw(data.cast::<Kept>()) };
        let Some(ticket) = kept.take() else { return };
        let stack_failed = status & !NO_ERROR_BITS != 0;
        if status & REPLACE_BIT == 0 && admission::is_abandoned(&ticket, stack_failed) {
            // SAFETY: libpam passes the handle that is ending, its items still there.
            let service = unsafe { handle.as_ref() }.map(service).unwrap_or_default();
            give_back(&ticket, &Journal::new(&service, "session", false));
        }
    }));
    // A payload may panic when it is dropped.
    if let Err(payload) = released {
        std::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use session_limit_core::admission::Cleared;
    use session_limit_core::config::ConfigError;
    use session_limit_core::model::session::Leader;
    use session_limit_core::store;
    use session_limit_core::system::users;
    use std::path::PathBuf;

    fn request() -> Request {
        Request {
            user: c"al\nice".to_owned(),
            origin: Origin {
                service: "sshd".into(),
                tty: Some("ssh".into()),
                rhost: Some("192.0.2.7".into()),
            },
            config: None,
            state: PathBuf::from(store::DEFAULT_PATH),
            clear_sessions: false,
            on_limit: None,
            answer: None,
        }
    }

    fn ticket() -> Ticket {
        let leader = Leader { pid: 1, start_time: 2, pid_ns: 3, boot_id: "b".into() };
        let name = c"alice".to_owned();
        Ticket {
            owner: users::User { typed: name.clone(), name, uid: 1000, gid: 1000 },
            user: "alice".into(),
            id: 7,
            leader,
            open: true,
            state: PathBuf::from("/s"),
        }
    }

    #[test]
    fn every_outcome_has_its_code_level_and_line() {
        use PamResultCode::*;
        let cleared = Cleared { ended: 2, killed: 1, ..Cleared::default() };
        let none = Cleared::default();
        let config = ConfigError { path: "/c".into(), place: None, message: "bad".into() };
        type Row = (Result<Outcome, Fault>, PamResultCode, bool, Vec<(Level, &'static str)>);
        let table: Vec<Row> = vec![
            (
                Ok(Outcome::NotCounted("no")),
                PAM_IGNORE,
                false,
                vec![(Level::Debug, "user al\\nice: no")],
            ),
            (
                Ok(Outcome::Unlimited),
                PAM_SUCCESS,
                false,
                vec![(Level::Debug, "user al\\nice: the check is off")],
            ),
            (
                Ok(Outcome::Reserved { ticket: ticket(), held: 2, limit: 5, wish: Wish::None }),
                PAM_SUCCESS,
                false,
                vec![(
                    Level::Debug,
                    "place reserved for user al\\nice: 2 of 5, service sshd, tty ssh, rhost 192.0.2.7",
                )],
            ),
            (
                Ok(Outcome::Opened { ticket: ticket(), held: 1, limit: 5, cleared: none.clone() }),
                PAM_SUCCESS,
                false,
                vec![(
                    Level::Debug,
                    "session opened for user al\\nice: 1 of 5, service sshd, tty ssh, rhost 192.0.2.7",
                )],
            ),
            (
                Ok(Outcome::Opened { ticket: ticket(), held: 1, limit: 1, cleared: none.clone() }),
                PAM_SUCCESS,
                false,
                vec![(
                    Level::Info,
                    "session opened for user al\\nice: 1 of 1, service sshd, tty ssh, rhost 192.0.2.7",
                )],
            ),
            (
                Ok(Outcome::Opened { ticket: ticket(), held: 2, limit: 5, cleared: none.clone() }),
                PAM_SUCCESS,
                false,
                vec![(
                    Level::Info,
                    "session opened for user al\\nice: 2 of 5, service sshd, tty ssh, rhost 192.0.2.7",
                )],
            ),
            (
                Ok(Outcome::Opened {
                    ticket: ticket(),
                    held: 1,
                    limit: 0,
                    cleared: cleared.clone(),
                }),
                PAM_SUCCESS,
                false,
                vec![
                    (
                        Level::Notice,
                        "sessions of user al\\nice cleared: 3 sessions ended, 1 by SIGKILL",
                    ),
                    (
                        Level::Info,
                        "session opened for user al\\nice: 1, the check is off, service sshd, tty ssh, rhost 192.0.2.7",
                    ),
                ],
            ),
            (
                Ok(Outcome::AlreadyOpen),
                PAM_SUCCESS,
                false,
                vec![(Level::Debug, "user al\\nice: the session is open already")],
            ),
            (
                Ok(Outcome::Refused { held: 5, limit: 5, cleared: none }),
                PAM_PERM_DENIED,
                true,
                vec![(
                    Level::Notice,
                    "session refused for user al\\nice: 5 of 5, service sshd, tty ssh, rhost 192.0.2.7",
                )],
            ),
            (
                Ok(Outcome::Unrecorded(Fault::Store(StoreError::Broken("/s: x".into())))),
                PAM_SUCCESS,
                false,
                vec![(
                    Level::Error,
                    "session of user al\\nice is not recorded, the check is off: /s: x",
                )],
            ),
            (
                Err(Fault::UnknownUser),
                PAM_USER_UNKNOWN,
                false,
                vec![(Level::Notice, "the user is not known to this host")],
            ),
            (Err(Fault::Config(config)), PAM_SERVICE_ERR, false, vec![(Level::Error, "/c: bad")]),
            (
                Err(Fault::Store(StoreError::Broken("/s: x".into()))),
                PAM_SYSTEM_ERR,
                false,
                vec![(Level::Error, "/s: x")],
            ),
            (
                Err(Fault::Store(StoreError::NotPermitted("/s: x".into()))),
                PAM_IGNORE,
                false,
                vec![(Level::Debug, "/s: x")],
            ),
            (
                Err(Fault::Store(StoreError::ReadOnly("/s: x".into()))),
                PAM_IGNORE,
                false,
                vec![(Level::Warning, "/s: x")],
            ),
            (
                Err(Fault::System("/proc: x".into())),
                PAM_SYSTEM_ERR,
                false,
                vec![(Level::Error, "/proc: x")],
            ),
        ];
        for (decided, code, warns, lines) in table {
            let answer = Answer::to(&decided, &request(), |_| true);
            assert_eq!(answer.code, code, "{decided:?}");
            assert_eq!(answer.warns, warns, "{decided:?}");
            let lines_of: Vec<_> = answer.lines.iter().map(|(l, t)| (*l, t.as_str())).collect();
            assert_eq!(lines_of, lines, "{decided:?}");
            let heard = Answer::to(&decided, &request(), |level| level != Level::Debug).lines;
            assert!(heard.iter().all(|(level, _)| *level != Level::Debug), "{decided:?}");
            let not_debug = lines.iter().filter(|(level, _)| *level != Level::Debug).count();
            assert_eq!(heard.len(), not_debug, "{decided:?}");
        }
    }
}
