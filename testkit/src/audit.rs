//! Records of the audit trail: those that a program has sent, and those that the kernel has made of them.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// Length, type, flags, sequence and port of a message of netlink(7).
const HEADER: usize = 16;
/// The multicast group of linux/audit.h that hands out a copy of each record.
const READ_LOG: u32 = 1;
/// `AUDIT_GET`, which asks for the state.
const GET: u16 = 1000;
/// Types of the records that this project writes: `USYS_CONFIG`, `ANOM_LOGIN_SESSIONS`, `RESP_TERM_ACCESS`.
const OURS: [u16; 3] = [1111, 2102, 2203];

/// Returns the records of our types, type and text, in what the preload shim has kept.
#[must_use]
pub fn sent(file: &Path) -> Vec<(u16, String)> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while rest.len() >= HEADER {
        let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
        found.push(record(&rest[..length]));
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    found.retain(|(kind, _)| OURS.contains(kind));
    found
}

fn record(message: &[u8]) -> (u16, String) {
    let kind = u16::from_ne_bytes(message[4..6].try_into().unwrap());
    let text = String::from_utf8_lossy(&message[HEADER..]);
    (kind, text.trim_end_matches('\0').to_owned())
}

/// The kernel's audit trail, read beside auditd or without one.
pub struct KernelTrail(OwnedFd);

impl KernelTrail {
    /// Begins to read; nothing where the kernel has no audit, has it off, or does not let this process read.
    #[must_use]
    pub fn open() -> Option<Self> {
        let trail = Self(socket(READ_LOG).ok()?);
        is_enabled().ok()?.then_some(trail)
    }

    /// Waits for a record of this type with this text in it.
    ///
    /// # Panics
    ///
    /// When there is none within five seconds.
    #[must_use]
    pub fn wait(&self, kind: u16, text: &str) -> String {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            let Ok(message) = receive(&self.0) else { continue };
            match record(&message) {
                (found, record) if found == kind && record.contains(text) => return record,
                _ => {}
            }
        }
        panic!("the kernel has written no record of type {kind} with {text}");
    }
}

/// Returns whether records are written.
fn is_enabled() -> io::Result<bool> {
    let socket = socket(0)?;
    let mut question = Vec::new();
    question.extend_from_slice(&u32::try_from(HEADER).unwrap().to_ne_bytes());
    question.extend_from_slice(&GET.to_ne_bytes());
    question.extend_from_slice(&1_u16.to_ne_bytes());
    question.extend_from_slice(&[0; 8]);
    // SAFETY: the bytes outlive the call; without an address it goes to the kernel.
    let sent =
        unsafe { libc::send(socket.as_raw_fd(), question.as_ptr().cast(), question.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    loop {
        let answer = receive(&socket)?;
        let (kind, _) = record(&answer);
        // The mask, then whether it is enabled.
        if kind == GET {
            return Ok(answer.get(HEADER + 4..HEADER + 8).is_some_and(|enabled| enabled != [0; 4]));
        }
    }
}

fn socket(groups: u32) -> io::Result<OwnedFd> {
    // SAFETY: takes integers.
    let fd = unsafe {
        libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_AUDIT)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made here, and nothing else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: a structure of integers.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = u16::try_from(libc::AF_NETLINK).unwrap();
    address.nl_groups = groups;
    let wait = libc::timeval { tv_sec: 1, tv_usec: 0 };
    let length = |size: usize| u32::try_from(size).unwrap();
    // SAFETY: the structure outlives the call, and its length is given.
    let bound = unsafe {
        libc::bind(fd, (&raw const address).cast(), length(size_of::<libc::sockaddr_nl>()))
    };
    // SAFETY: the structure outlives the call, and its length is given.
    let limited = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const wait).cast(),
            length(size_of::<libc::timeval>()),
        )
    };
    if bound < 0 || limited < 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
}

fn receive(socket: &OwnedFd) -> io::Result<Vec<u8>> {
    let mut room = vec![0; 16 * 1024];
    // SAFETY: the buffer outlives the call, and its length is given.
    let length = unsafe { libc::recv(socket.as_raw_fd(), room.as_mut_ptr().cast(), room.len(), 0) };
    match usize::try_from(length) {
        Ok(length) if length >= HEADER => {
            room.truncate(length);
            Ok(room)
        }
        Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}
