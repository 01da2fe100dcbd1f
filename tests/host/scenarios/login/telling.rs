//! What users are told about their sessions: when they are refused, when they take the last slot, and when one
//! is ended.

use std::time::Instant;

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("told":
    by_key_and_password_the_sessions_are_told_and_the_output_stays_clean,
    by_keyboard_interactive_and_before_the_last_factor_no_session_is_told,
    on_a_console_of_20_columns_the_sessions_are_told,
    hostile_text_reaches_no_terminal,
    of_two_hundred_sessions_ten_lines_are_told,
    the_last_slot_is_told_on_terminals_only,
    observing_refuses_no_login_and_marks_the_sessions,
    an_ended_session_reads_who_ended_it_and_a_stopped_terminal_delays_no_login,
);

const HINT: &str = "ssh -p 2222 this-host clears your sessions";
const TELL: &str = "tell = \"sessions\"\nhint = \"ssh -p 2222 this-host clears your sessions\"";

fn telling(host: &Host, limit: u32) {
    host.rules(Rules::default().user("alice", limit).policy(TELL));
}

/// Lines about sessions in what a client has shown.
fn told(text: &str) -> Vec<String> {
    let about = text.lines().map(str::trim).filter(|line| line.contains(" since 20"));
    about.map(str::to_owned).collect()
}

fn on_a_terminal(host: &Host) -> Terminal {
    let mut terminal = host.ssh("alice").on_a_terminal(&[]);
    terminal.expect("$").send("echo in-as-$(id -un)").expect("in-as-alice");
    terminal
}

fn by_key_and_password_the_sessions_are_told_and_the_output_stays_clean(host: &mut Host) -> String {
    telling(host, 2);
    let _terminal = on_a_terminal(host);
    let _command = host.ssh("alice").log_in();
    let mut shown = Vec::new();
    for ssh in [host.ssh("alice"), host.ssh("alice").by_password()] {
        let refused = ssh.is_refused();
        shown = told(&refused.stderr);
        assert_eq!(shown.len(), 2, "{refused:#?}");
        assert!(shown[0].starts_with("sshd from 127.0.0.1 on pts/"), "{shown:?}");
        assert!(shown[0].ends_with(" UTC, idle 0 min"), "{shown:?}");
        assert!(shown[1].starts_with("sshd from 127.0.0.1 since "), "{shown:?}");
        assert!(shown[1].ends_with(" UTC"), "no terminal, no idle time: {shown:?}");
        assert!(refused.stderr.contains(HINT), "{refused:#?}");
    }
    for copy in [
        "scp -q -o BatchMode=yes alice@127.0.0.1:/etc/hostname /dev/stdout",
        "echo 'get /etc/hostname /dev/stdout' | sftp -q -b - -o BatchMode=yes alice@127.0.0.1",
    ] {
        let refused = host.run(copy);
        assert_ne!(refused.status, 0, "{copy}");
        assert_eq!(refused.stdout, "", "{copy}: {refused:#?}");
    }
    shown.remove(0)
}

fn by_keyboard_interactive_and_before_the_last_factor_no_session_is_told(
    host: &mut Host,
) -> String {
    telling(host, 1);
    let _only = host.ssh("alice").log_in();
    let refused = host.ssh("alice").by_keyboard().is_refused();
    assert_eq!(told(&refused.stderr), [""; 0], "{refused:#?}");
    assert!(refused.stderr.contains(HINT), "{refused:#?}");
    let mut lines = Vec::new();
    for (order, known) in [
        ("publickey,keyboard-interactive", false),
        ("keyboard-interactive,publickey", false),
        ("publickey,password", true),
        ("password,publickey", true),
    ] {
        host.sshd(&format!("AuthenticationMethods {order}\n"));
        let both = host.ssh("alice").with_password(order, "password-of-alice");
        let refused = both.is_refused();
        assert_eq!(told(&refused.stderr).len(), usize::from(known), "{order}: {refused:#?}");
        lines.push(usize::from(known));
    }
    format!(
        "keyboard-interactive 0 lines; two factors with it {}, with a password {}",
        lines[0], lines[2]
    )
}

fn on_a_console_of_20_columns_the_sessions_are_told(host: &mut Host) -> String {
    telling(host, 1);
    let _only = host.ssh("alice").log_in();
    let mut console = host.console();
    host.ok(&format!("stty -F /dev/pts/{} columns 20", console.number));
    // See the scenarios of the console: what a getty's hangup discards may be what was just written.
    let shown = (0..5).any(|_| {
        console.expect("login:").send("alice").expect("Password:").send("password-of-alice");
        console.shows(HINT, seconds(5))
    });
    assert!(shown, "{}", console.text());
    let text = console.text();
    assert!(text.contains(&WARNING.join("\r\n")), "{text}");
    let lines = told(&text);
    assert!(lines.iter().all(|line| line.starts_with("sshd from 127.0.0.1 since ")), "{text}");
    assert!(!lines.is_empty(), "{text}");
    "whole lines, which the terminal wraps".to_owned()
}

fn hostile_text_reaches_no_terminal(host: &mut Host) -> String {
    telling(host, 1);
    host.write(
        "/etc/pam.d/sshd-hostile",
        "account required pam_session_limit.so\nsession required pam_session_limit.so\n\
         session required pam_exec.so type=open_session /bin/sleep 20\n",
    );
    // An application passes on what it was given; this one stays in the opening for a while.
    let open = host.start(
        "exec pamtester -I rhost=\"$(printf '\\033]0;owned\\007\\n\\342\\200\\256evil')\" \\
         -I tty=\"$(printf 'pts/\\033[2J\\r')\" sshd-hostile alice acct_mgmt open_session",
    );
    until("it is recorded", seconds(10), || host.recorded("alice") == 1);
    let refused = host.ssh("alice").is_refused();
    let shown = told(&refused.stderr);
    assert_eq!(shown.len(), 1, "{refused:#?}");
    assert!(!refused.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{refused:#?}");
    let escaped = "from \\u{1b}]0;owned\\u{7}\\n\\u{202e}evil on pts/\\u{1b}[2J";
    assert!(shown[0].contains(escaped), "{shown:?}");
    drop(open);
    host.run("pkill -x pamtester; rm /etc/pam.d/sshd-hostile");
    shown[0].clone()
}

fn of_two_hundred_sessions_ten_lines_are_told(host: &mut Host) -> String {
    telling(host, 1);
    let _only = host.ssh("alice").log_in();
    // Rows of the same living connection, as if it had been opened two hundred times.
    let columns = host.ok("sqlite3 -readonly /run/session-limit/live-sessions.db \
         \"SELECT group_concat(name) FROM pragma_table_info('session') WHERE name <> 'id'\"");
    host.ok(&format!(
        "sqlite3 /run/session-limit/live-sessions.db \"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL \
         SELECT i + 1 FROM n WHERE i < 199) INSERT INTO session (id, {columns}) \
         SELECT id + i, {columns} FROM session, n WHERE user = 'alice'\""
    ));
    assert_eq!(host.recorded("alice"), 200);
    let begun = Instant::now();
    let refused = host.ssh("alice").is_refused();
    let took = begun.elapsed();
    assert_eq!(told(&refused.stderr).len(), 9, "{refused:#?}");
    assert!(refused.stderr.contains("and 191 more"), "{refused:#?}");
    assert!(took < seconds(3), "{took:?}");
    format!("9 lines and `and 191 more`, refused after {:.2} s", took.as_secs_f64())
}

fn the_last_slot_is_told_on_terminals_only(host: &mut Host) -> String {
    let notice = |limit| {
        host.rules(Rules::default().user("alice", limit).policy("notice = true"));
    };
    notice(1);
    for command in [
        "ssh -o BatchMode=yes alice@127.0.0.1 cat /etc/hostname",
        "ssh -tt -o BatchMode=yes alice@127.0.0.1 cat /etc/hostname | tr -d '\\r'",
        "scp -q -o BatchMode=yes alice@127.0.0.1:/etc/hostname /root/copy && cat /root/copy",
        "scp -O -q -o BatchMode=yes alice@127.0.0.1:/etc/hostname /root/copy && cat /root/copy",
        "echo 'get /etc/hostname /root/copy' | sftp -q -b - -o BatchMode=yes alice@127.0.0.1 >/dev/null && cat /root/copy",
    ] {
        let ended = host.run(command).ok();
        assert_eq!(ended.stdout, host.read("/etc/hostname"), "{command}: {ended:#?}");
        assert!(!ended.stderr.contains("This is session"), "{command}: {ended:#?}");
        until("it is over", seconds(5), || host.recorded("alice") == 0);
    }
    let mut terminal = host.ssh("alice").on_a_terminal(&[]);
    terminal.expect("This is session 1 of 1.").expect("$");
    notice(2);
    let mut console = host.console();
    console.expect("login:").send("alice").expect("Password:").send("password-of-alice");
    console.expect("This is session 2 of 2.").expect("$");
    assert_eq!(terminal.text().matches("This is session").count(), 1);
    "ssh terminal and console; not ssh COMMAND, scp, sftp".to_owned()
}

fn observing_refuses_no_login_and_marks_the_sessions(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).policy("on_limit = \"log\""));
    let _open = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    let line = host.logs(&["session would be refused for user alice: 1 of 1"]);
    let shown = host.ok("shell show session alice");
    assert_eq!(shown.matches("| open, over the limit |").count(), 1, "{shown}");
    let above = host.ok("shell check useraccountprofile limit-of-alice max_concurrent_sessions 1");
    assert!(above.contains("| alice | 2 "), "{above}");
    line.split_once("pam_session_limit").map_or(line.clone(), |(_, text)| text.to_owned())
}

fn an_ended_session_reads_who_ended_it_and_a_stopped_terminal_delays_no_login(
    host: &mut Host,
) -> String {
    host.rules(Rules::default().user("alice", 1).policy("on_limit = \"evict-oldest\""));
    let mut reads = on_a_terminal(host);
    let mut stopped = on_a_terminal(host);
    reads.expect("This session was ended by a new login of alice (service sshd, tty ssh, rhost 127.0.0.1) on 20");
    // Ctrl-S: nothing more can be written to it.
    stopped.send("yes | head -c 100000000").expect("y\r\ny");
    stopped.send("\u{13}");
    let begun = Instant::now();
    let _new = host.ssh("alice").log_in();
    let took = begun.elapsed();
    assert!(took < seconds(5), "{took:?}");
    until("one is recorded", seconds(2), || host.recorded("alice") == 1);
    format!("in after {:.1} s", took.as_secs_f64())
}
