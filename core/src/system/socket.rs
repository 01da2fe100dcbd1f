//! A stream socket that connects without waiting, and who is at the other end of one.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Connects to a stream socket, or fails at once where that would have to wait.
///
/// # Errors
///
/// Those of connect(2); `EAGAIN` where the listener's queue is full.
pub fn connect_without_waiting(path: &Path) -> io::Result<UnixStream> {
    // SAFETY: sockaddr_un is plain bytes, for which all zeroes is a value.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::sa_family_t::try_from(libc::AF_UNIX).unwrap_or_default();
    let name = path.as_os_str().as_bytes();
    // One byte stays zero: the name must be terminated.
    if name.len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(name) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let flags = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: socket takes three integers.
    let fd = unsafe { libc::socket(libc::AF_UNIX, flags, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just returned this descriptor to no other code.
    let socket = unsafe { UnixStream::from_raw_fd(fd) };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).unwrap_or_default();
    // SAFETY: `address` is a sockaddr_un of `length` bytes that lives across the call.
    let connected = unsafe { libc::connect(fd, (&raw const address).cast(), length) };
    if connected == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// A process at the other end of a Unix socket, as it was when it connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its pid; 0 where this pid namespace cannot see it.
    pub pid: i32,
    /// Its effective user id.
    pub uid: u32,
}

/// Returns the process that connected to the Unix socket on standard input, or made the pair it belongs to; nothing
/// where standard input is something else.
#[must_use]
pub fn peer_of_standard_input() -> Option<Peer> {
    peer_of(io::stdin())
}

/// As [`peer_of_standard_input`], for any socket.
#[must_use]
pub fn peer_of(socket: impl AsFd) -> Option<Peer> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::ucred>()).ok()?;
    // SAFETY: the descriptor is open for as long as `socket` lives; `peer` is a ucred of `length` bytes for the kernel to
    // write to.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    // Other kinds of sockets have a peer that is no process: the kernel says so by an id that no user has.
    (result == 0 && peer.uid != u32::MAX).then_some(Peer { pid: peer.pid, uid: peer.uid })
}
