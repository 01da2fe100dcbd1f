//! What is kept of refused logins, and what their users read in callers of other kinds.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("refusals":
    every_refused_login_is_listed_with_what_held_the_slots,
    a_file_of_refusals_that_is_damaged_or_missing_changes_no_login,
    a_user_refused_by_shell_is_told_their_sessions,
    a_hostile_user_name_reaches_no_terminal_and_forges_no_line,
);

fn every_refused_login_is_listed_with_what_held_the_slots(host: &mut Host) -> String {
    host.run("rm -f /run/session-limit/refusals.db*");
    host.rules(Rules::default().user("alice", 1).user("bob", 1));
    let _alice = host.ssh("alice").log_in();
    let _bob = host.ssh("bob").log_in();
    assert_eq!(host.run("test -e /run/session-limit/refusals.db").status, 1, "none was refused");
    host.ssh("alice").is_refused();
    host.ssh("alice").by_password().is_refused();
    host.ssh("alice").by_keyboard().is_refused();
    host.ssh("bob").is_refused();
    let shown = host.ok("shell show refusal alice");
    let lines = shown.lines().filter(|line| line.contains("| alice ")).count();
    assert_eq!(lines, 3, "{shown}");
    assert_eq!(shown.matches("| 1 sshd from 127.0.0.1 | refused |").count(), 3, "{shown}");
    let all = host.ok("shell -o json show refusal");
    assert!(all.starts_with("{\"count\":4,"), "{all}");
    // bob sees their own only.
    host.write("/etc/sudoers.d/shell", "bob ALL=(root) NOPASSWD: /usr/bin/shell\n");
    host.ok("chmod 0440 /etc/sudoers.d/shell");
    let own = host.ok("runuser -u bob -- sudo -n shell show refusal");
    assert!(own.contains("| bob ") && !own.contains("alice"), "{own}");
    host.ok("rm /etc/sudoers.d/shell");
    let mode = host.ok("stat -c '%U %a' /run/session-limit/refusals.db");
    assert_eq!(mode.trim(), "root 600");
    let check = host.ok("shell check useraccountprofile limit-of-alice max_concurrent_sessions 1");
    assert!(check.contains("| alice | 1        | 0        | 3               |"), "{check}");
    "key, password, keyboard-interactive: 3 of alice, 1 of bob".to_owned()
}

fn a_file_of_refusals_that_is_damaged_or_missing_changes_no_login(host: &mut Host) -> String {
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    host.ok("head -c 8192 /dev/urandom >/run/session-limit/refusals.db");
    host.ssh("alice").is_refused();
    host.logs(&["refusals.db", "the refusals so far are lost"]);
    assert_eq!(host.ok("shell show refusal alice").matches("| alice ").count(), 1);
    host.ok("rm /run/session-limit/refusals.db && mkdir /run/session-limit/refusals.db");
    host.ssh("alice").is_refused();
    host.logs(&["the refusal is not recorded", "is not a regular file"]);
    drop(only.log_out());
    until("the slot is free", seconds(5), || host.recorded("alice") == 0);
    host.ssh("alice").is_admitted();
    host.ok("rmdir /run/session-limit/refusals.db");
    "begun again once; a line in the log; refused and let in as ever".to_owned()
}

fn a_user_refused_by_shell_is_told_their_sessions(host: &mut Host) -> String {
    let policy = "tell = \"sessions\"\nhint = \"Call 4711.\"";
    host.rules(Rules::default().user("alice", 1).policy(policy));
    let _only = host.ssh("alice").log_in();
    let mut shell = Terminal::run(host.machine(), &["shell"]);
    shell.expect("Login: ").send("alice").expect("Password: ").send("password-of-alice");
    shell.expect(WARNING[0]).expect(WARNING[1]).expect("sshd from 127.0.0.1 since 20");
    shell.expect("Call 4711.");
    until("the program ends", seconds(20), || !shell.is_running());
    "the warning, a line for the session, the hint".to_owned()
}

fn a_hostile_user_name_reaches_no_terminal_and_forges_no_line(host: &mut Host) -> String {
    host.ok("cp /etc/passwd /root/passwd; cp /etc/group /root/group");
    host.write(
        "/etc/pam.d/sshd-hostile",
        "account required pam_session_limit.so\nsession required pam_session_limit.so\n\
         session required pam_exec.so type=open_session /bin/sleep 20\n",
    );
    host.rules(Rules::default().group("hostile", 1).policy("tell = \"sessions\""));
    host.ok("printf 'ev\\033]0;il\\342\\200\\256:x:4711:4711::/:/bin/sh\\n' >>/etc/passwd; echo hostile:x:4711: >>/etc/group");
    let log_in =
        "pamtester sshd-hostile \"$(printf 'ev\\033]0;il\\342\\200\\256')\" acct_mgmt open_session";
    let open = host.start(&format!("exec {log_in}"));
    let escaped = "ev\\u{1b}]0;il\\u{202e}";
    until("it is recorded", seconds(10), || host.ok("shell show session").contains(escaped));
    let refused = host.run(log_in);
    assert_ne!(refused.status, 0, "{refused:#?}");
    assert!(
        refused.stderr.contains(WARNING[0]) || refused.stdout.contains(WARNING[0]),
        "{refused:#?}"
    );
    let line = host.logs(&["session refused for user", escaped]);
    let shown = host.ok("shell show refusal");
    assert!(shown.contains(escaped), "{shown}");
    for text in [&refused.stderr, &shown, &line] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
    drop(open);
    host.run("pkill -x pamtester; cat /root/passwd >/etc/passwd; cat /root/group >/etc/group; rm /etc/pam.d/sshd-hostile");
    escaped.to_owned()
}
