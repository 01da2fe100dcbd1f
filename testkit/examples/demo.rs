//! Demonstrates the limit with sessions of real processes, through the real libpam, in a scratch directory.
//!
//! Nothing on the machine is changed. The exit status is 0 if everything happened as described.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a demonstration")]

use std::path::PathBuf;
use std::process::ExitCode;

use session_limit_core::store::Store;
use testkit::{Host, Login, Stack, code};

const CONFIG: &str = r#"[[useraccountprofile]]
name = "Contractors"
max_concurrent_sessions = 2

[[user]]
username = "alice"
user_profile = "Contractors"
"#;

/// What did not happen as described.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    fn check(&mut self, statement: &str, holds: bool) {
        println!("   {} {statement}", if holds { "\u{2713}" } else { "\u{2717} NOT TRUE:" });
        if !holds {
            self.0.push(statement.to_owned());
        }
    }
}

fn main() -> ExitCode {
    let built = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let module = std::env::args_os()
        .nth(1)
        .map_or_else(|| built.parent().unwrap().join("libpam_session_limit.so"), PathBuf::from);
    let host = Host::new(built.join("pam_actor"), module);
    let mut failures = Failures::default();

    println!("The module:   {}", host.module().display());
    println!("Scratch host: {}", host.path("").display());
    println!("Its configuration:\n");
    CONFIG.lines().for_each(|line| println!("   {line}"));
    host.configure(CONFIG);
    host.stack("sshd", &Stack::both());
    host.stack("sshd-clear-sessions", &Stack::both().with("clear_sessions"));

    println!("\n1. Alice may hold two sessions. Two logins of alice:\n");
    let (mut first, opened) = log_in(&host, "sshd", "alice", "192.0.2.1");
    failures.check("the first login is let in", opened == code::SUCCESS);
    let (mut second, opened) = log_in(&host, "sshd", "alice", "192.0.2.2");
    failures.check("the second login is let in", opened == code::SUCCESS);
    show_sessions(&host);

    println!("\n2. A third login of alice shows:\n");
    let (third, refused) = log_in(&host, "sshd", "alice", "192.0.2.3");
    let said: Vec<_> = third.said().iter().flat_map(|(_, text)| text.lines()).collect();
    said.iter().for_each(|line| println!("      {line}"));
    println!();
    failures.check("PAM returns PAM_PERM_DENIED", refused == code::PERM_DENIED);
    failures.check(
        "the warning is the documented one",
        said == [
            "WARNING: Maximum concurrent session count has been reached.",
            "Please clear the sessions using shell --clear-sessions",
        ],
    );
    failures.check("the two sessions of alice go on", !first.has_ended() && !second.has_ended());

    println!("\n3. Bob has no profile assigned: the default one has no limit.\n");
    let bobs: Vec<_> = (0..3).map(|_| log_in(&host, "sshd", "bob", "192.0.2.9")).collect();
    failures.check(
        "three logins of bob are let in",
        bobs.iter().all(|(_, code)| *code == code::SUCCESS),
    );

    println!("\n4. Alice logs in through a service whose PAM stack sets clear_sessions.\n");
    let (mut clearing, opened) = log_in(&host, "sshd-clear-sessions", "alice", "192.0.2.3");
    failures.check("alice is let in", opened == code::SUCCESS);
    failures.check(
        "the processes of the two old sessions are gone",
        first.has_ended() && second.has_ended(),
    );
    failures.check(
        "the sessions of bob go on",
        bobs.into_iter().all(|(mut login, _)| !login.has_ended()),
    );
    let pids: Vec<_> =
        sessions(&host).iter().filter(|s| s.user == "alice").map(|s| s.leader.pid).collect();
    failures.check("the new session is the only one of alice on record", pids == [clearing.pid()]);
    show_sessions(&host);

    println!("\n5. A killed session frees its slot; nothing has to be cleaned up.\n");
    let (_other, opened) = log_in(&host, "sshd", "alice", "192.0.2.4");
    failures.check("both slots are taken again", opened == code::SUCCESS);
    let (_, refused) = log_in(&host, "sshd", "alice", "192.0.2.5");
    failures.check("one more is refused", refused == code::PERM_DENIED);
    println!("   (kill -9 {})", clearing.pid());
    clearing.kill();
    let (_last, opened) = log_in(&host, "sshd", "alice", "192.0.2.5");
    failures.check("the same login is let in now", opened == code::SUCCESS);
    show_sessions(&host);

    if failures.0.is_empty() {
        println!("\nEverything happened as described.");
        ExitCode::SUCCESS
    } else {
        println!("\n{} statements were not true: {}", failures.0.len(), failures.0.join("; "));
        ExitCode::FAILURE
    }
}

fn log_in(host: &Host, service: &str, user: &str, from: &str) -> (Login, i32) {
    const TTY: i32 = 3;
    const RHOST: i32 = 4;
    let mut login = host.login(service, user);
    login.item(TTY, Some(b"ssh"));
    login.item(RHOST, Some(from.as_bytes()));
    let code = login.log_in();
    (login, code)
}

fn sessions(host: &Host) -> Vec<session_limit_core::model::session::Session> {
    Store::at(&host.state()).transaction(|tx| tx.all_sessions()).unwrap()
}

fn show_sessions(host: &Host) {
    println!("\n   {:<8} {:<22} {:<12} {:>8}", "USER", "SERVICE", "FROM", "PID");
    for session in sessions(host) {
        println!(
            "   {:<8} {:<22} {:<12} {:>8}",
            session.user,
            session.origin.service,
            session.origin.rhost.as_deref().unwrap_or("-"),
            session.leader.pid
        );
    }
}
