//! Ending sessions: clear, evict the oldest, forget.

use testkit::{Login, Stack, code};

use session_limit_core::model::session::Leader;
use session_limit_core::process::HostIdentity;

use crate::{eventually, host, rewrite_rows, rows};

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn clear_sessions_ends_them_wipes_them_and_lets_in() {
    let host = host();
    host.limit(2);
    host.stack("sshd-clear-sessions", &Stack::both().with("clear_sessions"));
    let mut open = [host.logged_in("login", "alice"), host.logged_in("sshd", "alice")];
    let mut bob = host.logged_in("login", "bob");
    let mut clearing = host.login("sshd-clear-sessions", "alice");
    assert_eq!(clearing.acct(), 0);
    assert!(open.iter_mut().all(|login| !login.has_ended()), "the account phase ends no session");
    assert_eq!(clearing.open(), 0);
    assert_eq!(clearing.said(), []);
    assert!(open.iter_mut().all(Login::has_ended), "ended before the new session opens");
    assert!(!bob.has_ended());
    let left = rows(&host);
    assert_eq!(left.iter().filter(|row| row.user == "alice").count(), 1);
    assert_eq!(left.len(), 2);
    assert_eq!(host.login("login", "alice").log_in(), 0, "the second slot is free again");
}

#[test]
fn clear_sessions_clears_below_the_limit_and_with_the_check_off() {
    for limit in [0, 5] {
        let host = host();
        host.limit(limit);
        host.stack("sshd", &Stack::both().with("clear_sessions"));
        let mut open = host.logged_in("login", "alice");
        assert_eq!(host.login("sshd", "alice").log_in(), 0);
        assert!(open.has_ended(), "limit {limit}");
    }
}

#[test]
fn clearing_reaches_children_and_those_that_left_the_session() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut open = host.logged_in("login", "alice");
    open.tell("reap");
    let children =
        [open.tell("spawn"), open.tell("spawn setsid"), open.tell("spawn plain stubborn")];
    assert!(children.iter().all(|&pid| alive(pid)));
    assert_eq!(host.login("sshd", "alice").log_in(), 0);
    assert!(open.has_ended());
    for pid in children {
        assert!(!alive(pid), "child {pid}");
    }
}

#[test]
fn a_session_that_ignores_the_polite_signals_is_killed_within_five_seconds() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut open = host.logged_in("login", "alice");
    open.tell("ignore-term");
    let began = std::time::Instant::now();
    assert_eq!(host.login("sshd", "alice").log_in(), 0);
    let took = began.elapsed().as_secs_f64();
    assert!(open.has_ended());
    assert!((2.5..5.0).contains(&took), "took {took} s");
}

#[test]
fn on_clear_forget_wipes_the_records_only() {
    let host = host();
    host.configure(&format!("{}[policy]\non_clear = \"forget\"\n", testkit::default_limit(2)));
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut open = [host.logged_in("login", "alice"), host.logged_in("login", "alice")];
    let clearing = host.logged_in("sshd", "alice");
    assert!(open.iter_mut().all(|login| !login.has_ended()));
    assert_eq!(rows(&host).len(), 1);
    assert_eq!(open[0].close(), 0, "a forgotten session closes without an error");
    assert_eq!(rows(&host).len(), 1);
    drop(clearing);
}

#[test]
fn evict_oldest_ends_the_oldest() {
    let host = host();
    host.limit(2);
    host.stack("sshd", &Stack::both().with("on_limit=evict-oldest"));
    let mut oldest = host.logged_in("sshd", "alice");
    let mut newer = host.logged_in("sshd", "alice");
    let third = host.logged_in("sshd", "alice");
    assert!(oldest.has_ended());
    assert!(!newer.has_ended());
    assert_eq!(rows(&host).len(), 2);
    drop(third);
}

#[test]
fn evict_oldest_ends_as_many_as_are_over() {
    let host = host();
    host.limit(0);
    let mut open: Vec<_> = (0..10).map(|_| host.logged_in("login", "alice")).collect();
    host.limit(3);
    host.stack("sshd", &Stack::both().with("on_limit=evict-oldest"));
    assert_eq!(host.login("sshd", "alice").log_in(), 0);
    let ended: Vec<bool> = open.iter_mut().map(Login::has_ended).collect();
    assert_eq!(ended, [true, true, true, true, true, true, true, true, false, false]);
}

#[test]
fn the_newest_of_several_clearing_logins_stays() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut first = host.login("sshd", "alice");
    let mut second = host.login("sshd", "alice");
    assert_eq!((first.acct(), second.acct()), (0, 0));
    assert_eq!(first.open(), 0);
    assert_eq!(second.open(), 0);
    assert!(first.has_ended());
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn a_clearing_login_goes_on_while_others_keep_coming() {
    let host = host();
    host.limit(100);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let newcomer = || {
        let mut login = host.logged_in("login", "alice");
        // Until SIGHUP: others come while this one is being ended.
        login.tell("ignore-term only");
        login
    };
    let mut open = vec![newcomer()];
    let mut clearing = host.login("sshd", "alice");
    assert_eq!(clearing.acct(), 0);
    clearing.begin("open 0");
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_secs(3) {
        open.push(newcomer());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(clearing.finish(), 0);
    assert!(open.iter_mut().all(Login::has_ended), "{} came", open.len());
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn clearing_overrides_a_login_that_is_still_pending() {
    let host = host();
    host.limit(1);
    host.stack("remote", &Stack::both().with("clear_sessions"));
    let mut pending = host.login("sshd", "alice");
    assert_eq!(pending.acct(), 0);
    let clearing = host.logged_in("remote", "alice");
    assert!(!pending.has_ended(), "a login is no session yet: nothing is ended");
    assert_eq!(pending.open(), code::PERM_DENIED, "it decides again");
    drop(clearing);
}

#[test]
fn a_login_inside_a_session_cannot_clear_it_nor_make_it_uncounted() {
    for on_clear in ["terminate", "forget"] {
        let host = host();
        host.configure(&format!(
            "{}[policy]\non_clear = \"{on_clear}\"\n",
            testkit::default_limit(1)
        ));
        host.stack("sshd", &Stack::both().with("clear_sessions"));
        let mut outer = host.logged_in("login", "alice");
        let pid = outer.pid();
        assert_eq!(outer.tell("start 73736864 616c696365 scripted"), 0, "sshd, alice");
        assert_eq!(outer.tell("open-in-child"), code::PERM_DENIED, "{on_clear}");
        assert!(alive(pid), "{on_clear}");
        assert_eq!(rows(&host).len(), 1, "{on_clear}");
    }
}

#[test]
fn a_session_of_another_pid_namespace_is_forgotten_by_clear_and_kept_otherwise() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut open = host.logged_in("login", "alice");
    rewrite_rows(&host, |row| row.leader.pid_ns = 1);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(host.login("sshd", "alice").log_in(), 0);
    assert!(!open.has_ended());
    eventually("the other's row is gone", || rows(&host).iter().all(|row| row.leader.pid_ns != 1));
}

/// The identity of the process that runs the tests: the parent of every application.
fn parent_of_applications() -> Leader {
    let own = session_limit_core::system::own_pid();
    HostIdentity::current().unwrap().leader(own).unwrap().0
}

#[test]
fn clearing_does_not_end_a_process_that_holds_a_session_of_another_user() {
    let host = host();
    host.limit(2);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let mut hub = host.logged_in("login", "alice");
    let mut other = host.logged_in("login", "alice");
    let _bob = host.logged_in("login", "bob");
    // As if one process had opened both users' sessions.
    let leader = rows(&host).into_iter().find(|row| row.leader.pid == hub.pid()).unwrap().leader;
    rewrite_rows(&host, |row| {
        if row.user == "bob" {
            row.leader = leader.clone();
        }
    });
    let clearing = host.logged_in("sshd", "alice");
    assert!(!hub.has_ended(), "bob's session is in the same process");
    assert!(other.has_ended());
    let users: Vec<_> = rows(&host).into_iter().map(|row| row.user).collect();
    assert_eq!(users, ["alice", "bob", "alice"], "what was left alone still counts");
    drop(clearing);
}

#[test]
fn nothing_is_ended_where_clearing_cannot_make_room() {
    let host = host();
    host.limit(1);
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let login = host.logged_in("login", "alice");
    let leader = parent_of_applications();
    rewrite_rows(&host, |row| row.leader = leader.clone());
    host.limit(2);
    let mut other = host.logged_in("login", "alice");
    host.limit(1);
    let mut clearing = host.login("sshd", "alice");
    assert_eq!(clearing.acct(), 0);
    assert_eq!(clearing.open(), code::PERM_DENIED);
    assert!(!other.has_ended(), "it would not have helped");
    assert_eq!(rows(&host).len(), 2);
    let (_, said) = &clearing.said()[0];
    let blocker = "A slot is held by a session that cannot be ended: service login";
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.lines().nth(2).unwrap().starts_with(blocker), "{said}");
    drop(login);
}

#[test]
fn a_shell_inside_a_login_of_the_same_user_is_part_of_it() {
    let host = host();
    host.limit(1);
    host.stack("shell", &Stack::both());
    host.stack("shell-clear-sessions", &Stack::both().with("clear_sessions"));
    let _login = host.logged_in("login", "alice");
    let leader = parent_of_applications();
    rewrite_rows(&host, |row| row.leader = leader.clone());
    let mut shell = host.logged_in("shell", "alice");
    assert_eq!(shell.said(), []);
    assert_eq!(rows(&host).len(), 1, "no slot of its own");
    host.limit(2);
    let mut other = host.logged_in("sshd", "alice");
    host.limit(1);
    let _clearing = host.logged_in("shell-clear-sessions", "alice");
    assert!(other.has_ended(), "the others are ended");
    assert_eq!(rows(&host).len(), 1, "the login around it stays");
    assert_eq!(host.login("shell", "bob").log_in(), 0, "another user's is a session of its own");
    assert_eq!(shell.close(), 0);
}
