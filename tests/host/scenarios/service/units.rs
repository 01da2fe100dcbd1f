//! `session-limitd` as its units start it: a login of the API is a session among the others.

use std::process::Command;
use std::time::Instant;

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("service":
    a_login_of_the_api_counts_is_refused_and_ends_when_cleared,
    the_front_is_confined_and_no_session_outlives_it,
    a_history_is_kept_and_no_login_needs_it,
);

/// Starts the service.
pub const START: &str = "systemd-sysusers && systemctl daemon-reload \
    && systemctl reset-failed \
    && systemctl restart session-limit-session.socket session-limitd.service";

/// Stops it.
pub const STOP: &str = "systemctl stop session-limitd.service session-limit-session.socket";

/// Calls the service from inside the host's network, with this machine's curl; returns status and body.
pub fn call(host: &Host, arguments: &[&str], path: &str) -> (u16, String) {
    let output = Command::new("nsenter")
        .args(["-n", "-t", &host.machine().init().to_string()])
        .args(["curl", "-ks", "--max-time", "30", "-w", "\n%{http_code}"])
        .args(arguments)
        .arg(format!("https://127.0.0.1:8443{path}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

/// Logs in; the cookies are kept in `jar`.
fn log_in(host: &Host, user: &str, jar: &str) -> (u16, String) {
    let body = format!("username={user}&password=password-of-{user}");
    call(host, &["-c", jar, "-d", &body], "/login")
}

fn own_account(host: &Host, jar: &str) -> u16 {
    call(host, &["-b", jar], "/api/useraccount").0
}

fn a_login_of_the_api_counts_is_refused_and_ends_when_cleared(host: &mut Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    let jar = directory.path().join("jar").display().to_string();
    host.limit("alice", 2);
    host.run(START).ok();
    let (status, body) = log_in(host, "alice", &jar);
    assert_eq!(status, 200, "{body}");
    assert_eq!(own_account(host, &jar), 200);
    let ssh = host.ssh("alice").log_in();
    // sshd and the unit see the same processes and the same boot.
    assert_eq!(host.recorded("alice"), 2, "{}", host.run("shell show session").stdout);
    let (status, body) = log_in(host, "alice", "/dev/null");
    assert_eq!(status, 403);
    assert!(body.contains("WARNING: Maximum concurrent session count has been reached."), "{body}");
    host.ssh("alice").is_refused();
    // The unit's processes are no logins of systemd-logind, and clearing ends nothing else.
    host.run("shell clear sessions alice").ok();
    let began = Instant::now();
    assert_eq!(own_account(host, &jar), 401);
    let took = began.elapsed();
    drop(ssh);
    assert_eq!(host.recorded("alice"), 0);
    assert_eq!(host.ok("systemctl is-active session-limitd.service"), "active");
    let (status, body) = log_in(host, "alice", &jar);
    assert_eq!(status, 200, "{body}");
    format!("2 of 2, 403; 401 after {} ms, curl's start included", took.as_millis())
}

/// Returns the exposure level of a unit, which is `most` at most.
pub fn exposure(host: &Host, unit: &str, most: f64) -> f64 {
    let analysis = host.run(&format!("systemd-analyze security --no-pager {unit}")).stdout;
    let last = analysis.lines().last().unwrap_or_default();
    let exposure = last.split("service: ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let exposure: f64 = exposure.unwrap_or_else(|| panic!("{analysis}")).parse().unwrap();
    assert!(exposure <= most, "{analysis}");
    exposure
}

fn the_front_is_confined_and_no_session_outlives_it(host: &mut Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    let jar = directory.path().join("jar").display().to_string();
    host.limit("alice", 1);
    host.run(START).ok();
    assert_eq!(log_in(host, "alice", &jar).0, 200);
    let exposure = exposure(host, "session-limitd.service", 1.5);
    let user = host.ok("ps -o user= -p $(systemctl show -P MainPID session-limitd.service)");
    assert!(user.starts_with("session-"), "{user}");
    // What it could not read from inside its sandbox either.
    let inside = |path: &str| {
        host.run(&format!(
            "nsenter -m -t $(systemctl show -P MainPID session-limitd.service) \
             setpriv --reuid=session-limit --regid=session-limit --clear-groups cat {path}"
        ))
        .status
    };
    assert_eq!(inside("/etc/passwd"), 0);
    for path in
        ["/etc/session-limit/config.toml", "/etc/shadow", "/run/session-limit/live-sessions.db"]
    {
        assert_ne!(inside(path), 0, "{path}");
    }
    host.run("systemctl kill -s KILL session-limitd.service").ok();
    until("the session of a dead front is over", seconds(10), || host.recorded("alice") == 0);
    until("the front is back", seconds(20), || log_in(host, "alice", &jar).0 == 200);
    assert_eq!(host.recorded("alice"), 1);
    host.run(STOP).ok();
    until("all sessions are over", seconds(10), || host.recorded("alice") == 0);
    format!("systemd-analyze security {exposure}")
}

fn a_history_is_kept_and_no_login_needs_it(host: &mut Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    let jar = directory.path().join("jar").display().to_string();
    host.rules(
        Rules::default().user("alice", 1).policy("admin_groups = [\"admins-of-this-test\"]"),
    );
    host.ok("rm -f /var/lib/session-limit/history.db /run/session-limit/refusals.db*");
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    // A sample counts the refusals of the seconds before it.
    std::thread::sleep(seconds(2));
    host.run(START).ok();
    let rows = |what: &str| {
        host.run(&format!("sqlite3 -readonly /var/lib/session-limit/history.db 'SELECT {what}'"))
            .stdout
    };
    until("a sample is taken", seconds(20), || rows("count(*) FROM sample").trim() == "1");
    let sample = rows("sessions, users, users_at_limit FROM sample").trim().to_owned();
    assert!(sample.ends_with("|1"), "alice is at the limit: {sample}");
    assert_eq!(rows("sum(logins) FROM refusal").trim(), "1");
    let mode = host.ok("stat -c '%U %a' /var/lib/session-limit/history.db");
    assert_eq!(mode.trim(), "root 600");
    // One process for all samples; no login waits for it, and users may not see others.
    host.run("pkill -STOP -x session-limit-s").ok();
    let _bob = host.ssh("bob").log_in();
    host.run("pkill -CONT -x session-limit-s").ok();
    assert_eq!(log_in(host, "bob", &jar).0, 200);
    assert_eq!(call(host, &["-b", &jar], "/api/history").0, 403);
    let (status, own) = call(host, &["-b", &jar], "/api/refusal");
    assert_eq!(status, 200);
    assert!(own.starts_with("{\"count\":0,"), "{own}");
    host.run(STOP).ok();
    until("the sampler has ended", seconds(10), || {
        host.run("pgrep -x session-limit-s").status != 0
    });
    host.ok("rm /var/lib/session-limit/history.db");
    host.ssh("alice").is_refused();
    format!("sessions, users, at their limit: {sample}")
}
