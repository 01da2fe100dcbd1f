//! Faults at every system call of a hook, one after the other, by ptrace(2).
//!
//! The stack has a marking module before and after the module under test; between the two marks
//! system calls are counted, and the one whose turn it is fails, or the process dies or stops there.

use std::ffi::CStr;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use crate::host_state::HostState;
use crate::libpam::{ConversationMode, Handle};

/// The number of no system call: how the marking module tells the tracer where it is.
pub const MARK: libc::c_long = 9_999;
/// What a stack's `pam_debug` line answers where the module under test said `PAM_IGNORE`.
pub const IGNORED: i32 = 9;
/// Reported instead of a code: the hook changed the process it is a guest of.
const CHANGED: i32 = 101;
/// Reported instead of a code: the process ended by SIGABRT, which is what Rust does out of memory.
const ABORTED: i32 = 102;

/// Reported instead of a code: the hook made fewer allocations.
const NOT_REACHED: i32 = 103;

/// What happens at the system call whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Kill,
    Stop,
    Error(i32),
    /// The allocation whose turn it is fails; see `testkit/examples/preload_shim.rs`.
    Allocation,
}

/// What became of the process with the fault in it.
enum End {
    /// The hook came to its end before the fault's turn.
    NotReached,
    /// It answered with this code, and waits.
    Answered(i32),
    Killed,
    /// It is stopped inside the hook.
    Stopped,
}

/// One kind of fault in one phase, at one system call after the other.
pub(crate) struct FaultCampaign<'a> {
    pub confdir: &'a Path,
    pub service: &'a CStr,
    pub user: &'a CStr,
    /// `acct`; `open` without an account phase before it; `confirm`, which opens after one; `close`.
    pub phase: &'a str,
    /// `kill`, `stop`, `allocation` or the number of an error.
    pub fault: &'a str,
    /// Every so many system calls, from this one on.
    pub step: i32,
    pub first: i32,
}

impl FaultCampaign<'_> {
    /// Runs it; returns how many cases went wrong, and prints the figures as `result` lines: cases and
    /// system calls, the longest hook in ms and how many ended by SIGABRT (or, where the fault is a stop,
    /// how many waited until the deadline), how many were refused in doubt.
    ///
    /// The host's limit leaves one slot: a login must find it taken exactly if this one was let in.
    pub(crate) fn run(&self) -> i32 {
        let fault = match self.fault {
            "kill" => Fault::Kill,
            "stop" => Fault::Stop,
            "allocation" => Fault::Allocation,
            number => Fault::Error(number.parse().expect("an error number")),
        };
        let (mut cases, mut wrong, mut aborted, mut longest, mut doubtful) = (0, 0, 0, 0, 0);
        let mut turn = self.first;
        loop {
            let began = Instant::now();
            let (mut traced, end, call) = Traced::start(self, turn, fault);
            longest = longest.max(i32::try_from(began.elapsed().as_millis()).expect("ms"));
            if matches!(end, End::NotReached) {
                traced.finish();
                println!("result {cases} {turn}\nresult {longest} {aborted}\nresult {doubtful} 0");
                return wrong;
            }
            cases += 1;
            let mut report = |what: &str| {
                wrong += 1;
                eprintln!("{} {}, call {turn} ({call}): {what}", self.phase, self.fault);
            };
            match end {
                End::Answered(CHANGED) => report("the host process was changed"),
                End::Answered(ABORTED) => aborted += 1,
                End::Answered(code) => {
                    let next = self.next_login();
                    let is_right = match (self.phase, code) {
                        // A slot that could not be released is free once the process has ended.
                        ("close", 0) => matches!(next, 0 | 6),
                        ("close", _) => false,
                        // The slot that the account phase reserved stays until the handle ends.
                        ("confirm", code) if code != 6 => next == 6,
                        (_, 0) => next == 6,
                        // The dead login before could not be tested: in doubt it counts as alive.
                        (_, 6) => {
                            doubtful += 1;
                            next == 0
                        }
                        // Committed, then SQLite's own unlocking failed: the slot ends with its
                        // process.
                        (_, 4) if call == libc::SYS_fcntl => matches!(next, 0 | 6),
                        (_, _) => next == 0,
                    };
                    if !is_right {
                        report(&format!("code {code}, then the next login had {next}"));
                    }
                    let is_read_only = fault == Fault::Error(libc::EROFS);
                    if code == IGNORED && !is_read_only {
                        report("ignored");
                    }
                }
                End::Stopped => {
                    let began = Instant::now();
                    let next = self.next_login();
                    let took = began.elapsed().as_millis();
                    // At the deadline with an error, else as if it were not there.
                    if !(matches!(next, 0 | 6) && took < 2_500 || next == 4 && took < 7_000) {
                        report(&format!("the next login had {next} after {took} ms"));
                    }
                    aborted += i32::from(next == 4);
                }
                End::Killed | End::NotReached => {}
            }
            traced.finish();
            let next = self.next_login();
            if next != 0 {
                report(&format!("after its end the next login had {next}"));
            }
            turn += self.step;
        }
    }

    fn start(&self) -> Handle {
        Handle::start(self.confdir, self.service, Some(self.user), ConversationMode::Scripted)
            .expect("pam_start")
    }

    /// A login in a process of its own, which then ends without closing anything; returns its code.
    fn next_login(&self) -> i32 {
        // SAFETY: this program has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let mut handle = self.start();
            let code = match handle.acct(0) {
                0 => handle.open(0),
                refused => refused,
            };
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(code) };
        }
        libc::WEXITSTATUS(wait(pid))
    }
}

/// A process with a fault in it.
struct Traced {
    pid: i32,
    answers: UnixStream,
    reaped: bool,
}

impl Traced {
    fn start(campaign: &FaultCampaign, turn: i32, fault: Fault) -> (Self, End, libc::c_long) {
        let (answers, mut answering) = UnixStream::pair().expect("a socket pair");
        // SAFETY: this program has one thread.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(answers);
            let code = inject_fault(campaign, (fault == Fault::Allocation).then_some(turn));
            answering.write_all(&[u8::try_from(code).unwrap_or(255)]).expect("the pipe");
            // Its slot is held until it is told to end.
            let _ = answering.read(&mut [0]);
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(0) };
        }
        drop(answering);
        let mut traced = Self { pid, answers, reaped: false };
        let (end, call) = if fault == Fault::Allocation {
            match traced.answer() {
                NOT_REACHED => (End::NotReached, 0),
                code => (End::Answered(code), 0),
            }
        } else {
            traced.watch(turn, fault)
        };
        (traced, end, call)
    }

    /// Lets the process run up to its fault, and to its answer if it still has one.
    fn watch(&mut self, turn: i32, fault: Fault) -> (End, libc::c_long) {
        assert!(libc::WIFSTOPPED(wait(self.pid)), "the traced process did not stop");
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
        ptrace(libc::PTRACE_SETOPTIONS, self.pid, usize::try_from(options).expect("options"));
        let mut in_hook = false;
        let mut entering = true;
        let mut calls = 0;
        let mut result_due = None;
        let mut call = 0;
        let mut forward = 0;
        loop {
            ptrace(libc::PTRACE_SYSCALL, self.pid, forward);
            forward = 0;
            let status = wait(self.pid);
            if libc::WIFSIGNALED(status) || libc::WIFEXITED(status) {
                self.reaped = true;
                return (End::Answered(code_of_end(status)), call);
            }
            if libc::WSTOPSIG(status) != libc::SIGTRAP | 0x80 {
                forward = usize::try_from(libc::WSTOPSIG(status)).expect("a signal");
                continue;
            }
            if !entering {
                entering = true;
                if let Some(error) = result_due.take() {
                    registers::set_result(self.pid, -i64::from(error));
                }
                continue;
            }
            entering = false;
            let number = registers::call(self.pid);
            if number == MARK {
                if in_hook {
                    ptrace(libc::PTRACE_DETACH, self.pid, 0);
                    let answer = self.answer();
                    let end = if calls < turn { End::NotReached } else { End::Answered(answer) };
                    return (end, call);
                }
                in_hook = true;
                continue;
            }
            if !in_hook {
                continue;
            }
            calls += 1;
            if calls != turn {
                continue;
            }
            call = number;
            match fault {
                Fault::Kill => {
                    self.finish();
                    return (End::Killed, call);
                }
                Fault::Stop => return (End::Stopped, call),
                Fault::Error(error) if !cannot_fail(number) => {
                    // A call that releases something is executed all the same, as the kernel does.
                    if !is_release(number) {
                        registers::set_call(self.pid, -1);
                    }
                    result_due = Some(error);
                }
                Fault::Error(_) | Fault::Allocation => {}
            }
        }
    }

    fn answer(&mut self) -> i32 {
        let mut code = [0];
        match self.answers.read_exact(&mut code) {
            Ok(()) => i32::from(code[0]),
            Err(_) => {
                self.reaped = true;
                code_of_end(wait(self.pid))
            }
        }
    }

    fn finish(&mut self) {
        if !self.reaped {
            self.reaped = true;
            signal(self.pid, libc::SIGKILL);
            while !libc::WIFSIGNALED(wait(self.pid)) {}
        }
    }
}

/// Distinguishes a clean abort from every other end of a process: SIGABRT, or exit status 127 of the loader,
/// which has no memory for thread-local data then.
fn code_of_end(status: i32) -> i32 {
    let by_signal = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT;
    let by_loader = libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 127;
    if by_signal || by_loader { ABORTED } else { 255 }
}

/// In the child: all phases before the one under test, then that one, traced or with an allocation that
/// fails.
fn inject_fault(campaign: &FaultCampaign, failing_allocation: Option<i32>) -> i32 {
    let mut handle = campaign.start();
    let earlier = match campaign.phase {
        "acct" | "open" => 0,
        "confirm" => handle.acct(0),
        _ => handle.acct(0) + handle.open(0),
    };
    assert_eq!(earlier, 0, "the phases before");
    let before = HostState::now();
    match failing_allocation {
        Some(turn) => drop(fail_at(turn)),
        None => {
            ptrace(libc::PTRACE_TRACEME, 0, 0);
            // SAFETY: takes an integer.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
    }
    let code = match campaign.phase {
        "acct" => handle.acct(0),
        "open" | "confirm" => handle.open(0),
        _ => handle.close(0),
    };
    if failing_allocation.is_some() && fail_at(0) > 0 {
        return NOT_REACHED;
    }
    let changes = HostState::now().changes_since(&before);
    if changes.is_empty() {
        return code;
    }
    eprintln!("{changes}");
    CHANGED
}

/// Tells the preloaded shim which allocation is to fail; returns how many were left to the last one.
fn fail_at(turn: i32) -> i64 {
    // SAFETY: the name is terminated.
    let shim = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"shim_fail_at".as_ptr()) };
    assert!(!shim.is_null(), "the shim is not preloaded");
    // SAFETY: this is the function's type, in `testkit/examples/preload_shim.rs`.
    let shim = unsafe { std::mem::transmute::<*mut libc::c_void, extern "C" fn(i64) -> i64>(shim) };
    shim(i64::from(turn))
}

/// Calls that the kernel does not reject when their arguments are valid.
fn cannot_fail(call: libc::c_long) -> bool {
    [
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigpending,
        libc::SYS_getpid,
        libc::SYS_getppid,
        libc::SYS_gettid,
        libc::SYS_geteuid,
        libc::SYS_getuid,
        libc::SYS_getresuid,
        libc::SYS_getsid,
        libc::SYS_clock_gettime,
        // Reports by an address, not by an error; memory has a row of its own.
        libc::SYS_brk,
        // Changes nothing that the caller could see, or is fatal by contract.
        libc::SYS_futex,
        libc::SYS_exit_group,
    ]
    .contains(&call)
}

/// Calls that have done their work whatever they return.
fn is_release(call: libc::c_long) -> bool {
    [libc::SYS_close, libc::SYS_munmap].contains(&call)
}

fn ptrace(request: libc::c_uint, pid: i32, data: usize) {
    // SAFETY: requests whose data is an integer only.
    let done = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), data) };
    assert!(done >= 0, "ptrace {request}: {}", std::io::Error::last_os_error());
}

fn signal(pid: i32, number: i32) {
    // SAFETY: a child that was not waited for: the pid is its own.
    unsafe { libc::kill(pid, number) };
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    assert_eq!(waited, pid, "waitpid: {}", std::io::Error::last_os_error());
    status
}

#[cfg(target_arch = "x86_64")]
mod registers {
    fn all(pid: i32) -> libc::user_regs_struct {
        // SAFETY: user_regs_struct is plain integers.
        let mut all: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        // SAFETY: `all` is what PTRACE_GETREGS fills in; the process is stopped.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGS,
                pid,
                std::ptr::null_mut::<libc::c_void>(),
                &raw mut all,
            )
        };
        assert_eq!(done, 0, "PTRACE_GETREGS");
        all
    }

    fn set(pid: i32, all: &libc::user_regs_struct) {
        // SAFETY: `all` is what PTRACE_SETREGS reads; the process is stopped.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_SETREGS,
                pid,
                std::ptr::null_mut::<libc::c_void>(),
                std::ptr::from_ref(all),
            )
        };
        assert_eq!(done, 0, "PTRACE_SETREGS");
    }

    pub fn call(pid: i32) -> libc::c_long {
        i64::from_ne_bytes(all(pid).orig_rax.to_ne_bytes())
    }

    pub fn set_call(pid: i32, number: i64) {
        let mut all = all(pid);
        all.orig_rax = u64::from_ne_bytes(number.to_ne_bytes());
        set(pid, &all);
    }

    pub fn set_result(pid: i32, result: i64) {
        let mut all = all(pid);
        all.rax = u64::from_ne_bytes(result.to_ne_bytes());
        set(pid, &all);
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod registers {
    pub fn call(_: i32) -> libc::c_long {
        panic!("system calls are traced on x86_64 only")
    }
    pub fn set_call(_: i32, _: i64) {}
    pub fn set_result(_: i32, _: i64) {}
}
