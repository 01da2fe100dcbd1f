//! Whole packets over a socket that keeps them whole, and texts of more than one packet.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsFd;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};

/// Bytes of a part of a text that has several: small beside what a socket holds, so that one that can be written to
/// at all takes a part.
const PART: usize = 16 * 1024;
const MORE: u8 = b'+';
const LAST: u8 = b'.';

pub(super) fn send(socket: impl AsFd, parts: &[&[u8]]) -> io::Result<()> {
    let parts: Vec<IoSlice> = parts.iter().map(|part| IoSlice::new(part)).collect();
    loop {
        match rustix::io::writev(&socket, &parts) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Receives a packet; 0 bytes once the other end is gone. One that does not fit is an error, not cut. Descriptors
/// that are sent along are closed by the kernel.
pub(super) fn receive(socket: impl AsFd, room: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    loop {
        let mut no_descriptors = RecvAncillaryBuffer::default();
        match recvmsg(&socket, room, &mut no_descriptors, RecvFlags::CMSG_CLOEXEC) {
            Ok(packet) if packet.flags.contains(ReturnFlags::TRUNC) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is too long"));
            }
            Ok(packet) => return Ok(packet.bytes),
            // CONNRESET, told once: the other end went away with a packet of ours unread. What it said before can
            // be read.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a text of any length. Before each part `is_ready` waits until the socket takes one; it says no to give up.
pub(super) fn send_long(
    socket: impl AsFd,
    text: &[u8],
    mut is_ready: impl FnMut(PollFlags) -> bool,
) -> io::Result<()> {
    let mut parts = text.chunks(PART).peekable();
    while let Some(part) = parts.next() {
        if !is_ready(PollFlags::OUT) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        send(&socket, &[&[if parts.peek().is_some() { MORE } else { LAST }], part])?;
    }
    Ok(())
}

/// Receives a text of at most `most` bytes; nothing once the other end is gone. Before each part but the first
/// `is_ready` waits for it; it says no to give up.
pub(super) fn receive_long(
    socket: impl AsFd,
    most: usize,
    mut is_ready: impl FnMut(PollFlags) -> bool,
) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    let mut packet = vec![0; PART + 1];
    loop {
        let length = receive(&socket, &mut [IoSliceMut::new(&mut packet)])?;
        let (tag, part) = match packet.get(..length) {
            Some([tag, part @ ..]) => (*tag, part),
            _ => return Ok(None),
        };
        if text.len() + part.len() > most {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a text is too long"));
        }
        text.extend_from_slice(part);
        match tag {
            LAST => return Ok(Some(text)),
            MORE if is_ready(PollFlags::IN) => {}
            MORE => return Ok(None),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
