//! `shell` run by users who are not root, through the socket of the session program.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SocketAddrUnix, connect};
use session_limit_session::ipc::local::{LocalLogin, PROTOCOL, send_login};
use session_limit_session::ipc::{self, HolderMessage};
use session_limit_session::pam_client::LoginStart;

use crate::world::pty::{Pty, eventually, kill, plain};
use crate::world::served::{
    ALICE, BOB, SOCKET, one_shot, prompt_of, pty_of, sequential, served, without_terminal,
};
use crate::world::{OTHER_PASSWORD, PASSWORD, SHELL, WARNING, World};

fn limit(n: u32) -> String {
    format!(
        "[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\nmax_concurrent_sessions = {n}\n"
    )
}

/// A connection that says nothing by itself, of root.
fn connection(world: &World) -> OwnedFd {
    let socket = sequential();
    connect(&socket, &SocketAddrUnix::new(world.path(SOCKET)).unwrap()).unwrap();
    socket
}

/// Returns whether the other end has been closed, or anything was said, within some seconds.
fn hears_something(socket: &OwnedFd, seconds: i64) -> bool {
    let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut fds, Some(&limit)).unwrap() > 0
}

fn is_over(socket: impl AsFd) -> bool {
    matches!(ipc::receive(socket), Ok(None))
}

#[test]
fn a_user_without_rights_logs_in_and_sees_their_own_sessions_only() {
    let Some(world) = served() else { return };
    let mut bob = prompt_of(&world, BOB, "bob");
    let mut alice = pty_of(&world, ALICE, &[]);
    alice.expect("Login: ");
    assert!(alice.echoes());
    // Enter alone: the user who runs it.
    alice.line("");
    alice.expect("Password: ");
    assert!(!alice.echoes());
    alice.line(PASSWORD);
    alice.expect_prompt("alice");
    let sessions = world.results(&["show", "session", "alice"]);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!((&sessions[0]["service"], &sessions[0]["state"]), (&"shell".into(), &"open".into()));
    assert!(sessions[0]["tty"].as_str().unwrap().starts_with("/dev/pts/"), "{sessions:?}");
    let leader = sessions[0]["pid"].as_i64().unwrap();
    assert_ne!(leader, i64::from(alice.pid()), "the session process leads it");

    let shown = alice.command("alice", "show session");
    assert!(shown.contains("| alice ") && !shown.contains("| bob "), "{shown}");
    for command in ["show user bob", "configure user bob", "clear sessions bob", "status"] {
        let said = alice.command("alice", command);
        assert!(said.contains("only root and the members of admin_groups"), "{command}: {said}");
    }
    // The id of another user's session is one that there is not.
    let id = world.results(&["show", "session", "bob"])[0]["id"].to_string();
    let said = alice.command("alice", &format!("clear session {id}"));
    assert!(said.contains("there is none"), "{said}");
    assert!(alice.command("alice", "help").contains("show session"));
    alice.send("show us\t\t");
    alice.expect("useractivity");
    alice.line("activity");
    alice.expect("| concurrent_sessions ");
    alice.expect_prompt("alice");
    alice.line("exit");
    alice.wait_for_code(0);
    assert!(world.results(&["show", "session", "alice"]).is_empty(), "closed before it exits");
    assert!(bob.command("bob", "show session").contains("| bob "));
}

#[test]
fn a_user_may_log_in_as_another_one_and_has_those_rights() {
    let Some(world) = served() else { return };
    let mut pty = prompt_of(&world, ALICE, "admin");
    pty.line("configure user bob");
    pty.expect("user> ");
    pty.line("user_profile_ref Default-User-Account-Profile");
    pty.expect("user> ");
    pty.line("save");
    pty.expect_prompt("admin");
    assert!(world.configuration().contains("username = \"bob\""), "{}", world.configuration());
    // What was changed meanwhile is not overwritten, and the draft goes on from it.
    pty.line("configure useraccountprofile New max_concurrent_sessions 3");
    pty.expect_prompt("admin");
    pty.line("configure useraccountprofile New");
    pty.expect("useraccountprofile> ");
    let _ = world.ok(&["configure", "useraccountprofile", "New", "max_concurrent_sessions", "9"]);
    pty.line("account_lock_timeout 7");
    pty.expect("useraccountprofile> ");
    pty.line("save");
    pty.expect("changed since it was read; nothing was saved");
    pty.expect("| max_concurrent_sessions | 3   | 9  |");
    pty.line("save");
    pty.expect_prompt("admin");
    let profile = world.results(&["show", "useraccountprofile", "New"]);
    assert_eq!(profile[0]["max_concurrent_sessions"], 9);
    assert_eq!(profile[0]["account_lock_timeout"], 7);
    // A field that is taken away arrives as well as one that is set.
    for (change, expected) in [("on_limit log", "\"log\""), ("no on_limit", "null")] {
        pty.line("configure useraccountprofile New");
        pty.expect("useraccountprofile> ");
        pty.line(change);
        pty.expect("useraccountprofile> ");
        pty.line("save");
        pty.expect_prompt("admin");
        let profile = world.results(&["show", "useraccountprofile", "New"]);
        assert_eq!(profile[0]["on_limit"].to_string(), expected);
    }
    assert!(pty.command("admin", "status").contains("| verdict "));
    assert!(pty.command("admin", "explain alice").contains("| next_login "));
    assert!(pty.command("admin", "export limits").contains("maxlogins"));
}

#[test]
fn one_command_asks_for_the_password_and_no_more() {
    let Some(world) = served() else { return };
    let _bob = prompt_of(&world, BOB, "bob");
    let (code, shown) = one_shot(&world, ALICE, &["show", "session"], PASSWORD);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("| alice ") && !shown.contains("bob"), "{shown}");
    assert!(world.results(&["show", "session", "alice"]).is_empty(), "its session is over");
    let (code, shown) = one_shot(&world, ALICE, &["show", "user", "bob"], PASSWORD);
    assert_eq!(
        (code, shown.as_str()),
        (6, "shell: only root and the members of admin_groups may see other users\n")
    );
    let (code, shown) =
        one_shot(&world, ALICE, &["--user", "admin", "show", "session", "bob"], PASSWORD);
    assert!(code == 0 && shown.contains("| bob "), "{code} {shown}");
    let (code, shown) = one_shot(&world, ALICE, &["clear", "sessions"], PASSWORD);
    assert_eq!((code, shown.as_str()), (0, "0 sessions ended.\n"), "the own one is spared");
}

#[test]
fn the_password_is_asked_for_on_the_terminal_where_input_and_output_are_files() {
    let Some(world) = served() else { return };
    let shell = world.path("shell");
    let (script, answers) = (world.path("script"), world.path("answers"));
    fs::write(&script, "show user\nshow session\nshow nothing\nshow user\n").unwrap();
    fs::write(&answers, "").unwrap();
    fs::set_permissions(&answers, fs::Permissions::from_mode(0o666)).unwrap();
    let line = format!("{} -o json <{} >{}", shell.display(), script.display(), answers.display());
    let uid = ALICE.to_string();
    let words = ["setsid", "-w", "-c", "setpriv", "--reuid", &uid, "--regid", &uid];
    let command = world.command(&[&words[..], &["--clear-groups", "sh", "-c", &line]].concat());
    let mut pty = Pty::start_for(command, ALICE);
    pty.expect("Password: ");
    assert!(!pty.echoes());
    pty.line(PASSWORD);
    pty.wait_for_code(2);
    pty.expect("line 3: ");
    assert!(pty.is_restored());
    let text = fs::read_to_string(answers).unwrap();
    let kinds: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].to_string())
        .collect();
    assert_eq!(kinds, ["\"user\"", "\"session\""], "{text}");
}

#[test]
fn without_a_terminal_the_question_cannot_be_answered_and_that_is_said() {
    let Some(world) = served() else { return };
    let output = without_terminal(&world, ALICE, &["show", "session"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said, "shell: the login asks a question, which needs a terminal (ssh -t)\n");
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn files_are_read_with_the_rights_of_who_runs_it() {
    let Some(world) = served() else { return };
    let file = |name: &str, mode, uid| {
        let path = world.path(name);
        fs::write(&path, "carol hard maxlogins 4\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (own, roots) = (file("own", 0o600, ALICE), file("roots", 0o600, 0));
    let import = |path: &str| {
        one_shot(&world, ALICE, &["--user", "admin", "import", "limits", path], PASSWORD)
    };
    let (code, shown) = import(&own);
    assert!(code == 0 && shown.contains("user carol: Limits-4"), "{code} {shown}");
    let (code, shown) = import(&roots);
    assert!(code == 1 && shown.contains("cannot be read: Permission denied"), "{code} {shown}");
    let (code, shown) = one_shot(&world, ALICE, &["import", "limits", &own], PASSWORD);
    assert!(code == 6 && shown.contains("only root and the members of"), "{code} {shown}");
}

#[test]
fn what_only_root_may_name_is_refused() {
    let Some(world) = served() else { return };
    for option in ["--config", "--state"] {
        let file = "/etc/session-limit/config.toml";
        let output = without_terminal(&world, ALICE, &[option, file, "show", "user"]);
        assert_eq!(output.status.code(), Some(6), "{option}: {output:?}");
    }
    // Needs no rights but those of the process.
    assert!(without_terminal(&world, ALICE, &["--check-config"]).status.success());
}

#[test]
fn at_the_limit_the_advice_of_the_warning_lets_the_user_in() {
    let Some(world) = served() else { return };
    world.configure(&limit(2));
    let mut first = prompt_of(&world, ALICE, "alice");
    let _second = prompt_of(&world, ALICE, "alice");
    let before = world.holders("alice");
    let mut third = pty_of(&world, ALICE, &[]);
    third.log_in("alice", PASSWORD);
    third.wait_for_code(3);
    third.expect(WARNING);
    let (code, shown) = one_shot(&world, ALICE, &["show", "session"], PASSWORD);
    assert_eq!(code, 3, "{shown}");
    assert_eq!(shown, plain(WARNING));

    let mut third = pty_of(&world, ALICE, &["--clear-sessions"]);
    third.log_in("alice", PASSWORD);
    third.expect_prompt("alice");
    let now = world.holders("alice");
    assert!(now.len() == 1 && !before.contains(&now[0]), "{before:?} {now:?}");
    // The user who was cleared sees nothing, and the next command runs as if nothing had happened.
    assert_eq!(first.command("alice", "show session | grep open | wc -l"), "2\n");
    assert_eq!(world.holders("alice").len(), 2);
    assert_eq!(first.screen().matches("Password: ").count(), 1);
}

#[test]
fn a_changed_password_is_asked_for_again() {
    let Some(world) = served() else { return };
    let mut pty = prompt_of(&world, ALICE, "alice");
    world.change_password();
    world.end_session("alice", "TERM");
    pty.line("show session");
    pty.expect("Login incorrect");
    pty.log_in("alice", OTHER_PASSWORD);
    pty.expect_prompt("alice");
}

#[test]
fn a_wrong_password_is_told_late_and_asked_for_three_times() {
    let Some(world) = served() else { return };
    // The stack of this world asks for no delay.
    let began = Instant::now();
    let mut pty = pty_of(&world, ALICE, &[]);
    for _ in 0..3 {
        pty.log_in("bob", "wrong");
        pty.expect("Login incorrect\r\n");
    }
    pty.wait_for_code(4);
    // libpam varies each delay of 2 s by up to a half.
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_killed_client_takes_its_session_along() {
    let Some(world) = served() else { return };
    let client = |pty: &Pty| {
        // setsid -w waits for it.
        let children =
            fs::read_to_string(format!("/proc/{0}/task/{0}/children", pty.pid())).unwrap();
        children.split_whitespace().next().map_or(pty.pid(), |pid| pid.parse().unwrap())
    };
    let pty = prompt_of(&world, ALICE, "alice");
    assert_eq!(world.holders("alice").len(), 1);
    kill(client(&pty), "KILL");
    eventually("the session is over", || world.results(&["show", "session", "alice"]).is_empty());

    // The other way round: the row is stale, and the next command opens a session.
    let mut pty = prompt_of(&world, ALICE, "alice");
    world.end_session("alice", "KILL");
    assert_eq!(world.results(&["show", "session", "alice"])[0]["state"], "stale");
    assert!(pty.command("alice", "show user | grep concurrent").contains("| 1 "));

    // A client that is stopped, in the middle of a login or after it, holds nothing that others wait for.
    kill(client(&pty), "STOP");
    let mut asked = pty_of(&world, ALICE, &[]);
    asked.expect("Login: ");
    kill(client(&asked), "STOP");
    let began = Instant::now();
    let (code, shown) = one_shot(&world, BOB, &["show", "session"], PASSWORD);
    assert!(code == 0 && began.elapsed() < Duration::from_secs(10), "{code} {shown}");
    assert_eq!(world.ok(&["clear", "sessions", "alice"]), "1 session ended.\n");
    kill(client(&pty), "CONT");
    assert!(pty.command("alice", "show user | grep concurrent").contains("| 1 "));
}

#[test]
fn connections_beyond_those_of_a_user_are_turned_away_and_keep_no_other_user_out() {
    let Some(world) = served() else { return };
    // The ids that a user has in a user namespace are no users.
    let said = without_terminal(&world, 100_000, &["show", "session"]);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said, "shell: the login failed: the user id 100000 is not known to this host\n");
    let path = world.path(SOCKET);
    let mut many = hold_connections(&path, ALICE, 1000);
    let mut answers = String::new();
    many.stdout.as_mut().unwrap().read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("16 of your logins").count(), 984, "{answers}");
    let mut alice = pty_of(&world, ALICE, &["show", "session"]);
    alice.wait_for_code(4);
    alice.expect(
        "16 of your logins through shell are open or being tried, which is the most; end one first",
    );
    let (code, shown) = one_shot(&world, BOB, &["show", "session"], PASSWORD);
    assert!(code == 0 && shown.contains("| bob "), "{code} {shown}");
    many.kill().unwrap();
    many.wait().unwrap();
    eventually("the slots are free", || {
        let (code, _) = one_shot(&world, ALICE, &["show", "session"], PASSWORD);
        code == 0
    });
}

/// Starts a process of a user that holds connections and prints what it hears on them; its output ends when all
/// that are turned away have been told so.
fn hold_connections(path: &std::path::Path, uid: u32, count: u32) -> std::process::Child {
    let program = r#"
        use Socket; my ($path, $count) = @ARGV; my (@all, $said);
        for (1 .. $count) {
            socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die; connect($s, sockaddr_un($path)) or die "connect: $!";
            push @all, $s;
        }
        my $end = time + 50;
        while ($said < $count - 16 and time < $end) {
            my $ready = ""; vec($ready, fileno($_), 1) = 1 for @all;
            select($ready, undef, undef, 1);
            for my $s (@all) {
                next unless $s and vec($ready, fileno($s), 1);
                recv($s, my $text, 9000, 0); print "$text\n"; $said++; @all = grep { $_ != $s } @all;
            }
        }
        close STDOUT; sleep 60;
    "#;
    Command::new("perl")
        .args(["-e", program])
        .arg(path)
        .arg(count.to_string())
        .uid(uid)
        .gid(uid)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn hostile_packets_end_the_connection_and_nothing_else() {
    let Some(world) = served() else { return };
    let send = |socket: &OwnedFd, packet: &[u8]| rustix::io::write(socket, packet).unwrap();
    // Another version of the protocol is named.
    let socket = connection(&world);
    send(&socket, &[b'L', PROTOCOL + 1, b'{']);
    let Some(HolderMessage::Failed(failure)) = ipc::receive(&socket).unwrap() else {
        panic!("not told")
    };
    let expected = format!(
        "it speaks version {} of the protocol, the installed session program version {PROTOCOL}; exit, and start \
         the installed shell",
        PROTOCOL + 1
    );
    assert_eq!(failure.text, expected);
    // A login of the service, with whatever address it likes; nonsense; too much; nothing.
    let socket = connection(&world);
    let service = "session-limitd".to_owned();
    ipc::send_start(&socket, &LoginStart { service, ..LoginStart::default() }).unwrap();
    assert!(is_over(&socket));
    for packet in [&b"C"[..], b"N", b"x", b"L", &[b'L', PROTOCOL, 0xff], &[b' '; 60_000]] {
        let socket = connection(&world);
        send(&socket, packet);
        assert!(is_over(&socket), "{:?}", &packet[..packet.len().min(4)]);
    }
    let silent = connection(&world);

    // After the login: a call that is none, and a password that does not fit, are not cut to something else.
    let socket = connection(&world);
    send_login(&socket, &LocalLogin { user: Some("alice".to_owned()), clear_sessions: false })
        .unwrap();
    assert!(matches!(ipc::receive(&socket), Ok(Some(HolderMessage::Message(1, _)))));
    send(&socket, &[&b"A"[..], PASSWORD.as_bytes(), &[0], &[b'x'; 600]].concat());
    assert!(matches!(ipc::receive(&socket), Ok(Some(HolderMessage::Failed(_)))));
    let socket = connection(&world);
    send_login(&socket, &LocalLogin { user: Some("alice".to_owned()), clear_sessions: false })
        .unwrap();
    assert!(matches!(ipc::receive(&socket), Ok(Some(HolderMessage::Message(1, _)))));
    send(&socket, &[b"A", PASSWORD.as_bytes()].concat());
    assert_eq!(ipc::receive(&socket).unwrap(), Some(HolderMessage::Authenticated));
    assert_eq!(ipc::receive(&socket).unwrap(), Some(HolderMessage::Opened("alice".to_owned())));
    assert_eq!(world.holders("alice").len(), 1);
    // Another user's login on the same connection.
    send_login(&socket, &LocalLogin { user: Some("root".to_owned()), clear_sessions: false })
        .unwrap();
    assert!(is_over(&socket));
    eventually("the session is over", || world.holders("alice").is_empty());
    assert!(
        hears_something(&silent, 15) && is_over(&silent),
        "who says nothing is waited for 10 s"
    );
}

#[test]
fn without_the_socket_one_line_says_what_to_do() {
    let Some(world) = World::new() else { return };
    world.configure("");
    testkit::copy_program(SHELL, world.path("shell"));
    let expected = "shell: /run/session-limit-shell.sock: No such file or directory; root starts it by \
        `systemctl start session-limit-shell.socket`, or runs `sudo shell`\n";
    let output = without_terminal(&world, ALICE, &["show", "session"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(5));
    let mut pty = pty_of(&world, ALICE, &["--clear-sessions"]);
    pty.wait_for_code(5);
    pty.expect(&expected.replace('\n', "\r\n"));
}
