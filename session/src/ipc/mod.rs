//! What a client, the prompt of `shell` or the service, and a session process say to each other: one packet
//! each, over a socket that keeps packets whole (SEQPACKET).
//!
//! The client begins: with a login ([`send_start`]), or with the question how the service is configured
//! ([`ask_settings`]). Once the session is open it may send requests, one at a time. The `shell` of a user without
//! rights speaks as [`local`] says.

pub mod local;
mod packet;

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session_limit_admin::api::statistics::Statistics;
use session_limit_admin::api::{AtLimit, Request};
use session_limit_admin::error::AdminError;
use session_limit_core::model::service_settings::Service;

use crate::pam_client::{LoginStart, PamError};
use crate::secret::Secret;
use local::LocalLogin;

/// Bytes of the longest packet without a secret; longer texts of modules are cut.
const MAX_PACKET: usize = 32 * 1024;
const MAX_TEXT: usize = 4096;

/// Bytes of the longest request: a body of 64 KiB, and what is around it.
pub const MAX_REQUEST: usize = 96 * 1024;
/// Bytes of the longest answer, below what a socket takes as one packet by default (212,992).
pub const MAX_ANSWER: usize = 192 * 1024;

const START: u8 = b'S';
const SETTINGS: u8 = b'C';
const STATISTICS: u8 = b'N';
const SAMPLER: u8 = b'H';
const ANSWER: u8 = b'A';
const REQUEST: u8 = b'R';

/// What the holder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HolderMessage {
    /// A module says or asks something; PAM's number of the style, and the text.
    Message(u8, String),
    /// Name and password are right: what is asked from now on is asked afresh each time.
    Authenticated,
    /// The session is open, for the user of this name.
    Opened(String),
    /// The login was refused at the limit; [`HolderMessage::Failed`] follows.
    AtLimit(AtLimit),
    /// The login failed.
    Failed(PamError),
    /// How the service is configured, or why that is not known.
    Settings(Result<Service, String>),
    /// Counts for monitoring, or why there are none.
    Statistics(Result<Statistics, String>),
}

/// What a client begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beginning {
    /// A login.
    Login(LoginStart),
    /// The question how the service is configured.
    Settings,
    /// The question for counts.
    Statistics,
    /// The login of the `shell` of a user.
    Local(LocalLogin),
    /// The same, in a version of this number that is not ours.
    OtherProtocol(u8),
    /// The wish that the history is kept.
    Sampler,
}

/// The answer to a request.
pub type Reply = Result<Value, AdminError>;

/// Makes the two ends, both close-on-exec.
///
/// # Errors
/// Those of socketpair(2).
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends a word of the holder.
///
/// # Errors
/// When the prompt is gone.
pub fn send(socket: impl AsFd, word: &HolderMessage) -> io::Result<()> {
    let word = match word {
        HolderMessage::Message(style, text) if text.len() > MAX_TEXT => {
            HolderMessage::Message(*style, text.chars().take(MAX_TEXT / 4).collect())
        }
        other => other.clone(),
    };
    packet::send(socket, &[&serde_json::to_vec(&word)?])
}

/// Receives a word of the holder; nothing once it is gone.
///
/// # Errors
/// When the message is not understood.
pub fn receive(socket: impl AsFd) -> io::Result<Option<HolderMessage>> {
    let mut packet = vec![0; MAX_PACKET];
    let length = packet::receive(socket, &mut [IoSliceMut::new(&mut packet)])?;
    match packet.get(..length).unwrap_or_default() {
        [] => Ok(None),
        packet => Ok(Some(serde_json::from_slice(packet)?)),
    }
}

/// Tells the holder who logs in.
///
/// # Errors
/// When the holder is gone.
pub fn send_start(socket: impl AsFd, start: &LoginStart) -> io::Result<()> {
    packet::send(socket, &[&[START], &serde_json::to_vec(start)?])
}

/// Asks how the service is configured; the answer is [`HolderMessage::Settings`].
///
/// # Errors
/// When the session process is gone.
pub fn ask_settings(socket: impl AsFd) -> io::Result<()> {
    packet::send(socket, &[&[SETTINGS]])
}

/// Asks for counts; the answer is [`HolderMessage::Statistics`].
///
/// # Errors
/// When the session process is gone.
pub fn ask_statistics(socket: impl AsFd) -> io::Result<()> {
    packet::send(socket, &[&[STATISTICS]])
}

/// Has the history kept for as long as the socket is held.
///
/// # Errors
/// When the session process is gone.
pub fn start_sampler(socket: impl AsFd) -> io::Result<()> {
    packet::send(socket, &[&[SAMPLER]])
}

/// Hears what the client wants; nothing once it is gone.
///
/// # Errors
/// When something else is said.
pub fn receive_start(socket: impl AsFd) -> io::Result<Option<Beginning>> {
    let mut packet = vec![0; MAX_PACKET];
    let length = packet::receive(socket, &mut [IoSliceMut::new(&mut packet)])?;
    match packet.get(..length).unwrap_or_default() {
        [] => Ok(None),
        [SETTINGS] => Ok(Some(Beginning::Settings)),
        [STATISTICS] => Ok(Some(Beginning::Statistics)),
        [SAMPLER] => Ok(Some(Beginning::Sampler)),
        [START, start @ ..] => Ok(Some(Beginning::Login(serde_json::from_slice(start)?))),
        [local::TAG, local::PROTOCOL, login @ ..] => {
            Ok(Some(Beginning::Local(serde_json::from_slice(login)?)))
        }
        [local::TAG, other, ..] => Ok(Some(Beginning::OtherProtocol(*other))),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Answers a question of the holder, straight from locked memory.
///
/// # Errors
/// When the holder is gone.
pub fn send_answer(socket: impl AsFd, secret: &Secret) -> io::Result<()> {
    packet::send(socket, &[&[ANSWER], secret.bytes()])
}

/// Hears an answer into locked memory; nothing where the prompt is gone.
///
/// # Errors
/// When something else is said.
pub fn receive_answer(socket: impl AsFd) -> io::Result<Option<Secret>> {
    let mut secret = Secret::new()?;
    let mut tag = [0];
    let mut length = 0;
    secret.fill(|room| {
        length = packet::receive(socket, &mut [IoSliceMut::new(&mut tag), IoSliceMut::new(room)])?;
        Ok::<_, io::Error>(length.saturating_sub(1))
    })?;
    match (length, tag) {
        (0, _) => Ok(None),
        (_, [ANSWER]) => Ok(Some(secret)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Sends a request to an open session.
///
/// # Errors
/// When it is too long, or the session process is gone.
pub fn send_request(socket: impl AsFd, request: &Request) -> io::Result<()> {
    let request = serde_json::to_vec(request)?;
    if request.len() >= MAX_REQUEST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    packet::send(socket, &[&[REQUEST], &request])
}

/// Hears a request; nothing once the client is gone.
///
/// # Errors
/// When something else is said.
pub fn receive_request(socket: impl AsFd) -> io::Result<Option<Request>> {
    let mut packet = vec![0; MAX_REQUEST];
    let length = packet::receive(socket, &mut [IoSliceMut::new(&mut packet)])?;
    match packet.get(..length).unwrap_or_default() {
        [] => Ok(None),
        [REQUEST, request @ ..] => Ok(Some(serde_json::from_slice(request)?)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Sends the answer to a request; one that is too long becomes an error that says so.
///
/// # Errors
/// When the client is gone.
pub fn send_reply(socket: impl AsFd, reply: &Reply) -> io::Result<()> {
    let mut packet = serde_json::to_vec(reply)?;
    if packet.len() > MAX_ANSWER {
        let error =
            AdminError::field("page_size", "the answer is too long, expected a smaller page");
        packet = serde_json::to_vec(&Reply::Err(error))?;
    }
    packet::send(socket, &[&packet])
}

/// Hears the answer to a request; nothing once the session is over.
///
/// # Errors
/// When something else is said, or nothing is there yet on a socket that does not wait.
pub fn receive_reply(socket: impl AsFd) -> io::Result<Option<Reply>> {
    let mut packet = vec![0; MAX_ANSWER];
    let length = packet::receive(socket, &mut [IoSliceMut::new(&mut packet)])?;
    match packet.get(..length).unwrap_or_default() {
        [] => Ok(None),
        packet => Ok(Some(serde_json::from_slice(packet)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pam_client::{Phase, Verdict};

    #[test]
    fn words_arrive_as_they_were_said() {
        let (here, there) = pair().unwrap();
        for word in [
            HolderMessage::Message(1, "Password: ".to_owned()),
            HolderMessage::Authenticated,
            HolderMessage::Opened("alice".to_owned()),
            HolderMessage::Failed(PamError {
                phase: Phase::Open,
                verdict: Verdict::Refused,
                text: "no".to_owned(),
            }),
        ] {
            send(&here, &word).unwrap();
            assert_eq!(receive(&there).unwrap(), Some(word));
        }
        drop(here);
        assert_eq!(receive(&there).unwrap(), None);
    }

    #[test]
    fn answers_arrive_even_empty_ones() {
        let (here, there) = pair().unwrap();
        let mut secret = Secret::new().unwrap();
        send_answer(&here, &secret).unwrap();
        assert_eq!(receive_answer(&there).unwrap().unwrap().bytes(), b"");
        for &byte in b"s3cret" {
            secret.push(byte);
        }
        send_answer(&here, &secret).unwrap();
        assert_eq!(receive_answer(&there).unwrap().unwrap().bytes(), b"s3cret");
        drop(here);
        assert!(receive_answer(&there).unwrap().is_none());
    }

    #[test]
    fn requests_and_replies_arrive_and_are_bounded() {
        let (here, there) = pair().unwrap();
        ask_settings(&here).unwrap();
        assert_eq!(receive_start(&there).unwrap(), Some(Beginning::Settings));
        start_sampler(&here).unwrap();
        assert_eq!(receive_start(&there).unwrap(), Some(Beginning::Sampler));
        let request = Request::Clear(Value::String("x".repeat(70_000)));
        send_request(&here, &request).unwrap();
        assert_eq!(receive_request(&there).unwrap(), Some(request));
        let request = Request::Clear(Value::String("x".repeat(MAX_REQUEST)));
        assert!(send_request(&here, &request).is_err());
        let reply = Ok(Value::String("x".repeat(MAX_ANSWER - 10)));
        send_reply(&there, &reply).unwrap();
        assert_eq!(receive_reply(&here).unwrap(), Some(reply));
        send_reply(&there, &Ok(Value::String("x".repeat(MAX_ANSWER)))).unwrap();
        let error = receive_reply(&here).unwrap().unwrap().unwrap_err();
        assert_eq!(error.field.as_deref(), Some("page_size"));
        drop(there);
        assert!(receive_reply(&here).unwrap().is_none());
    }

    #[test]
    fn a_long_text_of_a_module_is_cut() {
        let (here, there) = pair().unwrap();
        send(&here, &HolderMessage::Message(4, "\u{1}".repeat(100_000))).unwrap();
        let Some(HolderMessage::Message(4, text)) = receive(&there).unwrap() else {
            panic!("not heard")
        };
        assert_eq!(text.len(), 1024);
    }
}
