//! The cost of a login: whole PAM cycles through the real libpam, in processes that have not loaded
//! a module before. `benches/bench.py` runs it and knows what the numbers are for.
//!
//! Every command prints lines of tab-separated fields on stdout. Times are microseconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement: any error ends it"
)]

use std::ffi::{CStr, CString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use session_limit_core::model::session::{Origin, Session, SessionState};
use session_limit_core::process::HostIdentity;
use session_limit_core::store::Store;
use testkit::libpam::{ConversationMode, Handle};

const USAGE: &str = "usage: bench_logins COMMAND
  cycle CONFDIR USER SERVICE             one cycle: start acct open close end, then
                                         processor time, page faults, kB resident, codes
  alone CONFDIR USER ROUNDS SERVICE...   fresh processes, one at a time, services in turn;
                                         CONFDIR/SERVICE.utmp, if there is one, becomes /run/utmp
  herd  CONFDIR SERVICE N                N processes of N users released at once
  loop  CONFDIR SERVICE N CYCLES how     N processes in a closed loop; how = stay | fork
  fill  STATE OTHERS OWN UID LEADER      a store with that many rows, led by that process";

/// The exit code of a process whose login failed.
const FAILED: i32 = 1;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["cycle", confdir, user, service] => {
            let cycle = Cycle::run(Path::new(confdir), &c(user), &c(service), resident_kb);
            println!("{}", cycle.line());
        }
        ["alone", confdir, user, rounds, services @ ..] => {
            alone(confdir, user, number(rounds), services);
        }
        ["herd", confdir, service, n] => herd(Path::new(confdir), &c(service), number(n)),
        ["loop", confdir, service, n, cycles, how] => {
            closed_loop(Path::new(confdir), &c(service), number(n), number(cycles), *how == "fork");
        }
        ["fill", state, others, own, uid, leader] => {
            fill(Path::new(state), number(others), number(own), number(uid), number(leader));
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// One cycle's phases and what it took.
struct Cycle {
    phases: [f64; 5],
    /// Processor time of all five; the clock on the wall also counts waiting for a busy machine.
    cpu: f64,
    faults: i64,
    resident: i64,
    codes: [i32; 3],
}

impl Cycle {
    /// `resident` is asked before the handle ends, while all is loaded.
    fn run(confdir: &Path, user: &CStr, service: &CStr, resident: fn() -> i64) -> Self {
        // As every application does before it starts PAM: the name service is loaded then.
        // SAFETY: the name is terminated; the answer is not kept.
        unsafe { libc::getpwnam(user.as_ptr()) };
        let (faults_before, cpu_before) = (minor_faults(), cpu_micros());
        let mut marks = vec![Instant::now()];
        let mut handle = Handle::start(confdir, service, Some(user), ConversationMode::Scripted)
            .expect("pam_start");
        marks.push(Instant::now());
        let acct = handle.acct(0);
        marks.push(Instant::now());
        let open = handle.open(0);
        marks.push(Instant::now());
        let close = handle.close(0);
        marks.push(Instant::now());
        let (faults, cpu) = (minor_faults() - faults_before, cpu_micros() - cpu_before);
        let resident = resident();
        let (faults_before, cpu_before) = (minor_faults(), cpu_micros());
        let end_began = Instant::now();
        handle.end(0);
        let end = micros(end_began.elapsed());
        let cpu = cpu + cpu_micros() - cpu_before;
        let faults = faults + minor_faults() - faults_before;
        let phase = |at: usize| micros(marks[at + 1] - marks[at]);
        Self {
            phases: [phase(0), phase(1), phase(2), phase(3), end],
            cpu,
            faults,
            resident,
            codes: [acct, open, close],
        }
    }

    fn line(&self) -> String {
        let [start, acct, open, close, end] = self.phases;
        let codes = self.codes.map(|code| code.to_string()).join(" ");
        format!(
            "{start:.1}\t{acct:.1}\t{open:.1}\t{close:.1}\t{end:.1}\t{:.1}\t{}\t{}\t{codes}",
            self.cpu, self.faults, self.resident
        )
    }
}

/// The services take turns, so that a change of the machine's pace meets all of them alike.
fn alone(confdir: &str, user: &str, rounds: u32, services: &[&str]) {
    let program = std::env::current_exe().expect("the own program");
    let mut services = services.to_vec();
    for round in 0..rounds {
        // Each behind any other: one behind its own kind would find its code in the caches.
        shuffle(&mut services, round);
        for service in &services {
            // The accounting file that a stack is to find, where that matters.
            let utmp = Path::new(confdir).join(format!("{service}.utmp"));
            if utmp.exists() {
                std::fs::copy(utmp, "/run/utmp").expect("utmp");
            }
            let output = Command::new(&program)
                .args(["cycle", confdir, user, service])
                .output()
                .expect("the own program runs");
            assert!(output.status.success(), "{service}: {output:?}");
            print!("{round}\t{service}\t{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

/// Puts `things` into another order (Fisher and Yates), the same in every run.
fn shuffle<T>(things: &mut [T], round: u32) {
    let mut state = u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for last in (1..things.len()).rev() {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        things.swap(last, usize::try_from(state >> 33).expect("64 bits") % (last + 1));
    }
}

/// `count` logins released at once, each of another user; they log out together too.
///
/// Prints for each: login time (start to open), its worst code, logout time, its code.
fn herd(confdir: &Path, service: &CStr, count: u32) {
    let (release, released) = UnixStream::pair().expect("a socket pair");
    let (log_out, logging_out) = UnixStream::pair().expect("a socket pair");
    let (mut results, result) = UnixStream::pair().expect("a socket pair");
    let children: Vec<_> = (0..count)
        .map(|n| {
            in_child([&release, &log_out, &results], || {
                let user = CString::new(format!("u{n:03}")).expect("a name");
                wait_for_end(&released);
                // SAFETY: as above.
                unsafe { libc::getpwnam(user.as_ptr()) };
                let began = Instant::now();
                let mut handle =
                    Handle::start(confdir, service, Some(&user), ConversationMode::Scripted)
                        .expect("start");
                let acct = handle.acct(0);
                let open = if acct == 0 { handle.open(0) } else { acct };
                let login = micros(began.elapsed());
                report(&result, &format!("login {login:.0} {open}"));
                wait_for_end(&logging_out);
                let began = Instant::now();
                let close = if open == 0 { handle.close(0) } else { 0 };
                handle.end(0);
                report(&result, &format!("logout {:.0} {close}", micros(began.elapsed())));
                0
            })
        })
        .collect();
    // Let every child reach its starting line.
    std::thread::sleep(std::time::Duration::from_millis(200 + u64::from(count)));
    for gate in [release, log_out] {
        drop(gate);
        for _ in 0..count {
            println!("{}", one_report(&mut results));
        }
    }
    for pid in children {
        wait(pid);
    }
}

/// `processes` that log in and out without a pause, `cycles` times each; prints the seconds it took,
/// then for each the slowest login and how many failed.
///
/// `fork`: every cycle in a child of its own, which has to load the modules again.
fn closed_loop(confdir: &Path, service: &CStr, processes: u32, cycles: u32, fork: bool) {
    let (release, released) = UnixStream::pair().expect("a socket pair");
    let (mut results, result) = UnixStream::pair().expect("a socket pair");
    let children: Vec<_> = (0..processes)
        .map(|n| {
            in_child([&release, &results], || {
                let user = CString::new(format!("u{n:03}")).expect("a name");
                let cycle = || {
                    // To look at the memory would take longer than a login.
                    let cycle = Cycle::run(confdir, &user, service, || 0);
                    if cycle.codes == [0; 3] { 0 } else { FAILED }
                };
                wait_for_end(&released);
                let (mut slowest, mut failed) = (0.0_f64, 0);
                for _ in 0..cycles {
                    let began = Instant::now();
                    failed += if fork { wait(in_child([], cycle)) } else { cycle() };
                    slowest = slowest.max(micros(began.elapsed()));
                }
                report(&result, &format!("{slowest:.0} {failed}"));
                0
            })
        })
        .collect();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let began = Instant::now();
    drop(release);
    let lines: Vec<_> = (0..processes).map(|_| one_report(&mut results)).collect();
    println!("seconds {:.3}", began.elapsed().as_secs_f64());
    lines.iter().for_each(|line| println!("{line}"));
    for pid in children {
        wait(pid);
    }
}

/// Fills a store with open sessions of other users (ten each) and of `uid`, all alive.
fn fill(state: &Path, others: u32, own: u32, uid: u32, leader: i32) {
    let here = HostIdentity::current().expect("/proc");
    let (leader, process_session) = here.leader(leader).expect("a living leader");
    let row = |uid: u32, id: i64| Session {
        id,
        uid,
        user: format!("user{uid}"),
        origin: Origin {
            service: "sshd".into(),
            tty: Some("ssh".into()),
            rhost: Some("192.0.2.7".into()),
        },
        leader: leader.clone(),
        process_session,
        audit_session: Some(7),
        state: SessionState::Open,
        over_limit: false,
        since: 1_700_000_000,
    };
    Store::at(state)
        .transaction(|tx| {
            for n in 0..others {
                tx.upsert(&row(100_000 + n / 10, i64::from(n)))?;
            }
            (0..own).try_for_each(|n| tx.upsert(&row(uid, i64::from(n))))
        })
        .expect("the store is filled");
}

// Processes.

/// Runs `work` in a forked child that exits by `_exit` with its result; returns the pid.
fn in_child<'a>(
    parents_ends: impl IntoIterator<Item = &'a UnixStream>,
    work: impl FnOnce() -> i32,
) -> i32 {
    use std::os::fd::AsRawFd;
    // SAFETY: this program has one thread.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", io::Error::last_os_error());
    if pid == 0 {
        for end in parents_ends {
            // SAFETY: the child exits by _exit, so no code uses its copy of the descriptor again.
            unsafe { libc::close(end.as_raw_fd()) };
        }
        let code = work();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    pid
}

fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { FAILED }
}

fn wait_for_end(mut gate: &UnixStream) {
    let _ = gate.read(&mut [0]);
}

/// Bytes of one report: writes of this size are never mixed.
const REPORT: usize = 32;

fn report(mut to: &UnixStream, text: &str) {
    to.write_all(format!("{text:REPORT$}").as_bytes()).expect("the pipe");
}

fn one_report(from: &mut UnixStream) -> String {
    let mut line = [0; REPORT];
    from.read_exact(&mut line).expect("a report of every child");
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

fn cpu_micros() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    std::time::Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
        .as_secs_f64()
        * 1e6
}

fn usage() -> libc::rusage {
    // SAFETY: rusage is plain numbers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid to write to.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    usage
}

fn minor_faults() -> i64 {
    usage().ru_minflt
}

/// Resident memory by the exact count (`statm` lags behind by up to 63 pages a thread).
fn resident_kb() -> i64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

// Words.

fn micros(time: std::time::Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse().unwrap_or_else(|_| panic!("{word}: not a number"))
}

fn c(word: &str) -> CString {
    CString::new(PathBuf::from(word).as_os_str().as_bytes()).expect("no NUL")
}
