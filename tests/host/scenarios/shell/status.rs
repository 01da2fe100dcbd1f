//! `shell status` and `shell explain` against what really happens on a host.

use crate::host::Host;
use crate::scenario::group;
use crate::scenarios::session::clearing::start_second_sshd;

group!("status":
    status_names_stacks_without_the_lines_and_is_content_once_they_are_enabled,
    status_names_an_sshd_that_does_not_use_pam,
    status_tells_whether_the_second_sshd_would_clear,
    explain_says_what_the_next_login_then_does,
);

/// The line of `shell status` that holds all of these words.
fn line(host: &Host, words: &[&str]) -> String {
    let text = host.run("shell status").stdout;
    let found = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
    found.unwrap_or_else(|| panic!("no line with {words:?} in\n{text}")).to_owned()
}

fn exit_status(host: &Host) -> i32 {
    host.run("shell status").status
}

fn status_names_stacks_without_the_lines_and_is_content_once_they_are_enabled(
    host: &mut Host,
) -> String {
    host.limit("alice", 1);
    host.run("pam-auth-update --disable session-limit").ok();
    for service in ["sshd", "login"] {
        line(host, &["| service ", service, "| problem", "pam-auth-update --enable session-limit"]);
    }
    assert_eq!(exit_status(host), 1);
    // As it says: nothing is limited.
    let _two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    drop(_two);

    host.run("pam-auth-update --enable session-limit").ok();
    for service in ["sshd", "login"] {
        line(host, &["| service ", service, "| ok", "account line /etc/pam.d/common-account:"]);
    }
    line(host, &["| module ", "| ok", "security/pam_session_limit.so is where libpam looks"]);
    line(host, &["| sshd ", "| ok", "uses PAM, as service sshd (asked by sshd -T)"]);
    assert_eq!(exit_status(host), 0, "{}", host.run("shell status").stdout);
    "lines in no stack: problem, 1; enabled: ok, 0".to_owned()
}

fn status_names_an_sshd_that_does_not_use_pam(host: &mut Host) -> String {
    host.limit("alice", 1);
    host.sshd("UsePAM no");
    line(host, &["| sshd ", "| problem", "does not use PAM (asked by sshd -T)"]);
    assert_eq!(exit_status(host), 1);
    // As it says: no login through it is counted.
    let two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    assert_eq!(host.recorded("alice"), 0);
    drop(two);
    host.sshd("UsePAM yes");
    line(host, &["| sshd ", "| ok", "uses PAM"]);
    assert_eq!(exit_status(host), 0);
    "UsePAM no: problem, 1; UsePAM yes: ok, 0".to_owned()
}

fn status_tells_whether_the_second_sshd_would_clear(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 1);
    line(host, &["sshd-clear-sessions", "| ok", "its logins clear, as PAM service"]);
    assert_eq!(exit_status(host), 0);
    host.ok("sed -i 's/ clear_sessions$//' /etc/pam.d/sshd-clear-sessions");
    line(host, &["| sshd ", "sshd-clear-sessions", "| problem", "do not set clear_sessions"]);
    let mut old = host.ssh("alice").log_in();
    host.ssh("alice").port(2222).is_refused();
    assert!(old.is_running());
    host.ok("systemctl stop sshd-clear-sessions; rm /etc/pam.d/sshd-clear-sessions /etc/ssh/sshd_config.clear-sessions /etc/systemd/system/sshd-clear-sessions.service; systemctl daemon-reload");
    assert_eq!(exit_status(host), 0);
    "with the flags: ok; without: problem, and nothing is cleared".to_owned()
}

fn explain_says_what_the_next_login_then_does(host: &mut Host) -> String {
    host.limit("alice", 2);
    let expects = |decision: &str, reason: &str| {
        let text = host.ok("shell explain alice");
        let next = text.lines().find(|line| line.contains("| next_login")).unwrap();
        assert!(next.contains(decision) && text.contains(reason), "{text}");
    };
    expects("admitted", "0 of 2 slots are in use");
    let first = host.ssh("alice").log_in();
    expects("admitted", "1 of 2 slots are in use");
    let _second = host.ssh("alice").log_in();
    expects("refused", "2 of 2 slots are in use");
    host.ssh("alice").is_refused();
    first.log_out().ok();
    expects("admitted", "1 of 2 slots are in use");
    host.ssh("alice").is_admitted();
    "0, 1 and 2 of 2: admitted, admitted, refused; as it then was".to_owned()
}
