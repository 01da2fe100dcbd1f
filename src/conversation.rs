//! What the user is told and asked, through the application. Best effort: an application without a
//! conversation changes no verdict.
#![forbid(unsafe_code)]

use pam::constants::{PAM_ERROR_MSG, PAM_PROMPT_ECHO_ON, PAM_TEXT_INFO, PamMessageStyle};
use pam::conv::Conv;
use pam::module::PamHandle;
use session_limit_core::admission::WARNING;

/// Shows an error message.
pub fn show_error(handle: &PamHandle, text: &str) {
    let _ = converse(handle, PAM_ERROR_MSG, text);
}

/// Shows an informative message.
pub fn show_info(handle: &PamHandle, text: &str) {
    let _ = converse(handle, PAM_TEXT_INFO, text);
}

/// Asks whether the sessions shall be cleared. No answer, or no way to ask, is a no.
pub fn ask_confirmation(handle: &PamHandle, sessions: usize) -> bool {
    let [first_line, _] = WARNING;
    let what = if sessions == 1 { "session" } else { "sessions" };
    let question = format!("{first_line}\nClear {sessions} {what} and log in? [y/N] ");
    converse(handle, PAM_PROMPT_ECHO_ON, &question).is_some_and(|reply| {
        let reply = reply.trim_ascii();
        reply.eq_ignore_ascii_case(b"y") || reply.eq_ignore_ascii_case(b"yes")
    })
}

fn converse(handle: &PamHandle, style: PamMessageStyle, text: &str) -> Option<Vec<u8>> {
    let conversation = handle.get_item::<Conv>().ok().flatten()?;
    let reply = conversation.send(style, text).ok().flatten()?;
    Some(reply.as_bytes().to_vec())
}
