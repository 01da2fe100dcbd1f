//! cockpit's login: a caller that takes one line of text, by HTTP.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::wait::{seconds, until};

group!("cockpit":
    a_user_at_the_limit_reads_the_warning,
    what_is_told_is_one_line,
    a_rejected_configuration_locks_no_user_out_of_cockpit,
);

const ADDRESS: &str = "127.0.0.1:9090";

/// Starts cockpit's web server, without TLS.
fn start(host: &Host) {
    host.ok("systemctl stop cockpit.socket cockpit.service 2>/dev/null
         systemctl start cockpit-session.socket 2>/dev/null
         systemd-run --quiet --unit=cockpit-test /usr/lib/cockpit/cockpit-ws --no-tls --port=9090");
    until("cockpit answers", seconds(20), || {
        host.run(&format!("curl -s -o /dev/null http://{ADDRESS}/ping")).status == 0
    });
}

/// Returns the status line and the body of a login's answer.
fn log_in(host: &Host, user: &str) -> String {
    host.ok(&format!("curl -s -i -u {user}:password-of-{user} http://{ADDRESS}/cockpit/login"))
}

fn stop(host: &Host) {
    host.run("systemctl stop cockpit-test; systemctl reset-failed cockpit-test");
}

fn a_user_at_the_limit_reads_the_warning(host: &mut Host) -> String {
    start(host);
    host.rules(Rules::default().user("alice", 1));
    let before = log_in(host, "alice");
    assert!(!before.contains("maximum") && !before.contains("Maximum"), "{before}");
    until("that login is over", seconds(20), || host.recorded("alice") == 0);
    let _only = host.ssh("alice").log_in();
    let refused = log_in(host, "alice");
    let status = refused.lines().next().unwrap_or_default().to_owned();
    assert!(refused.contains(&WARNING.join(" ")), "{refused}");
    assert!(status.contains(" 403 "), "{refused}");
    host.logs(&["(cockpit:account)", "alice", "1 of 1"]);
    stop(host);
    status
}

fn what_is_told_is_one_line(host: &mut Host) -> String {
    start(host);
    let policy = "tell = \"sessions\"\nhint = \"Call 4711.\"";
    host.rules(Rules::default().user("alice", 1).policy(policy));
    let _only = host.ssh("alice").log_in();
    let refused = log_in(host, "alice");
    stop(host);
    let line = refused.lines().find(|line| line.contains(WARNING[0])).unwrap_or_default();
    let start = format!("{}. sshd from 127.0.0.1 since 20", WARNING.join(" "));
    assert!(line.contains(&start) && line.contains(" UTC. Call 4711."), "{refused}");
    "the warning, a session and the hint in one line".to_owned()
}

fn a_rejected_configuration_locks_no_user_out_of_cockpit(host: &mut Host) -> String {
    start(host);
    host.write("/etc/session-limit/config.toml", "[policy]\non_limit = \"never\"\n");
    let answer = log_in(host, "alice");
    let status = answer.lines().next().unwrap_or_default().to_owned();
    assert!(!status.contains(" 403 "), "{answer}");
    host.logs(&["(cockpit:account)", "on_limit"]);
    stop(host);
    status
}
