//! The environment that an application may run in: mounts, limits, identity, descriptors.
//!
//! Each is a command of [`crate::actor`] and changes that application only: its mounts are in a
//! namespace of its own.

use std::ffi::CStr;
use std::fs;
use std::io;

use crate::hex::from_hex;
use crate::libpam::Handle;

/// Runs a command of this file; `None` if it is another.
pub(crate) fn dispatch(words: &[&str], handle: &mut Option<Handle>) -> Option<i32> {
    let number = |at: usize| words.get(at).map_or(0, |word| word.parse().expect("a number"));
    let text = |at: usize| from_hex(words[at]);
    Some(match words[0] {
        // A file or directory over another.
        "bind" => mount(Some(&text(1)), &text(2), None, libc::MS_BIND, None),
        // The same with everything that is mounted below it.
        "bind-all" => mount(Some(&text(1)), &text(2), None, libc::MS_BIND | libc::MS_REC, None),
        "mount" => mount(Some(&text(1)), &text(2), Some(&text(1)), 0, Some(&text(3))),
        "read-only" => {
            mount(None, &text(1), None, libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY, None)
        }
        "unmount" => {
            let at = text(1);
            // SAFETY: the path is terminated.
            failed(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) })
        }
        "rlimit" => rlimit(number(1), words[2], words[3]),
        // The rest as a setuid program finds it: effective and saved uid are root's.
        "real-uid" => {
            let uid = u32::try_from(number(1)).expect("a uid");
            // SAFETY: takes integers.
            failed(unsafe { libc::setresuid(uid, 0, 0) })
        }
        "close-descriptor" => {
            // SAFETY: the number is closed once; nothing in this program uses it afterwards.
            failed(unsafe { libc::close(number(1)) })
        }
        "umask" => {
            // SAFETY: takes an integer.
            unsafe { libc::umask(u32::try_from(number(1)).expect("a mask")) };
            0
        }
        "environment" => {
            let (name, value) = (text(1), text(2));
            // SAFETY: both are terminated; this program has one thread.
            failed(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) })
        }
        "chdir" => {
            let to = text(1);
            // SAFETY: the path is terminated.
            failed(unsafe { libc::chdir(to.as_ptr()) })
        }
        "block-signals" => {
            // SAFETY: sigset_t is plain integers.
            let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
            // SAFETY: `all` is valid to write to.
            unsafe { libc::sigfillset(&raw mut all) };
            // SAFETY: the set is initialised; a null old set is allowed.
            failed(unsafe {
                libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut())
            })
        }
        "stack" => with_stack(usize::try_from(number(1)).expect("bytes"), words[2], handle),
        "new-pid-namespace" => {
            in_namespace(libc::CLONE_NEWPID);
            mount_proc()
        }
        // The monotonic clocks get another origin, in seconds.
        "new-time-namespace" => {
            let offset = words[1];
            unshare(CLONE_NEWTIME);
            fs::write(
                "/proc/self/timens_offsets",
                format!("monotonic {offset} 0\nboottime {offset} 0\n"),
            )
            .map_or_else(
                |e| e.raw_os_error().unwrap_or(-1),
                |()| {
                    continue_in_child();
                    0
                },
            )
        }
        // A child that lives on with copies of all that the application has; its pid is the answer.
        "fork-and-stay" => stay(None),
        "fork-and-exec" => stay(Some(c"/bin/sleep")),
        _ => return None,
    })
}

/// `CLONE_NEWTIME` (time_namespaces(7)).
const CLONE_NEWTIME: i32 = 0x80;

fn failed(result: i32) -> i32 {
    if result == 0 { 0 } else { io::Error::last_os_error().raw_os_error().unwrap_or(-1) }
}

fn mount(
    from: Option<&CStr>,
    to: &CStr,
    kind: Option<&CStr>,
    flags: libc::c_ulong,
    options: Option<&CStr>,
) -> i32 {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: every string is terminated or null where mount(2) allows it.
    failed(unsafe {
        libc::mount(pointer(from), to.as_ptr(), pointer(kind), flags, pointer(options).cast())
    })
}

/// Mounts `/proc` for the current pid namespace.
pub(crate) fn mount_proc() -> i32 {
    mount(Some(c"proc"), c"/proc", Some(c"proc"), 0, None)
}

fn rlimit(resource: i32, soft: &str, hard: &str) -> i32 {
    let value = |word: &str| match word {
        "infinite" => libc::RLIM_INFINITY,
        number => number.parse().expect("a limit"),
    };
    let limit = libc::rlimit { rlim_cur: value(soft), rlim_max: value(hard) };
    let resource = u32::try_from(resource).expect("a resource");
    // SAFETY: `limit` is a valid rlimit.
    failed(unsafe { libc::setrlimit(resource, &raw const limit) })
}

/// Runs one phase on a thread whose stack has `bytes` bytes.
fn with_stack(bytes: usize, phase: &str, handle: &mut Option<Handle>) -> i32 {
    let handle = handle.as_mut().expect("a handle");
    std::thread::scope(|scope| {
        let phase = || match phase {
            "acct" => handle.acct(0),
            "open" => handle.open(0),
            _ => handle.close(0),
        };
        std::thread::Builder::new()
            .stack_size(bytes)
            .spawn_scoped(scope, phase)
            .expect("a thread")
            .join()
            .expect("a code")
    })
}

/// Runs `work` while these descriptors are closed.
pub(crate) fn without_descriptors(closed: &[i32], work: impl FnOnce() -> i32) -> i32 {
    let copies: Vec<i32> = closed
        .iter()
        .map(|&number| {
            // SAFETY: takes integers; the copies are out of the way of files that are opened later.
            let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 200) };
            // SAFETY: nothing uses the number until it is put back below.
            unsafe { libc::close(number) };
            copy
        })
        .collect();
    let code = work();
    for (&number, copy) in closed.iter().zip(copies) {
        // SAFETY: takes integers.
        unsafe { libc::dup2(copy, number) };
        // SAFETY: the copy is ours.
        unsafe { libc::close(copy) };
    }
    code
}

fn unshare(flags: i32) {
    // SAFETY: takes flags.
    let done = unsafe { libc::unshare(flags) };
    assert_eq!(done, 0, "unshare: {}", io::Error::last_os_error());
}

fn in_namespace(flags: i32) {
    unshare(flags);
    continue_in_child();
}

/// Continues in a child, which is in the unshared namespaces; this process waits for it and exits as it did.
fn continue_in_child() {
    // SAFETY: this program has one thread.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", io::Error::last_os_error());
    if child == 0 {
        // SAFETY: takes integers. The parent is killed where the application would be.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        return;
    }
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    // SAFETY: exits without running anything twice.
    unsafe { libc::_exit(libc::WEXITSTATUS(status)) };
}

fn stay(program: Option<&CStr>) -> i32 {
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: takes integers.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        if let Some(program) = program {
            let args = [program.as_ptr(), c"600".as_ptr(), std::ptr::null()];
            // SAFETY: both are terminated.
            unsafe { libc::execv(program.as_ptr(), args.as_ptr()) };
        }
        loop {
            // SAFETY: takes nothing.
            unsafe { libc::pause() };
        }
    }
    pid
}
