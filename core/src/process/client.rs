//! The client of a session process: the `shell` that a user runs, which has no rights, is connected to a process of
//! the session program, which is no child of it. What that process does, it does inside the client's login.

use super::runs_program;
use crate::system::{self, socket};

/// The file name of the session program.
const SESSION_PROGRAM: &[u8] = b"session-limit-session";

/// Returns the process whose login this process acts in: the client of a session process, else this process.
///
/// The kernel says who connected to the socket on standard input (`SO_PEERCRED` of unix(7)); no other program is
/// asked for its client, for what is on its standard input is its own affair.
#[must_use]
pub fn acting_pid() -> i32 {
    let own = system::own_pid();
    if !runs_program(own, SESSION_PROGRAM) {
        return own;
    }
    // 0: a process of a pid namespace that cannot be seen from this one.
    let peer = socket::peer_of_standard_input();
    peer.map(|peer| peer.pid).filter(|&pid| pid > 0).unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_clients_acts_for_itself() {
        assert_eq!(acting_pid(), system::own_pid());
    }
}
