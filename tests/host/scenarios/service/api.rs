//! Clients of the API on a whole host: that of the original product, unmodified, and many at once.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::units::{START, STOP, call};
use crate::client::Client;
use crate::host::Host;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("api":
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
    host.run(STOP).ok();
    until("every login is gone", seconds(10), || host.recorded("alice") == 0);
    format!("{} by ssh and {by_api} through the API, of {EACH} each", by_ssh.len())
}
