//! What the `shell` of a user says to its session process.

use std::io;
use std::os::fd::AsFd;

use rustix::event::PollFlags;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_limit_admin::command::{Call, CallError};

use super::packet::{receive_long, send, send_long};

/// The version of all that is said over this socket. Both programs are installed together; one that has been
/// running since before an upgrade speaks an earlier one.
pub const PROTOCOL: u8 = 1;
/// What the first packet begins with; the version is the byte behind it.
pub(super) const TAG: u8 = b'L';

/// Bytes of the longest call: some files of pam_limits.
const MAX_CALL: usize = 4 * 1024 * 1024;
/// Bytes of the longest answer: the sessions of a hundred thousand users.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The login that a user asks for. Who asks is not said: the kernel knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalLogin {
    /// The user, where known already; else the stack asks.
    pub user: Option<String>,
    /// Whether the other sessions of that user are to be ended.
    pub clear_sessions: bool,
}

/// Asks for a login.
///
/// # Errors
/// When the session process is gone.
pub fn send_login(socket: impl AsFd, login: &LocalLogin) -> io::Result<()> {
    send(socket, &[&[TAG, PROTOCOL], &serde_json::to_vec(login)?])
}

/// Has a call carried out, and waits for the answer; nothing once the session is over.
///
/// # Errors
/// When the answer is not understood.
pub fn call(socket: impl AsFd, call: &Call) -> io::Result<Option<Result<Value, CallError>>> {
    let sent = send_long(&socket, &serde_json::to_vec(call)?, |_| true);
    if sent.is_err_and(|error| error.kind() != io::ErrorKind::BrokenPipe) {
        return Ok(None);
    }
    let answer = receive_long(&socket, MAX_ANSWER, |_| true)?;
    Ok(answer.map(|answer| serde_json::from_slice(&answer)).transpose()?)
}

/// Hears a call; nothing once the client is gone, or `is_ready`, which waits, says no.
///
/// # Errors
/// When something else is said.
pub fn receive_call(
    socket: impl AsFd,
    is_ready: impl FnMut(PollFlags) -> bool,
) -> io::Result<Option<Call>> {
    let call = receive_long(socket, MAX_CALL, is_ready)?;
    Ok(call.map(|call| serde_json::from_slice(&call)).transpose()?)
}

/// Answers a call.
///
/// # Errors
/// When the client is gone, or `is_ready`, which waits, says no.
pub fn send_answer(
    socket: impl AsFd,
    answer: &Result<Value, CallError>,
    is_ready: impl FnMut(PollFlags) -> bool,
) -> io::Result<()> {
    send_long(socket, &serde_json::to_vec(answer)?, is_ready)
}

#[cfg(test)]
mod tests {
    use session_limit_admin::config::limits_conf::LimitsFile;
    use session_limit_admin::error::{AdminError, AdminErrorKind};

    use super::*;
    use crate::ipc::{Beginning, pair, receive_start};

    #[test]
    fn a_login_is_asked_for_in_a_version() {
        let (here, there) = pair().unwrap();
        let login = LocalLogin { user: Some("alice".to_owned()), clear_sessions: true };
        send_login(&here, &login).unwrap();
        assert_eq!(receive_start(&there).unwrap(), Some(Beginning::Local(login)));
        send(&here, &[&[TAG, PROTOCOL + 1], b"whatever it says there"]).unwrap();
        let other = Beginning::OtherProtocol(PROTOCOL + 1);
        assert_eq!(receive_start(&there).unwrap(), Some(other));
    }

    #[test]
    fn long_calls_and_answers_arrive_whole() {
        let (here, there) = pair().unwrap();
        let text = "# \u{e9}\n".repeat(200_000);
        let answered = text.clone();
        let answering = std::thread::spawn(move || {
            let Some(Call::ImportLimits(files, true)) = receive_call(&there, |_| true).unwrap()
            else {
                panic!("another call")
            };
            let answer = Ok(Value::String(files.into_iter().map(|file| file.text).collect()));
            send_answer(&there, &answer, |_| true).unwrap();
            let error = AdminError::new(AdminErrorKind::Forbidden, "no");
            assert!(receive_call(&there, |_| true).unwrap().is_some());
            send_answer(&there, &Err(error.into()), |_| true).unwrap();
        });
        let file = LimitsFile { path: "/x".into(), text };
        let got = call(&here, &Call::ImportLimits(vec![file], true)).unwrap().unwrap();
        assert_eq!(got.unwrap(), Value::String(answered));
        let got = call(&here, &Call::Status).unwrap().unwrap();
        assert_eq!(got.unwrap_err().error.message, "no");
        answering.join().unwrap();
        assert!(call(&here, &Call::Status).unwrap().is_none(), "the session is over");
    }

    #[test]
    fn what_is_too_long_or_unheard_of_is_an_error() {
        let (here, there) = pair().unwrap();
        rustix::io::ioctl_fionbio(&here, true).unwrap();
        let sending = std::thread::spawn(move || {
            rustix::io::ioctl_fionbio(&here, false).unwrap();
            let _ = send_long(&here, &vec![b' '; MAX_CALL + 1], |_| true);
            here
        });
        assert_eq!(receive_call(&there, |_| true).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(there);
        drop(sending.join().unwrap());
        for broken in [&b".{"[..], b".\"Nonsense\"", b"x{}", &[b'.'; 60_000]] {
            let (here, there) = pair().unwrap();
            send(&here, &[broken]).unwrap();
            assert!(receive_call(&there, |_| true).is_err());
        }
        let (here, there) = pair().unwrap();
        send(&here, &[b"+\"Sta"]).unwrap();
        assert!(receive_call(&there, |_| false).unwrap().is_none(), "given up");
    }
}
