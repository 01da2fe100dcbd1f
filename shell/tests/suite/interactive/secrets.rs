//! The password is in locked memory and nowhere else.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use std::process::{Command, Stdio};

use crate::world::pty::Pty;
use crate::world::{PASSWORD, SHELL, World};

/// One line of /proc/PID/smaps that begins a mapping, and its flags.
struct Mapping {
    start: u64,
    end: u64,
    name: String,
    flags: Vec<String>,
}

fn mappings(pid: i32) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap().lines() {
        if let Some(flags) = line.strip_prefix("VmFlags: ") {
            mappings.last_mut().unwrap().flags =
                flags.split_whitespace().map(str::to_owned).collect();
        } else if let Some((start, rest)) =
            line.split_once(' ').and_then(|(range, rest)| Some((range.split_once('-')?, rest)))
        {
            let number = |text| u64::from_str_radix(text, 16).unwrap();
            let (start, end) = (number(start.0), number(start.1));
            mappings.push(Mapping { start, end, name: rest.to_owned(), flags: Vec::new() });
        }
    }
    mappings
}

/// Returns the mappings of a process that hold a text.
fn holding(pid: i32, text: &str) -> Vec<Mapping> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let holds = |mapping: &Mapping| {
        let mut bytes = vec![0; usize::try_from(mapping.end - mapping.start).unwrap()];
        // vsyscall and the like cannot be read.
        memory.read_exact_at(&mut bytes, mapping.start).is_ok()
            && bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    mappings(pid).into_iter().filter(holds).collect()
}

#[test]
fn the_prompt_keeps_it_in_one_locked_page_and_the_holder_in_none() {
    let Some(world) = World::new() else { return };
    let mut pty = world.logged_in("alice");
    pty.command("alice", "show user");
    // The scan finds what is there: the user's name is in ordinary memory.
    assert!(!holding(pty.pid(), "alice").is_empty());

    let found = holding(pty.pid(), PASSWORD);
    assert_eq!(found.len(), 1, "{:?}", found.iter().map(|m| &m.name).collect::<Vec<_>>());
    for flag in ["lo", "dd", "dc"] {
        assert!(found[0].flags.iter().any(|f| f == flag), "{flag} not in {:?}", found[0].flags);
    }
    let holder = world.holders("alice")[0];
    for mapping in holding(holder, PASSWORD) {
        assert!(
            mapping.flags.iter().any(|flag| flag == "lo"),
            "{} holds it unlocked",
            mapping.name
        );
    }
}

#[test]
fn neither_process_dumps_core_and_no_argument_holds_it() {
    let Some(world) = World::new() else { return };
    let pty = world.logged_in("alice");
    for pid in [pty.pid(), world.holders("alice")[0]] {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().rev().nth(2), Some("0"), "{core}");
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(PASSWORD));
        }
    }
}

#[test]
fn it_is_neither_echoed_nor_kept_in_the_history() {
    let Some(world) = World::new() else { return };
    let mut pty = world.logged_in("alice");
    let history = pty.command("alice", "history");
    assert_eq!(history, "    1  history\n");
    pty.send("\u{1b}[A\u{1b}[A\u{1b}[A");
    pty.line("");
    pty.expect_prompt("alice");
    assert!(!pty.screen().contains(PASSWORD));
}

#[test]
fn it_leaves_the_prompt_for_the_holder_only_and_the_holder_for_nobody() {
    let Some(world) = World::new() else { return };
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: strace is not installed");
        return;
    }
    let log = world.path("calls");
    // Every call by which a byte can leave a process, for a file, a log, a socket or another program.
    let calls =
        "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg,execve,openat,splice,vmsplice";
    let traced = [
        "setsid",
        "-w",
        "-c",
        "strace",
        "-f",
        "-s",
        "4096",
        "-e",
        calls,
        "-o",
        log.to_str().unwrap(),
        SHELL,
    ];
    let mut pty = Pty::start(world.command(&traced));
    pty.log_in("alice", PASSWORD);
    pty.expect_prompt("alice");
    world.end_session("alice", "TERM");
    pty.command("alice", "show user");
    pty.line("exit");
    pty.wait_for_code(0);
    let calls = fs::read_to_string(log).unwrap();
    let with: Vec<&str> = calls.lines().filter(|call| call.contains(PASSWORD)).collect();
    let (to_holder, elsewhere): (Vec<&str>, Vec<&str>) =
        with.into_iter().partition(|call| call.contains(" writev("));
    // Twice: at the login and at the silent one.
    assert_eq!(to_holder.len(), 2, "{to_holder:#?}");
    assert!(to_holder.iter().all(|call| call.contains("\"A\"")), "{to_holder:#?}");
    // pam_unix 1.7 asks its helper to check the password, as root too; no other program may get it.
    let helpers =
        calls.lines().filter(|call| call.contains("execve(") && call.contains("unix_chkpwd"));
    assert!(elsewhere.len() <= helpers.count(), "{elsewhere:#?}");
    let for_helper = format!(", \"{PASSWORD}\", {})", PASSWORD.len());
    assert!(
        elsewhere.iter().all(|call| call.contains(" write(") && call.contains(&for_helper)),
        "{elsewhere:#?}"
    );
}
