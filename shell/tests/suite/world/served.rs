//! The socket of the session program, and users of the small host who run `shell` through it.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};

use super::pty::{Pty, plain};
use super::{PASSWORD, SHELL, World};

pub const ALICE: u32 = 3001;
pub const BOB: u32 = 3002;
/// Where the socket is, seen from outside.
pub const SOCKET: &str = "run/session-limit-shell.sock";

pub fn sequential() -> OwnedFd {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// A world with the socket and what listens on it, as systemd starts it.
pub fn served() -> Option<World> {
    let world = World::new()?;
    world.configure("");
    let listener = sequential();
    let path = world.path(SOCKET);
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    listen(&listener, 128).unwrap();
    // Every user may run it, wherever the tests are built.
    testkit::copy_program(SHELL, world.path("shell"));
    let program = testkit::program("session-limit-session", "session-limit-session");
    let mut acceptor = world.command(&[program.to_str().unwrap(), "--accept"]);
    // It ends by itself once it had nothing to do for a minute.
    let mut acceptor = acceptor.stdin(Stdio::from(listener)).spawn().unwrap();
    thread::spawn(move || acceptor.wait());
    Some(world)
}

/// Returns a command that runs `shell` as a user on a terminal of its own.
pub fn shell_of(world: &World, uid: u32, arguments: &[&str]) -> Command {
    as_user(world, uid, &["setsid", "-w", "-c"], arguments)
}

/// Runs `shell` as a user without any terminal.
pub fn without_terminal(world: &World, uid: u32, arguments: &[&str]) -> Output {
    as_user(world, uid, &["setsid", "-w"], arguments).stdin(Stdio::null()).output().unwrap()
}

fn as_user(world: &World, uid: u32, before: &[&str], arguments: &[&str]) -> Command {
    let shell = world.path("shell");
    let uid = uid.to_string();
    let mut words = before.to_vec();
    words.extend(["setpriv", "--reuid", &uid, "--regid", &uid, "--clear-groups"]);
    words.push(shell.to_str().unwrap());
    words.extend(arguments);
    world.command(&words)
}

pub fn pty_of(world: &World, uid: u32, arguments: &[&str]) -> Pty {
    Pty::start_for(shell_of(world, uid, arguments), uid)
}

pub fn prompt_of(world: &World, uid: u32, user: &str) -> Pty {
    let mut pty = pty_of(world, uid, &[]);
    pty.log_in(user, PASSWORD);
    pty.expect_prompt(user);
    pty
}

/// Runs one command as a user who types the password; returns the exit code and what was shown.
pub fn one_shot(world: &World, uid: u32, arguments: &[&str], password: &str) -> (i32, String) {
    let mut pty = pty_of(world, uid, arguments);
    pty.expect("Password: ");
    pty.line(password);
    let status = pty.wait();
    pty.expect("\n");
    thread::sleep(Duration::from_millis(50));
    let screen = plain(&pty.screen());
    let shown = screen.split_once("Password: \n").map_or("", |(_, shown)| shown).to_owned();
    (status.code().unwrap(), shown)
}
