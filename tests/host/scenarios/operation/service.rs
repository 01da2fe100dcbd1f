//! `session-limitd` as its units start it: a login of the API is a session among the others.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::client::Client;
use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("service":
    a_login_of_the_api_counts_is_refused_and_ends_when_cleared,
    the_front_is_confined_and_no_session_outlives_it,
    a_history_is_kept_and_no_login_needs_it,
    the_python_client_of_the_original_works_on_the_host,
    of_ssh_and_api_logins_at_once_exactly_five_get_in,
);

/// The version of the client that this is shown with.
const CLIENT: &str = "avisdk==32.1.4";
/// Its calls, after which `done` is printed; the address is taken from the environment.
const CALLS: &str = r"
import logging, os, warnings
warnings.simplefilter('ignore')
logging.disable(logging.CRITICAL)
from avi.sdk.avi_api import ApiSession, APIError
def session(user, password=None):
    return ApiSession('127.0.0.1', user, password or 'password-of-' + user, port=8443, tenant='admin',
                      verify=os.environ['CERTIFICATE'])
def fails(status, call):
    try:
        call()
    except APIError as e:
        assert 'Status Code %d' % status in str(e), str(e)
        return str(e)
    raise SystemExit('it did not fail')
api = session('root')
r = api.post('useraccountprofile', data={'name': 'Staff', 'max_concurrent_sessions': 1})
assert r.status_code == 201, (r.status_code, r.text)
names = [o['name'] for o in api.get_objects_iter('useraccountprofile', params={'page_size': 1})]
assert 'Staff' in names and 'Default-User-Account-Profile' in names, names
staff = api.get_object_by_name('useraccountprofile', 'Staff')
staff['account_lock_timeout'] = 7
r = api.put('useraccountprofile/' + staff['uuid'], data=staff)
assert r.status_code == 200 and r.json()['account_lock_timeout'] == 7, r.text
r = api.patch('useraccountprofile/' + staff['uuid'], data={'replace': {'account_lock_timeout': 8}})
assert r.status_code == 200, r.text
r = api.post('user', data={'username': 'alice', 'user_profile_ref': staff['url']})
assert r.status_code == 201, r.text
fails(401, lambda: session('alice', 'wrong'))
alice = session('alice')
assert alice.get('useraccount').json()['max_concurrent_sessions'] == 1
assert 'WARNING: Maximum concurrent session count has been reached.' in fails(403, lambda: session('alice'))
activity = api.get('useractivity', params={'name': 'alice'}).json()['results'][0]
assert activity['concurrent_sessions'] == 1, activity
sessions = api.get('usersession', params={'name': 'alice'}).json()
assert sessions['count'] == 1 and sessions['results'][0]['service'] == 'session-limitd', sessions
r = api.post('usersession/clear', data={'username': 'alice'})
assert r.status_code == 200 and r.json()['ended'] == 1, r.text
assert alice.get('useraccount').json()['username'] == 'alice'
assert api.delete('user/' + activity['uuid'].replace('useractivity', 'user')).status_code == 204
assert api.delete_by_name('useraccountprofile', 'Staff').status_code == 204
print('done')
";

const START: &str = "systemd-sysusers && systemctl daemon-reload \
    && systemctl reset-failed \
    && systemctl restart session-limit-session.socket session-limitd.service";

/// Calls the service from inside the host's network, with this machine's curl; returns status and body.
fn call(host: &Host, arguments: &[&str], path: &str) -> (u16, String) {
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

fn the_front_is_confined_and_no_session_outlives_it(host: &mut Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    let jar = directory.path().join("jar").display().to_string();
    host.limit("alice", 1);
    host.run(START).ok();
    assert_eq!(log_in(host, "alice", &jar).0, 200);
    let analysis = host.run("systemd-analyze security --no-pager session-limitd.service").stdout;
    let last = analysis.lines().last().unwrap_or_default();
    let exposure: f64 = last
        .split("service: ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_else(|| panic!("{analysis}"))
        .parse()
        .unwrap();
    assert!(exposure <= 1.5, "{analysis}");
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
    host.run("systemctl stop session-limitd.service session-limit-session.socket").ok();
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
    host.run("systemctl stop session-limitd.service session-limit-session.socket").ok();
    until("the sampler has ended", seconds(10), || {
        host.run("pgrep -x session-limit-s").status != 0
    });
    host.ok("rm /var/lib/session-limit/history.db");
    host.ssh("alice").is_refused();
    format!("sessions, users, at their limit: {sample}")
}

/// Returns a Python of this machine that has the client, installed once for a build directory.
fn python() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("avisdk");
    let python = directory.join("bin/python");
    let works = || {
        let tried = Command::new(&python).args(["-c", "import avi.sdk.avi_api"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    if !works() {
        let _ = Command::new("python3").args(["-m", "venv"]).arg(&directory).output();
        let _ = Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]).output();
    }
    assert!(works(), "{CLIENT} cannot be had from PyPI, or python3 has no venv");
    python
}

fn the_python_client_of_the_original_works_on_the_host(host: &mut Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    host.run(START).ok();
    until("it answers", seconds(20), || call(host, &[], "/healthz").0 == 200);
    host.ok("echo root:password-of-root | chpasswd");
    let certificate = directory.path().join("ca.pem");
    std::fs::write(&certificate, host.ok("cat /var/lib/session-limitd/self-signed.pem") + "\n")
        .unwrap();
    let output = Command::new("nsenter")
        .args(["-n", "-t", &host.machine().init().to_string()])
        .arg(python())
        .args(["-c", CALLS])
        .env_clear()
        .env("CERTIFICATE", &certificate)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.ends_with("done\n"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    host.ok("passwd -q -l root");
    format!("{CLIENT}, unmodified")
}

fn of_ssh_and_api_logins_at_once_exactly_five_get_in(host: &mut Host) -> String {
    const EACH: usize = 20;
    host.limit("alice", 5);
    host.run(START).ok();
    until("it answers", seconds(20), || call(host, &[], "/healthz").0 == 200);
    let login = || -> Child {
        Command::new("nsenter")
            .args(["-n", "-t", &host.machine().init().to_string()])
            .args(["curl", "-ks", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}"])
            .args(["-d", "username=alice&password=password-of-alice"])
            .arg("https://127.0.0.1:8443/login")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let ssh = host.ssh("alice");
    let (mut clients, mut logins) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        clients.push(ssh.start());
        logins.push(login());
    }
    let mut by_ssh: Vec<Client> = Vec::new();
    for mut client in clients {
        if client.gets_in() {
            by_ssh.push(client);
        }
    }
    let statuses: Vec<String> = logins
        .into_iter()
        .map(|login| String::from_utf8(login.wait_with_output().unwrap().stdout).unwrap())
        .collect();
    let by_api = statuses.iter().filter(|status| *status == "200").count();
    let refused = statuses.iter().filter(|status| *status == "403").count();
    assert_eq!((by_ssh.len() + by_api, refused), (5, EACH - by_api), "{statuses:?}");
    assert_eq!(host.recorded("alice"), 5);
    by_ssh.iter_mut().for_each(Client::kill);
    host.run("systemctl stop session-limitd.service session-limit-session.socket").ok();
    until("every login is gone", seconds(10), || host.recorded("alice") == 0);
    format!("{} by ssh and {by_api} through the API, of {EACH} each", by_ssh.len())
}
