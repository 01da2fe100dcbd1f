//! Many logins at once, from one application: what no single [`crate::Login`] can do.
//!
//! Each is a command of [`crate::actor`] and prints its figures as `result` lines, two numbers each;
//! times are in microseconds. The code it ends with counts what went wrong.

use std::ffi::{CStr, CString};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crate::actor::fault_injection::FaultCampaign;
use crate::hex::from_hex;
use crate::libpam::{ConversationMode, Handle, code};

/// Runs a command of this file; `None` if it is another.
pub(crate) fn dispatch(words: &[&str], confdir: &Path) -> Option<i32> {
    let number = |at: usize| words.get(at).map_or(0, |word| word.parse().expect("a number"));
    let text = |at: usize| from_hex(words[at]);
    let at = || LoadTarget { confdir, service: text(1) };
    Some(match words[0] {
        "cycles" => at().cycles(&text(2), number(3)),
        "concurrent-logins" => at().concurrent_logins(words[2], number(3), number(4)),
        "mixed-load" => at().mixed_load(&text(2), number(3), number(4), number(5)),
        "pid-reuse" => at().pid_reuse(&text(2), number(3)),
        "forks" => at().forks(&text(2), number(3)),
        "faults" => {
            let (service, user) = (text(1), text(2));
            FaultCampaign {
                confdir,
                service: &service,
                user: &user,
                phase: words[3],
                fault: words[4],
                step: number(5),
                first: number(6),
            }
            .run()
        }
        _ => return None,
    })
}

/// Where all of them log in.
struct LoadTarget<'a> {
    confdir: &'a Path,
    service: CString,
}

impl LoadTarget<'_> {
    fn start(&self, user: &CStr) -> Handle {
        Handle::start(self.confdir, &self.service, Some(user), ConversationMode::Scripted)
            .expect("pam_start")
    }

    /// One process after the other logs in and out. Median and p99 of the whole, then the longest.
    fn cycles(&self, user: &CStr, count: i32) -> i32 {
        let times = Shared::new(count);
        let mut wrong = 0;
        for i in 0..count {
            let pid = child(|| {
                let began = Instant::now();
                let mut handle = self.start(user);
                let codes = [handle.acct(0), handle.open(0), handle.close(0), handle.end(0)];
                times.at(i).store(micros(began), Ordering::Relaxed);
                i32::from(codes != [0; 4])
            });
            wrong += reap(pid);
        }
        times.print();
        wrong
    }

    /// `count` processes, each of a user of its own, released at once; each logs in and out `cycles`
    /// times. Median and p99 of account and opening, then the longest.
    fn concurrent_logins(&self, user: &str, count: i32, cycles: i32) -> i32 {
        let times = Shared::new(count * cycles);
        let (start_out, start_in) = UnixStream::pair().expect("a socket pair");
        let pids: Vec<i32> = (0..count)
            .map(|i| {
                let (times, mut start, start_in) = (&times, &start_out, &start_in);
                child(move || {
                    let user = CString::new(format!("{user}{i}")).expect("a name");
                    let mut wrong = 0;
                    for cycle in 0..cycles {
                        let mut handle = self.start(&user);
                        if cycle == 0 {
                            // SAFETY: the copy in this process; the parent's end releases all of them.
                            unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(start_in)) };
                            let _ = start.read(&mut [0]);
                        }
                        let began = Instant::now();
                        let codes = (handle.acct(0), handle.open(0));
                        let time = micros(began);
                        times.at(i * cycles + cycle).store(time, Ordering::Relaxed);
                        let closed = (handle.close(0), handle.end(0));
                        if (codes, closed) != ((0, 0), (0, 0)) {
                            eprintln!("codes {codes:?} {closed:?} after {time} us");
                            wrong += 1;
                        }
                    }
                    wrong.min(100)
                })
            })
            .collect();
        drop(start_in);
        let wrong = pids.into_iter().map(reap).sum();
        times.print();
        wrong
    }

    /// `count` processes of one user, each coming and going `cycles` times; some close, some end
    /// without closing, some are killed in the middle of their session.
    ///
    /// Each login that is in has said so in `inside`, from when the module let it in until before it logs out: a
    /// number above the limit proves a violation. Prints the largest seen and the limit, then how many logins were
    /// let in and refused.
    fn mixed_load(&self, user: &CStr, count: i32, cycles: i32, limit: i32) -> i32 {
        let board = Shared::new(4);
        let [inside, most, admitted, refused] = [0, 1, 2, 3].map(|i| board.at(i));
        let serve = |mut random: u64, cycles: i32| {
            for _ in 0..cycles {
                random = shuffled(random);
                let mut handle = self.start(user);
                let let_in = match (random % 3, handle.acct(0)) {
                    // Gives up after the account phase.
                    (0, 0) if random % 7 == 0 => {
                        handle.end(0);
                        continue;
                    }
                    (_, 0) => handle.open(0),
                    (_, refused) => refused,
                };
                match let_in {
                    0 => {
                        admitted.fetch_add(1, Ordering::SeqCst);
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_micros(random % 2000));
                        inside.fetch_sub(1, Ordering::SeqCst);
                        match random % 5 {
                            0 => std::process::abort(),
                            // SAFETY: ends this process as a kill from outside would.
                            1 => unsafe {
                                libc::raise(libc::SIGKILL);
                            },
                            // Stays, without closing; its leader ends with the process.
                            2 => return 0,
                            _ => {
                                handle.close(0);
                            }
                        }
                    }
                    code::PERM_DENIED => {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    other => {
                        eprintln!("code {other}");
                        return 1;
                    }
                }
                handle.end(0);
            }
            0
        };
        let mut wrong = 0;
        let mut left = count * cycles;
        let mut running = 0;
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        // A process that died is replaced, until so many have come.
        while left > 0 || running > 0 {
            while running < count && left > 0 {
                seed = shuffled(seed);
                let turns = left.min(4);
                left -= turns;
                let seed = seed;
                child(|| serve(seed, turns));
                running += 1;
            }
            let mut status = 0;
            // SAFETY: `status` is valid to write to.
            unsafe { libc::waitpid(-1, &raw mut status, 0) };
            running -= 1;
            wrong += i32::from(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) != 0);
        }
        let value = |cell: &AtomicI32| cell.load(Ordering::SeqCst);
        println!("result {} {limit}\nresult {} {}", value(most), value(admitted), value(refused));
        wrong
    }

    /// In a pid namespace of its own: a leader dies, its pid is given to another process, and the
    /// slot must be free. Prints how often the pid was really used again, and the turns.
    fn pid_reuse(&self, user: &CStr, turns: i32) -> i32 {
        const LEADER: i32 = 4242;
        // SAFETY: takes flags.
        let done = unsafe { libc::unshare(libc::CLONE_NEWPID) };
        assert_eq!(done, 0, "unshare: {}", std::io::Error::last_os_error());
        let init = child(|| {
            super::environment::mount_proc();
            let mut wrong = 0;
            let mut used_again = 0;
            for _ in 0..turns {
                let as_leader = |work: &dyn Fn() -> i32| {
                    fs::write("/proc/sys/kernel/ns_last_pid", (LEADER - 1).to_string())
                        .expect("ns_last_pid");
                    child(work)
                };
                let first = as_leader(&|| {
                    let mut handle = self.start(user);
                    handle.acct(0) + handle.open(0)
                });
                wrong += reap(first);
                // The kernel tells start times apart by the clock tick.
                std::thread::sleep(Duration::from_millis(12));
                let (stay, other_end) = UnixStream::pair().expect("a socket pair");
                let second = as_leader(&|| {
                    // SAFETY: the copy in this process.
                    unsafe { libc::close(std::os::fd::AsRawFd::as_raw_fd(&stay)) };
                    let _ = (&other_end).read(&mut [0]);
                    0
                });
                used_again += i32::from(first == LEADER && second == LEADER);
                wrong += reap(child(|| {
                    let mut handle = self.start(user);
                    handle.acct(0) + handle.open(0) + handle.close(0)
                }));
                drop(stay);
                wrong += reap(second);
            }
            println!("result {used_again} {turns}");
            std::io::stdout().flush().expect("stdout");
            wrong.min(100)
        });
        reap(init)
    }

    /// Threads log in and out while another one forks children that live on for a while, so that
    /// some of them hold copies of a lock. Prints the longest login and how many children there were.
    fn forks(&self, user: &CStr, count: i32) -> i32 {
        let done = std::sync::atomic::AtomicBool::new(false);
        let (wrong, longest) = (AtomicI32::new(0), AtomicI32::new(0));
        let mut children = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let began = Instant::now();
                        let mut handle = self.start(user);
                        let codes =
                            [handle.acct(0), handle.open(0), handle.close(0), handle.end(0)];
                        longest.fetch_max(micros(began), Ordering::Relaxed);
                        wrong.fetch_add(i32::from(codes != [0; 4]), Ordering::Relaxed);
                    }
                });
            }
            for i in 0..count {
                // SAFETY: the child calls nothing but pause, kill and _exit.
                let pid = unsafe { libc::fork() };
                if pid == 0 {
                    // SAFETY: takes an integer.
                    unsafe { libc::alarm(60) };
                    // SAFETY: takes nothing.
                    unsafe { libc::pause() };
                    // SAFETY: ends the child.
                    unsafe { libc::_exit(0) };
                }
                children.push(pid);
                if i % 50 == 49 {
                    end_all(&mut children);
                }
                std::thread::sleep(Duration::from_micros(300));
            }
            done.store(true, Ordering::Relaxed);
        });
        end_all(&mut children);
        println!("result {} {count}", longest.into_inner());
        wrong.into_inner()
    }
}

fn end_all(children: &mut Vec<i32>) {
    for pid in children.drain(..) {
        // SAFETY: a child that was not waited for: the pid is its own.
        unsafe { libc::kill(pid, libc::SIGKILL) };
        // SAFETY: a null status is allowed.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    }
}

/// Runs `work` in a forked child that exits by `_exit`; returns its pid.
fn child(work: impl FnOnce() -> i32) -> i32 {
    // SAFETY: this program has one thread wherever this is called.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    if pid == 0 {
        let code = work();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    pid
}

/// Waits for a child; returns its status, 100 where a signal ended it.
fn reap(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: `status` is valid to write to.
    unsafe { libc::waitpid(pid, &raw mut status, 0) };
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 100 }
}

fn micros(began: Instant) -> i32 {
    i32::try_from(began.elapsed().as_micros()).unwrap_or(i32::MAX)
}

fn shuffled(mut random: u64) -> u64 {
    random ^= random << 13;
    random ^= random >> 7;
    random ^ (random << 17)
}

/// Numbers that children write and their parent reads.
struct Shared {
    cells: &'static [AtomicI32],
}

impl Shared {
    fn new(count: i32) -> Self {
        let count = usize::try_from(count).expect("a count");
        // SAFETY: a new anonymous mapping.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                count * size_of::<AtomicI32>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(memory, libc::MAP_FAILED, "mmap");
        // SAFETY: the mapping is zeroed, of this size, and never unmapped.
        let cells = unsafe { std::slice::from_raw_parts(memory.cast::<AtomicI32>(), count) };
        Self { cells }
    }

    fn at(&self, index: i32) -> &'static AtomicI32 {
        &self.cells[usize::try_from(index).expect("an index")]
    }

    /// Prints median and 99th percentile, then the largest and the count.
    fn print(&self) {
        let mut all: Vec<i32> = self.cells.iter().map(|cell| cell.load(Ordering::SeqCst)).collect();
        all.sort_unstable();
        let part = |percent: usize| all[(all.len() - 1) * percent / 100];
        println!("result {} {}\nresult {} {}", part(50), part(99), part(100), all.len());
    }
}
