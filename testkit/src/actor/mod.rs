//! An ordinary application: the program behind a [`crate::Login`], told what to do line by line.
//!
//! `pam_actor ETC CONFDIR` binds `ETC/passwd`, `ETC/group` and `ETC/nsswitch.conf` over the host's,
//! and `ETC/shadow` and `ETC/security` where they exist, in a mount namespace of its own, then reads commands from stdin. Each is answered on stdout by
//! the messages the module sent (`msg STYLE HEX`) and `= CODE`.

pub(crate) mod environment;
pub(crate) mod fault_injection;
mod load;

use std::ffi::{CStr, CString};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::hex::{from_hex, to_hex};
use crate::host_state::HostState;
use crate::libpam::{ConversationMode, DATA_SILENT, Handle};

/// Runs the program; returns its exit status.
#[must_use]
pub fn main() -> i32 {
    let args: Vec<String> = std::env::args().collect();
    let [_, etc, confdir] = args.as_slice() else {
        eprintln!("usage: pam_actor ETC CONFDIR");
        return 2;
    };
    use_users_of(Path::new(etc));
    let confdir = Path::new(confdir);
    let mut handle = None;
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { return 1 };
        let words: Vec<&str> = line.split(' ').collect();
        let code = dispatch(&words, confdir, &mut handle);
        answer(&mut handle, code);
    }
    // Like an application that exits without pam_end.
    0
}

fn dispatch(words: &[&str], confdir: &Path, handle: &mut Option<Handle>) -> i32 {
    let number = |at: usize| words.get(at).map_or(0, |word| word.parse().expect("a number"));
    match (words[0], handle.as_mut()) {
        ("start", _) => {
            let mode = match words[3] {
                "scripted" => ConversationMode::Scripted,
                "text-only" => ConversationMode::TextOnly,
                "no-answer" => ConversationMode::NoAnswer,
                "null" => ConversationMode::Null,
                other => panic!("conversation {other}"),
            };
            let user = (words[2] != "-").then(|| from_hex(words[2]));
            match Handle::start(confdir, &from_hex(words[1]), user.as_deref(), mode) {
                Ok(started) => {
                    *handle = Some(started);
                    0
                }
                Err(code) => code,
            }
        }
        ("item", Some(handle)) => {
            let value = (words[2] != "-").then(|| from_hex(words[2]));
            handle.set(number(1), value.as_deref())
        }
        ("answer", Some(handle)) => {
            handle.conversation().answers.push(from_hex(words[1]));
            0
        }
        ("auth", Some(handle)) => as_guest(|| handle.auth(number(1))),
        ("chauthtok", Some(handle)) => as_guest(|| handle.chauthtok(number(1))),
        ("acct", Some(handle)) => as_guest(|| handle.acct(number(1))),
        ("open", Some(handle)) => as_guest(|| handle.open(number(1))),
        ("close", Some(handle)) => as_guest(|| handle.close(number(1))),
        ("end", Some(handle)) => handle.end(number(1)),
        ("with-descriptors-closed", Some(handle)) => {
            let closed: Vec<i32> =
                words[1].split(',').map(|n| n.parse().expect("a number")).collect();
            environment::without_descriptors(&closed, || match words[2] {
                "acct" => as_guest(|| handle.acct(0)),
                "open" => as_guest(|| handle.open(0)),
                _ => as_guest(|| handle.close(0)),
            })
        }
        // What login, su and gdm do in the child that becomes the user's shell.
        ("end-in-child", Some(handle)) => in_child(|| handle.end(number(1) | DATA_SILENT)),
        ("close-in-child", Some(handle)) => in_child(|| handle.close(number(1))),
        // sshd's keyboard-interactive child: the account phase, then _exit without pam_end.
        ("acct-in-child", Some(handle)) => in_child(|| {
            let code = handle.acct(number(1));
            // The parent's record of what was said does not hear of it.
            print_messages(handle);
            code
        }),
        ("open-in-child", Some(handle)) => in_child(|| handle.open(number(1))),
        ("setsid", _) => {
            // SAFETY: setsid takes nothing.
            unsafe { libc::setsid() }
        }
        // A child that waits to be ended; its pid is the answer.
        ("spawn", _) => {
            spawn_sleeper(words.get(1) == Some(&"setsid"), words.get(2) == Some(&"stubborn"))
        }
        // Children are ignored from now on: the kernel reaps them.
        ("reap", _) => {
            // SAFETY: SIG_IGN is a valid disposition for SIGCHLD.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            0
        }
        // SIGHUP as well, unless told "ignore-term only".
        ("ignore-term", _) => {
            // SAFETY: SIG_IGN is a valid disposition for these.
            unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
            if words.get(1) != Some(&"only") {
                // SAFETY: as above.
                unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
            }
            0
        }
        ("seteuid", _) => {
            let id = u32::try_from(number(1)).expect("a uid");
            // SAFETY: takes integers.
            unsafe { libc::setresgid(id, id, id) };
            // SAFETY: takes integers.
            unsafe { libc::setresuid(id, id, id) }
        }
        // A herd that stays until it is told to go: other hosts of a fleet may still decide.
        ("herd-in", _) => {
            let held = herd(confdir, &from_hex(words[1]), &from_hex(words[2]), number(3), words[4]);
            HERD.lock().expect("one thread").replace(held);
            0
        }
        ("herd-out", _) => {
            drop(HERD.lock().expect("one thread").take());
            0
        }
        ("herd", _) => {
            herd(confdir, &from_hex(words[1]), &from_hex(words[2]), number(3), words[4]);
            0
        }
        ("reload", _) => {
            reload(confdir, &from_hex(words[1]), &from_hex(words[2]), number(3), number(4));
            0
        }
        ("kill-all", _) => {
            kill_all(confdir, &from_hex(words[1]), &from_hex(words[2]), number(3), number(4))
        }
        _ => environment::dispatch(words, handle)
            .or_else(|| load::dispatch(words, confdir))
            .unwrap_or_else(|| panic!("command {words:?}")),
    }
}

/// Runs a hook, which must not change this process.
fn as_guest(hook: impl FnOnce() -> i32) -> i32 {
    let before = HostState::now();
    let code = hook();
    let changes = HostState::now().changes_since(&before);
    assert!(changes.is_empty(), "the hook changed its host:\n{changes}");
    code
}

fn answer(handle: &mut Option<Handle>, code: i32) {
    if let Some(handle) = handle {
        print_messages(handle);
    }
    let mut out = io::stdout().lock();
    writeln!(out, "= {code}").expect("stdout");
    out.flush().expect("stdout");
}

fn print_messages(handle: &mut Handle) {
    let mut out = io::stdout().lock();
    for (style, text) in handle.conversation().received.drain(..) {
        writeln!(out, "msg {style} {}", to_hex(&text)).expect("stdout");
    }
    out.flush().expect("stdout");
}

/// Runs `work` in a forked child that exits by `_exit`; returns its low byte.
fn in_child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let code = work();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    libc::WEXITSTATUS(status)
}

fn spawn_sleeper(own_session: bool, stubborn: bool) -> i32 {
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        if own_session {
            // SAFETY: setsid takes nothing.
            unsafe { libc::setsid() };
        }
        if stubborn {
            for signal in [libc::SIGTERM, libc::SIGHUP] {
                // SAFETY: SIG_IGN is a valid disposition for both.
                unsafe { libc::signal(signal, libc::SIG_IGN) };
            }
        }
        loop {
            // SAFETY: pause takes nothing.
            unsafe { libc::pause() };
        }
    }
    pid
}

/// `count` processes of one user, released at once; prints a line of account and opening code for
/// each. All of them go when the herd is dropped.
///
/// `phases` is `both`, `open` (session line only) or `split` (the account phase in a child of the
/// process that opens, as sshd does for keyboard-interactive).
fn herd(confdir: &Path, service: &CStr, user: &CStr, count: i32, phases: &str) -> Herd {
    let (start_out, start_in) = UnixStream::pair().expect("a socket pair");
    let (result_out, result_in) = UnixStream::pair().expect("a socket pair");
    let (stay_out, stay_in) = UnixStream::pair().expect("a socket pair");
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: this program has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop((start_in, result_out, stay_in));
            let mut handle =
                Handle::start(confdir, service, Some(user), ConversationMode::Scripted)
                    .expect("pam_start");
            if phases == "split" {
                // SAFETY: setsid takes nothing.
                unsafe { libc::setsid() };
            }
            wait_for_end(start_out);
            let acct = match phases {
                "both" => handle.acct(0),
                "split" => in_child(|| handle.acct(0)),
                _ => 0,
            };
            let open = if acct == 0 { handle.open(0) } else { -1 };
            let mut results = result_in;
            results.write_all(format!("{acct:3} {open:3}\n").as_bytes()).expect("the pipe");
            drop(results);
            wait_for_end(stay_out);
            if open == 0 {
                handle.close(0);
            }
            handle.end(0);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(0) };
        }
        children.push(pid);
    }
    drop((start_out, result_in, stay_out));
    drop(start_in);
    let mut results = String::new();
    let mut line = [0; 8];
    let mut result_out = result_out;
    for _ in 0..count {
        result_out.read_exact(&mut line).expect("a result of every child");
        results.push_str(std::str::from_utf8(&line).expect("text"));
    }
    let mut out = io::stdout().lock();
    for line in results.lines() {
        writeln!(out, "result {line}").expect("stdout");
    }
    Herd { stay: Some(stay_in), children }
}

/// Processes that wait to log out; they go when this is dropped.
struct Herd {
    stay: Option<UnixStream>,
    children: Vec<i32>,
}

impl Drop for Herd {
    fn drop(&mut self) {
        drop(self.stay.take());
        for &pid in &self.children {
            // SAFETY: a null status is allowed.
            unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
        }
    }
}

static HERD: std::sync::Mutex<Option<Herd>> = std::sync::Mutex::new(None);

/// Goes through whole transactions, each loading and unloading the module, on worker threads that
/// end in between; prints resident pages and open descriptors after a tenth of the cycles and at the end.
fn reload(confdir: &Path, service: &CStr, user: &CStr, cycles: i32, threads: i32) {
    let run = |cycles: i32| {
        for _ in 0..cycles / threads {
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        let mut handle =
                            Handle::start(confdir, service, Some(user), ConversationMode::Scripted)
                                .expect("pam_start");
                        let codes =
                            [handle.acct(0), handle.open(0), handle.close(0), handle.end(0)];
                        assert_eq!(codes, [0; 4]);
                    });
                }
            });
        }
        let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
        let resident = statm.split(' ').nth(1).expect("resident").to_owned();
        let descriptors = std::fs::read_dir("/proc/self/fd").expect("fd").count();
        format!("result {resident} {descriptors}")
    };
    let early = run(cycles / 10);
    let late = run(cycles - cycles / 10);
    let mut out = io::stdout().lock();
    writeln!(out, "{early}\n{late}").expect("stdout");
}

/// `writers` processes log in and out in a loop; `kills` times one of them is killed at a random
/// instant and replaced. Returns how many ended by themselves, which none should.
fn kill_all(confdir: &Path, service: &CStr, user: &CStr, writers: i32, kills: i32) -> i32 {
    let write = || {
        // SAFETY: this program has one thread.
        let pid = unsafe { libc::fork() };
        if pid != 0 {
            return pid;
        }
        loop {
            let mut handle =
                Handle::start(confdir, service, Some(user), ConversationMode::Scripted)
                    .expect("pam_start");
            let acct = handle.acct(0);
            let open = if acct == 0 { handle.open(0) } else { acct };
            let close = if open == 0 { handle.close(0) } else { 0 };
            handle.end(0);
            if !matches!((acct, open, close), (0, 0 | 6, 0) | (6, 6, 0)) {
                eprintln!("codes {acct} {open} {close}");
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(1) };
            }
        }
    };
    let mut pids: Vec<i32> = (0..writers).map(|_| write()).collect();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut ended_by_itself = 0;
    let kill = |pid: i32| {
        // SAFETY: a child that was not waited for: the pid is its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        let mut status = 0;
        // SAFETY: `status` is valid to write to.
        unsafe { libc::waitpid(pid, &raw mut status, 0) };
        i32::from(!libc::WIFSIGNALED(status))
    };
    for _ in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 3000));
        let victim = usize::try_from(random >> 32).expect("64 bits") % pids.len();
        ended_by_itself += kill(pids[victim]);
        pids[victim] = write();
    }
    for pid in pids {
        ended_by_itself += kill(pid);
    }
    ended_by_itself
}

fn wait_for_end(mut pipe: UnixStream) {
    let _ = pipe.read_to_end(&mut Vec::new());
}

/// Gives this process, and no other one, the users and groups in `etc`.
fn use_users_of(etc: &Path) {
    // SAFETY: geteuid takes nothing.
    let is_root = unsafe { libc::geteuid() } == 0;
    let flags = if is_root { libc::CLONE_NEWNS } else { libc::CLONE_NEWNS | libc::CLONE_NEWUSER };
    // SAFETY: getuid takes nothing.
    let uid = unsafe { libc::getuid() };
    // SAFETY: unshare takes flags.
    let unshared = unsafe { libc::unshare(flags) };
    assert_eq!(unshared, 0, "unshare: {}", io::Error::last_os_error());
    if !is_root {
        std::fs::write("/proc/self/uid_map", format!("0 {uid} 1")).expect("a user namespace");
    }
    mount(None, c"/", libc::MS_REC | libc::MS_PRIVATE);
    for name in ["passwd", "group", "nsswitch.conf"] {
        let from = CString::new(etc.join(name).as_os_str().as_encoded_bytes()).expect("a path");
        let to = CString::new(format!("/etc/{name}")).expect("a path");
        mount(Some(&from), &to, libc::MS_BIND);
    }
    // Files of passwords, where the test has some.
    for name in ["shadow", "security"] {
        if etc.join(name).exists() {
            let from = CString::new(etc.join(name).as_os_str().as_encoded_bytes()).expect("a path");
            let to = CString::new(format!("/etc/{name}")).expect("a path");
            mount(Some(&from), &to, libc::MS_BIND);
        }
    }
}

fn mount(from: Option<&CStr>, to: &CStr, flags: libc::c_ulong) {
    let from = from.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: paths and type are terminated; data may be null for these flags.
    let mounted =
        unsafe { libc::mount(from, to.as_ptr(), c"none".as_ptr(), flags, std::ptr::null()) };
    assert_eq!(mounted, 0, "mount on {to:?}: {}", io::Error::last_os_error());
}
