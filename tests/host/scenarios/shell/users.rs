//! The command line in the hands of users who are not root, through the socket as its unit starts it.

use std::time::Instant;

use super::dialogue::{PROMPT, exits, log_in};
use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("shell of users":
    a_refused_user_follows_the_advice_of_the_warning_and_gets_in,
    a_user_without_any_sudo_rule_sees_and_ends_their_own_sessions_only,
    a_thousand_connections_of_one_user_keep_no_other_user_out,
    a_killed_shell_and_a_killed_session_process_leave_no_session_behind,
    a_failed_login_is_told_late_and_logged_with_the_user_who_tried,
    the_session_process_of_an_earlier_version_is_met_with_a_clear_line,
);

fn start(host: &Host) {
    host.run(
        "systemctl daemon-reload && systemctl reset-failed \
         && systemctl stop session-limit-shell.service && systemctl restart session-limit-shell.socket",
    )
    .ok();
}

/// `shell` inside an ssh login of a user, at its first question.
fn shell(host: &Host, user: &str, words: &[&str]) -> Terminal {
    let mut terminal = host.ssh(user).on_a_terminal(&[&["shell"], words].concat());
    terminal.expect("Login: ");
    terminal
}

/// One command of a user in a session that counts for nobody: the test is about what happens in it.
fn one_shot(host: &Host, user: &str, words: &[&str]) -> Terminal {
    let mut all = vec!["runuser", "-u", user, "--", "shell"];
    all.extend(words);
    let mut terminal = Terminal::run(host.machine(), &all);
    terminal.expect("Password: ").send(&format!("password-of-{user}"));
    terminal
}

fn a_refused_user_follows_the_advice_of_the_warning_and_gets_in(host: &mut Host) -> String {
    start(host);
    host.limit("bob", 2);
    let mut around = host.ssh("bob").on_a_terminal(&["bash"]);
    around.expect("$ ");
    let mut forgotten = host.ssh("bob").log_in();
    host.ssh("bob").is_refused();

    // The login around it is spared, and the prompt is part of it.
    around.send("shell --clear-sessions").expect("Login: ");
    log_in(&mut around, "bob").expect(PROMPT);
    let took = forgotten.sees_its_connection_close(seconds(5));
    assert_eq!((host.recorded("bob"), host.connections("bob")), (1, 1));
    host.ssh("bob").is_admitted();
    around.send("show session | grep -c open").expect(PROMPT);
    around.send("exit").expect("$ ").send("exit");
    exits(&mut around);
    until("no session is left", seconds(10), || host.recorded("bob") == 0);

    // Outside of a counted login it is a session of its own.
    host.limit("bob", 1);
    let mut forgotten = host.ssh("bob").log_in();
    let mut from_outside =
        Terminal::run(host.machine(), &["runuser", "-u", "bob", "--", "shell", "--clear-sessions"]);
    from_outside.expect("Login: ");
    log_in(&mut from_outside, "bob").expect(PROMPT);
    forgotten.sees_its_connection_close(seconds(5));
    assert_eq!((host.recorded("bob"), host.connections("bob")), (1, 0));
    host.ssh("bob").is_refused();
    from_outside.send("exit");
    exits(&mut from_outside);
    host.ssh("bob").is_admitted();
    format!("the forgotten session was over after {:.1} s", took.as_secs_f64())
}

fn a_user_without_any_sudo_rule_sees_and_ends_their_own_sessions_only(host: &mut Host) -> String {
    start(host);
    host.rules(Rules::default().user("bob", 3).user("carol", 3));
    assert_ne!(host.run("runuser -u bob -- sudo -n true").status, 0);
    let _carol = host.ssh("carol").log_in();
    let mut other = host.ssh("bob").log_in();
    let mut prompt = shell(host, "bob", &[]);
    // Enter alone is bob.
    prompt.send("").expect("Password: ").send("password-of-bob").expect(PROMPT);
    assert_eq!(host.recorded("bob"), 2, "the prompt is part of the login around it");
    prompt.send("show session").expect("| bob ").expect(PROMPT);
    assert!(!prompt.text().contains("| carol "), "{}", prompt.text());
    prompt.send("clear sessions carol").expect("only root and the members of admin_groups");
    prompt.send("clear sessions").expect("1 session ended, 1 left alone").expect(PROMPT);
    other.sees_its_connection_close(seconds(5));
    assert_eq!((host.recorded("bob"), host.recorded("carol")), (1, 1));

    let mut once = host.ssh("bob").on_a_terminal(&["shell", "show", "session"]);
    once.expect("Password: ").send("password-of-bob").expect("| bob ").expect("sshd");
    exits(&mut once);
    assert!(!once.text().contains("| carol "), "{}", once.text());
    // In a pipe, the answer alone.
    let mut piped = host.ssh("bob").on_a_terminal(&["shell -o json show session > answer"]);
    piped.expect("Password: ").send("password-of-bob");
    exits(&mut piped);
    let answer = host.read("/home/bob/answer");
    assert!(answer.starts_with("{\"count\":2,"), "{answer}");
    // Whose session process: the store is not the user's to read.
    assert_ne!(host.run("runuser -u bob -- cat /run/session-limit/live-sessions.db").status, 0);
    "2 sessions seen, 1 of them ended, none of another user".to_owned()
}

/// Connects COUNT times, holds what is held, and prints how many are.
const FLOOD: &str = r#"perl -e '
    use Socket; my @all;
    for (1 .. 1000) {
        socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die;
        connect($s, sockaddr_un("/run/session-limit-shell.sock")) or die "connect: $!";
        push @all, $s;
    }
    $| = 1; print "connected\n"; sleep 60'"#;

fn a_thousand_connections_of_one_user_keep_no_other_user_out(host: &mut Host) -> String {
    start(host);
    host.limit("carol", 0);
    host.ok("rm -f /tmp/flood; touch /tmp/flood; chown bob /tmp/flood");
    let began = Instant::now();
    let script = FLOOD.replace('\'', "'\\''");
    host.ok(&format!("systemd-run -q --unit=flood --uid=bob sh -c '{script} >/tmp/flood'"));
    // While they come.
    let mut during = one_shot(host, "carol", &["show", "session"]);
    during.expect("| carol ");
    exits(&mut during);
    let first = began.elapsed();
    until("all are connected", seconds(60), || host.read("/tmp/flood").contains("connected"));
    let began = Instant::now();
    let mut after = one_shot(host, "carol", &["show", "session"]);
    after.expect("| carol ");
    exits(&mut after);
    let second = began.elapsed();
    until("no more are served than a user may have", seconds(30), || {
        host.ok("pgrep -c -f '[s]ession-limit-session --local' || true").parse::<u32>().unwrap()
            <= 16
    });
    assert_eq!(host.ok("systemctl is-active session-limit-shell.socket"), "active");
    host.ok("systemctl stop flood");
    until("nothing is left of them", seconds(30), || {
        host.run("pgrep -f '[s]ession-limit-session --local'").status != 0
    });
    let mut own = one_shot(host, "bob", &["show", "session"]);
    own.expect("| bob ");
    exits(&mut own);
    format!(
        "another user was served in {:.1} s meanwhile, in {:.1} s after",
        first.as_secs_f64(),
        second.as_secs_f64()
    )
}

fn a_killed_shell_and_a_killed_session_process_leave_no_session_behind(host: &mut Host) -> String {
    start(host);
    host.limit("bob", 1);
    let prompt = || {
        let words = ["runuser", "-u", "bob", "--", "shell", "--user", "bob"];
        let mut terminal = Terminal::run(host.machine(), &words);
        terminal.expect("Password: ").send("password-of-bob").expect(PROMPT);
        terminal
    };
    let mut killed = prompt();
    assert_eq!(host.recorded("bob"), 1);
    host.ok("pkill -KILL -u bob -x shell");
    let took = until("the session is over", seconds(5), || host.recorded("bob") == 0);
    exits(&mut killed);

    let mut prompt = prompt();
    host.ok("pkill -KILL -f '[s]ession-limit-session --local'");
    // The limit of 1 holds no slot for what is gone.
    prompt.send("show user | grep concurrent").expect("| 1 ").expect(PROMPT);
    host.ok("systemctl restart session-limit-shell.service");
    prompt.send("show user | grep concurrent").expect("| 1 ").expect(PROMPT);
    prompt.send("exit");
    exits(&mut prompt);
    assert_eq!(host.recorded("bob"), 0);
    format!("over {} ms after the kill", took.as_millis())
}

fn a_failed_login_is_told_late_and_logged_with_the_user_who_tried(host: &mut Host) -> String {
    start(host);
    let uid = host.ok("id -u bob");
    let words = ["runuser", "-u", "bob", "--", "shell", "--user", "carol\u{1b}[2J", "show", "user"];
    let mut hostile = Terminal::run(host.machine(), &words);
    hostile.expect("Password: ").send("x").expect("Login incorrect").expect("Password: ");
    drop(hostile);
    let began = Instant::now();
    let mut terminal = Terminal::run(
        host.machine(),
        &["runuser", "-u", "bob", "--", "shell", "--user", "carol", "show", "user"],
    );
    for _ in 0..3 {
        terminal.expect("Password: ").send("guess").expect("Login incorrect");
    }
    exits(&mut terminal);
    let took = began.elapsed();
    assert!(took.as_secs_f64() > 3.0, "{took:?}");
    host.logs(&["(shell:login): login of carol failed:", &format!("by bob (uid {uid}, pid ")]);
    let log = host.log().join("\n");
    assert!(log.contains("login of carol\\u{1b}[2J failed"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let pam = host.ok("journalctl -q --no-pager --grep='authentication failure.*ruser=bob' -n 1");
    assert!(pam.contains("ruser=bob"), "{pam}");
    format!("three guesses took {:.1} s", took.as_secs_f64())
}

fn the_session_process_of_an_earlier_version_is_met_with_a_clear_line(host: &mut Host) -> String {
    start(host);
    // As an earlier shell asks, whose version of the protocol is another one.
    let said = host.ok(r#"runuser -u bob -- perl -e '
            use Socket; socket(my $s, PF_UNIX, SOCK_SEQPACKET, 0) or die;
            connect($s, sockaddr_un("/run/session-limit-shell.sock")) or die;
            send($s, "L\x00{}", 0); recv($s, my $answer, 9000, 0); print $answer'"#);
    let line = "it speaks version 0 of the protocol, the installed session program version 1; exit, and start \
                the installed shell";
    assert!(said.contains(line), "{said}");

    // A prompt that was open while the program was replaced goes on.
    host.limit("bob", 1);
    let mut prompt = shell(host, "bob", &[]);
    log_in(&mut prompt, "bob").expect(PROMPT);
    host.install_again();
    prompt.send("show user | grep concurrent").expect("| 1 ").expect(PROMPT);

    host.ok("systemctl stop session-limit-shell.socket");
    let stopped = host.run("runuser -u bob -- shell show session");
    assert_eq!(stopped.status, 5, "{stopped:#?}");
    assert!(stopped.stderr.contains("systemctl start session-limit-shell.socket"), "{stopped:#?}");
    // root needs none of it.
    assert_eq!(host.run("shell show session").status, 0);
    // The session of the prompt ended with it; the next command logs in again.
    host.ok("systemctl start session-limit-shell.socket");
    prompt.send("show user | grep concurrent").expect("| 1 ").expect(PROMPT);
    "named, and the prompt goes on".to_owned()
}
