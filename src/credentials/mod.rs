//! Lockout, history and age of passwords by the user's profile: the lines of the PAM profile
//! `session-limit-account`.
//!
//! Lockout and history are the work of pam_faillock and pam_pwhistory, which `delegate` calls; the age is
//! compared here. Whether an error lets the login pass is decided in the stack, as for the limit.

mod kept;
mod new_password;
mod options;

use std::ffi::{CStr, CString};

use pam::constants::{PamFlag, PamResultCode};
use pam::module::PamHandle;
use session_limit_core::admission::is_counted;
use session_limit_core::config::{Config, assignment};
use session_limit_core::log::{Level, Log};
use session_limit_core::model::password_age::{PasswordAge, password_age};
use session_limit_core::model::sanitize::printable;
use session_limit_core::system::users::User;
use session_limit_core::system::{self, clock, shadow};

use crate::conversation;
use crate::delegate::{Delegate, Symbol};
use kept::Kept;
use options::{Action, CREDENTIALS, Line, Options};

/// The flags of pam_sm_chauthtok(3) for its two calls.
const PAM_PRELIM_CHECK: PamFlag = 0x4000;

/// A verdict, or the code of an error that has been logged.
type Verdict = Result<PamResultCode, PamResultCode>;

/// Returns whether an account line is to check the account, not to count its sessions.
pub fn are_meant(args: &[&CStr]) -> bool {
    args.iter().any(|word| word.to_bytes() == CREDENTIALS)
}

/// One call of a hook.
pub struct Call<'a> {
    /// The handle.
    pub handle: &'a mut PamHandle,
    /// The user as typed.
    pub user: CString,
    /// The PAM service.
    pub service: &'a str,
    /// The flags.
    pub flags: PamFlag,
    /// Whether the application wants no messages.
    pub silent: bool,
}

/// The `auth` line: refuses a locked account, counts a failure, or forgets them.
pub fn authenticate(call: &mut Call<'_>, args: &[&CStr]) -> PamResultCode {
    let options = Options::read(Line::Auth, args);
    let log = Log::new(call.service, "auth", options.debug);
    report(&options, &log);
    let Some(action) = options.action else { return PamResultCode::PAM_IGNORE };
    either(lockout(call, &options, &log, action))
}

/// The `account` line with `credentials`: forgets the failures of a user who has shown the right password, and
/// has one that is too old changed.
pub fn check_account(call: &mut Call<'_>, args: &[&CStr]) -> PamResultCode {
    let options = Options::read(Line::Account, args);
    let log = Log::new(call.service, "account", options.debug);
    report(&options, &log);
    either(account(call, &options, &log))
}

/// The `password` line: a password that was used before is refused.
pub fn change_password(call: &mut Call<'_>, args: &[&CStr]) -> PamResultCode {
    let options = Options::read(Line::Password, args);
    let log = Log::new(call.service, "password", options.debug);
    // Once of the two calls.
    if call.flags & PAM_PRELIM_CHECK != 0 {
        report(&options, &log);
        return PamResultCode::PAM_SUCCESS;
    }
    let verdict = either(history(call, &options, &log));
    // The lines behind this one use the new password that a line before them has asked for (use_authtok). Where
    // pam_pwhistory was not called, or could not work, it is asked for here.
    let refused = matches!(
        verdict,
        PamResultCode::PAM_MAXTRIES | PamResultCode::PAM_AUTHTOK_ERR | PamResultCode::PAM_TRY_AGAIN
    );
    if refused {
        return verdict;
    }
    match new_password::ask(call.handle) {
        PamResultCode::PAM_SUCCESS => verdict,
        failed => failed,
    }
}

fn lockout(call: &mut Call<'_>, options: &Options, log: &Log, action: Action) -> Verdict {
    let earlier = if action == Action::Before { None } else { known(call, options) };
    let mut profile = match earlier {
        Some(profile) => profile,
        None => match find(call, options, log)? {
            Some(profile) => profile,
            None => return Ok(PamResultCode::PAM_IGNORE),
        },
    };
    profile.is_authenticating = action == Action::Before;
    let verdict = faillock(call, options, log, &profile, action);
    kept::store(call.handle, profile);
    verdict
}

/// Calls pam_faillock; not for a user whose profile locks nothing.
fn faillock(
    call: &mut Call<'_>,
    options: &Options,
    log: &Log,
    profile: &Kept,
    action: Action,
) -> Verdict {
    if profile.deny == 0 {
        let user = printable(profile.user.name.to_bytes());
        log.write(Level::Debug, &format!("user {user}: no failures lock the account"));
        return Ok(PamResultCode::PAM_IGNORE);
    }
    // Ours come last, and override those of faillock.conf.
    let mut arguments = vec![action.word()];
    arguments.extend_from_slice(&options.others);
    arguments.push(number("deny", profile.deny));
    arguments.push(number("unlock_time", profile.lock_seconds));
    let delegate = Delegate { file: "pam_faillock.so", path: options.module.as_deref() };
    let verdict = delegate.call(call.handle, Symbol::Authenticate, call.flags, &arguments);
    let verdict = verdict.map_err(|error| {
        log.write(Level::Error, &format!("no failure locks an account: {error}"));
        PamResultCode::PAM_MODULE_UNKNOWN
    })?;
    if action != Action::Failed && verdict == PamResultCode::PAM_AUTH_ERR {
        let user = printable(profile.user.name.to_bytes());
        log.write(Level::Notice, &format!("login refused for user {user}: the account is locked"));
    }
    Ok(verdict)
}

fn account(call: &mut Call<'_>, options: &Options, log: &Log) -> Verdict {
    let Some(mut profile) =
        known(call, options).map_or_else(|| find(call, options, log), |kept| Ok(Some(kept)))?
    else {
        return Ok(PamResultCode::PAM_IGNORE);
    };
    // A key was shown instead, or a password cache used: nothing is known about the password.
    let mut failed = None;
    if std::mem::take(&mut profile.is_authenticating) {
        kept::store(call.handle, profile.clone());
        match faillock(call, options, log, &profile, Action::Succeeded) {
            // Too many wrong passwords were typed elsewhere meanwhile.
            Ok(PamResultCode::PAM_AUTH_ERR) => return Ok(PamResultCode::PAM_AUTH_ERR),
            Ok(_) => {}
            Err(code) => failed = Some(code),
        }
    }
    if profile.is_login && profile.expiry_days != 0 {
        let dates = shadow::password_dates(profile.user.name.to_bytes()).map_err(|error| {
            let reason = system::error_text(&error);
            log.write(Level::Error, &format!("/etc/shadow: {reason}"));
            PamResultCode::PAM_SYSTEM_ERR
        })?;
        if let Some(dates) = dates {
            match password_age(dates, profile.expiry_days, clock::epoch_seconds()) {
                PasswordAge::Expired(age) => return Ok(expired(call, log, &profile, age)),
                PasswordAge::ExpiresIn(days) => warn(call, days),
                PasswordAge::Valid => {}
            }
        }
    }
    failed.map_or(Ok(PamResultCode::PAM_SUCCESS), Err)
}

fn expired(call: &Call<'_>, log: &Log, profile: &Kept, age: i64) -> PamResultCode {
    let user = printable(profile.user.name.to_bytes());
    let days = profile.expiry_days;
    log.write(
        Level::Notice,
        &format!("password of user {user} has expired: {age} days old, {days} are allowed"),
    );
    if !call.silent {
        let text = format!(
            "You are required to change your password immediately (it is {age} days old, {days} are allowed)."
        );
        conversation::show_error(call.handle, &text);
    }
    PamResultCode::PAM_NEW_AUTHTOK_REQD
}

fn warn(call: &Call<'_>, days: i64) {
    if !call.silent {
        let unit = if days == 1 { "day" } else { "days" };
        let text = format!("Warning: your password will expire in {days} {unit}.");
        conversation::show_info(call.handle, &text);
    }
}

fn history(call: &mut Call<'_>, options: &Options, log: &Log) -> Verdict {
    let Some(profile) = find(call, options, log)? else { return Ok(PamResultCode::PAM_IGNORE) };
    if profile.history == 0 {
        return Ok(PamResultCode::PAM_SUCCESS);
    }
    let mut arguments = options.others.clone();
    arguments.push(number("remember", profile.history));
    let delegate = Delegate { file: "pam_pwhistory.so", path: options.module.as_deref() };
    delegate.call(call.handle, Symbol::ChangePassword, call.flags, &arguments).map_err(|error| {
        log.write(Level::Error, &format!("old passwords are not compared: {error}"));
        PamResultCode::PAM_MODULE_UNKNOWN
    })
}

/// Returns what an earlier phase found out about the same user.
fn known(call: &Call<'_>, options: &Options) -> Option<Kept> {
    kept::stored(call.handle)
        .filter(|kept| kept.typed == call.user && kept.config == options.config)
}

/// Asks configuration and name services; none where the host does not know the user, whom pam_faillock does not
/// count either.
fn find(call: &Call<'_>, options: &Options, log: &Log) -> Result<Option<Kept>, PamResultCode> {
    let failed = |code, text: String| {
        log.write(Level::Error, &text);
        code
    };
    let system = |what: &str, error: &std::io::Error| {
        failed(PamResultCode::PAM_SYSTEM_ERR, format!("{what}: {}", system::error_text(error)))
    };
    let config = options.config.as_deref().map_or_else(Config::load_default, Config::load);
    let config =
        config.map_err(|error| failed(PamResultCode::PAM_SERVICE_ERR, error.to_string()))?;
    let user = User::named(&call.user).map_err(|error| system("user database", &error))?;
    let Some(user) = user else {
        log.write(Level::Debug, "the user is not known to this host");
        return Ok(None);
    };
    let assigned = assignment::profile_for(&config, &user)
        .map_err(|error| system("group database", &error))?;
    for warning in &assigned.warnings {
        log.write(Level::Warning, warning);
    }
    Ok(Some(Kept {
        typed: call.user.clone(),
        config: options.config.clone(),
        user,
        deny: assigned.profile.failures_that_lock(),
        lock_seconds: assigned.profile.lock_seconds(),
        history: assigned.profile.max_password_history_count,
        expiry_days: assigned.profile.credentials_timeout_threshold,
        is_login: is_counted(call.service, &config),
        is_authenticating: false,
    }))
}

fn report(options: &Options, log: &Log) {
    for problem in &options.problems {
        log.write(Level::Error, problem);
    }
}

fn number(name: &str, value: u32) -> CString {
    CString::new(format!("{name}={value}")).unwrap_or_default()
}

fn either(verdict: Verdict) -> PamResultCode {
    verdict.unwrap_or_else(|code| code)
}
