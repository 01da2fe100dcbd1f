//! Whether the programs listen that logins and users reach through a socket: the session program, by which
//! users without root run `shell`, and the agent of the fleet.

use std::path::Path;

use session_limit_core::config::Config;
use session_limit_core::fleet::Agent;

use super::{Check, Findings, HostFiles};

/// Where users without root reach the session program; session-limit-shell.socket makes it.
pub const SHELL: &str = "/run/session-limit-shell.sock";

/// Says whether users who are not root can run `shell`.
pub fn shell(host: &HostFiles) -> Check {
    let mut findings = Findings::default();
    match listens(host, Path::new(SHELL)) {
        Some(true) => findings.ok("users run `shell` without root"),
        Some(false) => findings.warning(
            "nothing listens: users who are refused cannot run `shell --clear-sessions` without sudo; run \
             `systemctl enable --now session-limit-shell.socket`",
        ),
        None => findings.warning("cannot be found out: /proc/net/unix cannot be read"),
    }
    findings.into_check("shell", SHELL)
}

/// Says whether the agent of a host with `[fleet]` answers; nothing where the host has none.
pub fn fleet(host: &HostFiles, config: &Config, store: &Path) -> Option<Check> {
    config.fleet.as_ref()?;
    let socket = Agent::beside(store).socket();
    let mut findings = Findings::default();
    match listens(host, &socket) {
        Some(true) => findings.ok("session-limit-agent listens; `show fleet` lists the hosts"),
        Some(false) => findings.problem(
            "nothing listens: sessions of other hosts are not counted; run `systemctl enable --now \
             session-limit-agent`",
        ),
        None => findings.warning("cannot be found out: /proc/net/unix cannot be read"),
    }
    Some(findings.into_check("fleet", socket.display().to_string()))
}

/// Returns whether a process listens at this path, from `/proc/net/unix` (unix(7)): to connect would start one.
fn listens(host: &HostFiles, path: &Path) -> Option<bool> {
    /// `__SO_ACCEPTCON` of linux/net.h
    const ACCEPTS: u32 = 0x1_0000;
    let sockets = std::fs::read(host.at(Path::new("/proc/net/unix"))).ok()?;
    let sockets = String::from_utf8_lossy(&sockets);
    let fits = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let flags = fields.nth(3).and_then(|flags| u32::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & ACCEPTS != 0)
            && fields.nth(3).map(Path::new) == Some(path)
    };
    Some(sockets.lines().any(fits))
}
