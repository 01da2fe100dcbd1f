//! systemd, logind and the user manager beside the module.

use crate::host::Host;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("systemd":
    at_limit_one_the_user_manager_starts_and_is_not_counted,
    a_lingering_user_holds_no_slot,
    loginctl_terminate_user_frees_the_slot,
    a_refusal_leaves_no_logind_session_behind,
    open_sessions_stay_counted_over_a_restart_of_ssh,
    open_sessions_stay_counted_over_a_stop_of_ssh,
    open_sessions_stay_counted_over_a_restart_of_logind,
    a_socket_activated_sshd_counts_the_same,
);

fn at_limit_one_the_user_manager_starts_and_is_not_counted(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask("systemctl --user is-system-running --wait", "running");
    only.ask("systemd-run --user --wait --quiet true && echo unit-$((40 + 2))", "unit-42");
    assert_eq!(host.recorded("alice"), 1);
    host.ssh("alice").is_refused();
    "user manager running, 1 recorded".to_owned()
}

fn a_lingering_user_holds_no_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    host.run("loginctl enable-linger alice").ok();
    until("the manager of the lingering user is up", seconds(10), || {
        host.run("systemctl is-active user@$(id -u alice)").status == 0
    });
    let only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    only.log_out().ok();
    host.until_admitted("alice", seconds(5));
    assert_eq!(host.ok("systemctl is-active user@$(id -u alice)"), "active");
    "manager up without a login, 1 of 1 free".to_owned()
}

fn loginctl_terminate_user_frees_the_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    host.run("loginctl terminate-user alice").ok();
    let closed = only.sees_its_connection_close(seconds(10));
    let took = host.until_admitted("alice", seconds(5));
    format!(
        "client closed after {:.1} s, next login {:.1} s later",
        closed.as_secs_f64(),
        took.as_secs_f64()
    )
}

fn a_refusal_leaves_no_logind_session_behind(host: &mut Host) -> String {
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    for _ in 0..5 {
        host.ssh("alice").is_refused();
    }
    let count = "loginctl list-sessions --no-legend | grep -c 'alice.*pts\\|alice' || true";
    // The manager's own session, where logind lists it, is no login.
    let listed =
        host.ok("loginctl list-sessions --no-legend | grep alice | grep -v manager | wc -l");
    assert_eq!(listed, "1", "{}", host.ok(count));
    only.log_out().ok();
    until("logind lists no session of alice", seconds(10), || {
        host.ok("loginctl list-sessions --no-legend | grep alice | grep -v manager | wc -l") == "0"
    });
    "5 refused, 1 listed".to_owned()
}

/// The session survives what happens to the service, still counts, and its end is noticed.
fn stays_counted_over(host: &Host, script: &str) -> String {
    host.limit("alice", 2);
    let (mut first, second) = (host.ssh("alice").log_in(), host.ssh("alice").log_in());
    host.run(script).ok();
    assert!(first.is_running(), "the session survives `{script}`");
    until("sshd answers", seconds(10), || host.ssh("bob").run("true").status == 0);
    host.ssh("alice").is_refused();
    second.log_out().ok();
    let took = host.until_admitted("alice", seconds(5));
    let _second = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    format!("2 of 2 before and after; a logout then frees in {:.1} s", took.as_secs_f64())
}

fn open_sessions_stay_counted_over_a_restart_of_ssh(host: &mut Host) -> String {
    stays_counted_over(host, "systemctl restart ssh")
}

fn open_sessions_stay_counted_over_a_stop_of_ssh(host: &mut Host) -> String {
    stays_counted_over(host, "systemctl stop ssh && sleep 1 && systemctl start ssh")
}

fn open_sessions_stay_counted_over_a_restart_of_logind(host: &mut Host) -> String {
    stays_counted_over(host, "systemctl restart systemd-logind")
}

fn a_socket_activated_sshd_counts_the_same(host: &mut Host) -> String {
    host.run("systemctl stop ssh && systemctl start ssh.socket").ok();
    host.limit("alice", 2);
    let _by_key = host.ssh("alice").log_in();
    let by_keyboard = host.ssh("alice").by_keyboard();
    let second = by_keyboard.log_in();
    host.ssh("alice").is_refused();
    by_keyboard.is_refused();
    second.log_out().ok();
    let took = host.until_admitted("alice", seconds(5));
    host.run("systemctl stop ssh.socket ssh; systemctl start ssh").ok();
    format!("2 of 2, free {:.1} s after a logout", took.as_secs_f64())
}
