//! The six entry points: PAM items become a [`LoginRequest`], the [`Outcome`] becomes a PAM code, log
//! lines and at most one message.

use std::ffi::{CStr, CString};

use pam::constants::{PAM_SILENT, PamFlag, PamResultCode};
use pam::items::{self, RHost, Service, Tty};
use pam::module::{PamHandle, PamHooks};
use session_limit_core::admission::options::Options;
use session_limit_core::admission::{
    self, AdmissionError, Answer, LoginRequest, Outcome, SessionToken, Slot, must_release,
};
use session_limit_core::log::{Level, Log};
use session_limit_core::model::sanitize::printable;
use session_limit_core::model::session::Origin;
use session_limit_core::refusals::Refusals;
use session_limit_core::store::Store;
use session_limit_core::store::last_login::{LastLogin, LastLogins};
use session_limit_core::system::clock;
use session_limit_core::system::users::User;

use crate::credentials::{self, Call};
use crate::outcome::{PamResponse, error_text};
use crate::{conversation, pam_data, panic_guard, trail};

struct SessionLimit;

/// The six `pam_sm_*` functions: all that the library exports.
#[allow(
    missing_docs,
    reason = "pam_hooks! makes them; pam_sm_open_session(3) and its like say what they do"
)]
mod exported {
    use super::SessionLimit;
    pam::pam_hooks!(SessionLimit);
}

impl PamHooks for SessionLimit {
    fn sm_authenticate(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        // A line without arguments has always been none of our business.
        if args.is_empty() {
            return PamResultCode::PAM_IGNORE;
        }
        run_credentials(handle, &args, flags, "auth", credentials::authenticate)
    }

    fn sm_chauthtok(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        run_credentials(handle, &args, flags, "password", credentials::change_password)
    }

    fn acct_mgmt(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        if credentials::are_meant(&args) {
            return run_credentials(handle, &args, flags, "account", credentials::check_account);
        }
        run_phase(handle, &args, flags, "account", admission::account)
    }

    fn sm_open_session(handle: &mut PamHandle, args: Vec<&CStr>, flags: PamFlag) -> PamResultCode {
        run_phase(handle, &args, flags, "session", admission::open)
    }

    fn sm_close_session(handle: &mut PamHandle, args: Vec<&CStr>, _: PamFlag) -> PamResultCode {
        let service = service(handle);
        let log = Log::new(&service, "session", Options::read(&args).debug);
        guarded(&log, || {
            // Nothing was recorded through this handle: nothing is to be done, whatever the service.
            let slot = pam_data::take(handle).and_then(|token| Some((token.slot?, token.settings)));
            let Some((slot, settings)) = slot else { return PamResultCode::PAM_IGNORE };
            release_session(&slot, &settings.user, &log);
            PamResultCode::PAM_SUCCESS
        })
    }
}

/// A hook of [`credentials`].
type CredentialsHook = fn(&mut Call<'_>, &[&CStr]) -> PamResultCode;

fn run_credentials(
    handle: &mut PamHandle,
    args: &[&CStr],
    flags: PamFlag,
    name: &str,
    hook: CredentialsHook,
) -> PamResultCode {
    let service = service(handle);
    guarded(&Log::new(&service, name, false), || {
        let user = user(handle);
        let silent = flags & PAM_SILENT != 0;
        hook(&mut Call { handle, user, service: &service, flags, silent }, args)
    })
}

/// A phase of [`admission`].
type Phase = fn(&LoginRequest, Option<&SessionToken>, &Store) -> Result<Outcome, AdmissionError>;

fn run_phase(
    handle: &mut PamHandle,
    args: &[&CStr],
    flags: PamFlag,
    name: &str,
    phase: Phase,
) -> PamResultCode {
    let options = Options::read(args);
    let service = service(handle);
    let log = Log::new(&service, name, options.debug);
    guarded(&log, || {
        for problem in &options.problems {
            log.write(Level::Error, problem);
        }
        let silent = flags & PAM_SILENT != 0;
        let request = login_request(handle, &service, options);
        decide(handle, request, silent, &log, phase)
    })
}

fn decide(
    handle: &mut PamHandle,
    mut request: LoginRequest,
    silent: bool,
    log: &Log,
    phase: Phase,
) -> PamResultCode {
    // What an earlier phase kept stays there.
    let token = pam_data::stored(handle);
    let store = Store::at(&request.state);
    let mut decided = phase(&request, token.as_ref(), &store);
    if let Ok(Outcome::Ask(question)) = &decided {
        request.answer = Some(match silent {
            true => Answer::Nothing,
            false => conversation::ask_which(handle, &request.origin.service, question),
        });
        decided = phase(&request, token.as_ref(), &store);
    }
    log_quarantined(&store, log);
    trail::record(&decided, &request, log);

    let response = PamResponse::to(&decided, &request, |level| log.is_enabled(level));
    for (level, line) in &response.lines {
        log.write(*level, line);
    }
    keep_refusal(&decided, &request, log);
    if let Some(message) = response.message.filter(|_| !silent) {
        conversation::show_error(handle, &message);
    }
    if let Some(notice) = response.notice.filter(|_| !silent) {
        conversation::show_info(handle, &notice);
    }
    match decided {
        Ok(
            Outcome::Unlimited { token }
            | Outcome::Reserved { token, .. }
            | Outcome::Opened { token, .. },
        ) => {
            if token.slot.as_ref().is_some_and(|slot| slot.open) {
                keep_last_login(&token, &request, log);
            }
            let (slot, user) = (token.slot.clone(), token.settings.user.clone());
            if !pam_data::store(handle, token, handle_ended) {
                // Without its token the slot could not be released later.
                log.write(Level::Error, "libpam could not keep the session's data");
                if let Some(slot) = slot {
                    release_session(&slot, &user, log);
                    return PamResultCode::PAM_SYSTEM_ERR;
                }
            }
        }
        Ok(Outcome::Refused { .. } | Outcome::FleetDown { .. }) => drop(pam_data::take(handle)),
        _ => {}
    }
    response.code
}

/// Keeps what `shell show useractivity` tells of a user who is not logged in any more. No login depends
/// on it.
fn keep_last_login(token: &SessionToken, request: &LoginRequest, log: &Log) {
    let user = &token.settings.user;
    let login = LastLogin {
        uid: user.uid,
        user: printable(user.name.to_bytes()),
        time: clock::epoch_seconds(),
        origin: request.origin.clone(),
    };
    if let Err(error) = LastLogins::beside(&request.state).keep(&login) {
        log.write(Level::Info, &format!("the last login is not kept: {error}"));
    }
}

/// Keeps what `shell show refusal` tells of a login that found no slot. What becomes of the login is decided.
fn keep_refusal(decided: &Result<Outcome, AdmissionError>, request: &LoginRequest, log: &Log) {
    let refusal = match decided {
        Ok(Outcome::Refused { refusal, .. })
        | Ok(Outcome::Opened { over_limit: Some(refusal), .. }) => refusal,
        _ => return,
    };
    match Refusals::beside(&request.state).record(refusal) {
        Ok(None) => {}
        Ok(Some(lost)) => log.write(Level::Warning, &lost),
        Err(error) => log.write(Level::Info, &format!("the refusal is not recorded: {error}")),
    }
}

/// Releases a slot; what goes wrong is logged, and never keeps a user from logging out.
fn release_session(slot: &Slot, user: &User, log: &Log) {
    let uid = user.uid;
    let user = printable(user.name.to_bytes());
    let store = Store::at(&slot.state);
    match admission::close(slot, uid, &store) {
        Ok(true) if slot.open => {
            log.write(Level::Info, &format!("session closed for user {user}"));
        }
        Ok(_) => {}
        Err(error) => log.write(Level::Error, &error_text(&error.into())),
    }
    log_quarantined(&store, log);
}

/// The handle ends: releases a slot that nothing else would release.
fn handle_ended(handle: Option<&PamHandle>, token: &SessionToken, stack_failed: bool) {
    let service = handle.map(service).unwrap_or_default();
    let log = Log::new(&service, "session", false);
    guarded(&log, || {
        if let Some(slot) = token.slot.as_ref().filter(|slot| must_release(slot, stack_failed)) {
            release_session(slot, &token.settings.user, &log);
        }
        PamResultCode::PAM_SUCCESS
    });
}

/// Runs `work`; a panic is one line in the log and `PAM_ABORT`.
fn guarded(log: &Log, work: impl FnOnce() -> PamResultCode) -> PamResultCode {
    panic_guard::catch(work).unwrap_or_else(|text| {
        log.write(Level::Critical, &format!("internal error: {text}"));
        PamResultCode::PAM_ABORT
    })
}

fn log_quarantined(store: &Store, log: &Log) {
    for quarantined in store.take_quarantined() {
        log.write(Level::Critical, &quarantined.to_string());
    }
}

// What PAM knows.

fn login_request(handle: &mut PamHandle, service: &str, options: Options) -> LoginRequest {
    let tty = handle.get_item::<Tty>().ok().flatten().map(|tty| tty.to_bytes());
    let rhost = handle.get_item::<RHost>().ok().flatten().map(|rhost| rhost.to_bytes());
    let given = |item: Option<&[u8]>| item.filter(|text| !text.is_empty()).map(printable);
    let origin = Origin { service: service.to_owned(), tty: given(tty), rhost: given(rhost) };
    LoginRequest {
        user: user(handle),
        origin,
        config: options.config,
        state: options.state,
        clear_sessions: options.clear_sessions,
        on_limit: options.on_limit,
        answer: None,
    }
}

fn service(handle: &PamHandle) -> String {
    let service = handle.get_item::<Service>().ok().flatten();
    service.map(|service| printable(service.to_bytes())).unwrap_or_default()
}

/// Returns the user as typed; asks for a name, as modules do, where the application did not give one.
fn user(handle: &mut PamHandle) -> CString {
    let item = |handle: &PamHandle| {
        handle.get_item::<items::User>().ok().flatten().map(|user| CStr::to_owned(&user))
    };
    item(handle).unwrap_or_else(|| {
        // The answer becomes the item; an empty name is an unknown user.
        let _ = handle.get_user(None);
        item(handle).unwrap_or_default()
    })
}
