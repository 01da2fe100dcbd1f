//! What the prompt and its holder say to each other, one packet each, over a pair of sockets.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

use crate::pam_client::{LoginStart, PamError};
use crate::secret::Secret;

/// Bytes of the longest packet without a secret; longer texts of modules are cut.
const MAX_PACKET: usize = 8192;
const MAX_TEXT: usize = 4096;

const START: u8 = b'S';
const ANSWER: u8 = b'A';

/// What the holder says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HolderMessage {
    /// A module says or asks something; PAM's number of the style, and the text.
    Message(u8, String),
    /// Name and password are right: what is asked from now on is asked afresh each time.
    Authenticated,
    /// The session is open, for the user of this name.
    Opened(String),
    /// The login failed.
    Failed(PamError),
}

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
    send_packet(socket, &[&serde_json::to_vec(&word)?])
}

/// Receives a word of the holder; nothing once it is gone.
///
/// # Errors
/// When the message is not understood.
pub fn receive(socket: impl AsFd) -> io::Result<Option<HolderMessage>> {
    let mut packet = vec![0; MAX_PACKET];
    let length = receive_packet(socket, &mut [IoSliceMut::new(&mut packet)])?;
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
    send_packet(socket, &[&[START], &serde_json::to_vec(start)?])
}

/// Hears who logs in; nothing once the prompt is gone.
///
/// # Errors
/// When something else is said.
pub fn receive_start(socket: impl AsFd) -> io::Result<Option<LoginStart>> {
    let mut packet = vec![0; MAX_PACKET];
    let length = receive_packet(socket, &mut [IoSliceMut::new(&mut packet)])?;
    match packet.get(..length).unwrap_or_default() {
        [] => Ok(None),
        [START, start @ ..] => Ok(Some(serde_json::from_slice(start)?)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Answers a question of the holder, straight from locked memory.
///
/// # Errors
/// When the holder is gone.
pub fn send_answer(socket: impl AsFd, secret: &Secret) -> io::Result<()> {
    send_packet(socket, &[&[ANSWER], secret.bytes()])
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
        length = receive_packet(socket, &mut [IoSliceMut::new(&mut tag), IoSliceMut::new(room)])?;
        Ok::<_, io::Error>(length.saturating_sub(1))
    })?;
    match (length, tag) {
        (0, _) => Ok(None),
        (_, [ANSWER]) => Ok(Some(secret)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn send_packet(socket: impl AsFd, parts: &[&[u8]]) -> io::Result<()> {
    let parts: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
    loop {
        match rustix::io::writev(&socket, &parts) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn receive_packet(socket: impl AsFd, room: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    loop {
        match rustix::io::readv(&socket, room) {
            Ok(length) => return Ok(length),
            Err(Errno::INTR) => {}
            // The other end went away with a packet of ours unread.
            Err(Errno::CONNRESET) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
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
    fn a_long_text_of_a_module_is_cut() {
        let (here, there) = pair().unwrap();
        send(&here, &HolderMessage::Message(4, "\u{1}".repeat(100_000))).unwrap();
        let Some(HolderMessage::Message(4, text)) = receive(&there).unwrap() else {
            panic!("not heard")
        };
        assert_eq!(text.len(), 1024);
    }
}
