//! Clients of the original product, unmodified.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::world::{PASSWORD, World};

/// The version that this is shown with.
const CLIENT: &str = "avisdk==32.1.4";

/// Returns the Python that has the client, installed once for a build directory. Nothing where it cannot be had:
/// that is said aloud.
fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("avisdk");
        let python = directory.join("bin/python");
        let works = || {
            Command::new(&python)
                .args(["-c", "import avi.sdk.avi_api"])
                .output()
                .is_ok_and(|o| o.status.success())
        };
        if !works() {
            let _ = Command::new("python3").args(["-m", "venv"]).arg(&directory).output();
            let _ =
                Command::new(&python).args(["-m", "pip", "install", "--quiet", CLIENT]).output();
        }
        if works() {
            return Some(python);
        }
        eprintln!("SKIPPED: {CLIENT} cannot be had from PyPI, or python3 has no venv");
        None
    };
    PYTHON.get_or_init(find).clone()
}

fn run(world: &World, script: &str) -> String {
    let Some(python) = python() else { return "SKIPPED".to_owned() };
    let start = format!(
        "import sys, warnings\nwarnings.simplefilter('ignore')\nimport logging\nlogging.disable(logging.CRITICAL)\nfrom avi.sdk.avi_api import ApiSession, APIError, ObjectNotFound\nPORT = {}\nPASSWORD = '{PASSWORD}'\nCERTIFICATE = '{}'\ndef session(user, password=PASSWORD):\n    return ApiSession('127.0.0.1', user, password, port=PORT, tenant='admin', verify=CERTIFICATE)\n",
        world.port(),
        world.path("lib/session-limitd/self-signed.pem").display()
    );
    // requests takes the certificates to trust from the environment first.
    let output = Command::new(python)
        .args(["-c", &format!("{start}{script}")])
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_python_client_works_on_objects_over_tls() {
    let Some(world) = World::new() else { return };
    let _service = world.serve();
    let text = run(
        &world,
        r"
api = session('admin')
for n in range(3):
    r = api.post('useraccountprofile', data={'name': 'P%d' % n, 'max_concurrent_sessions': n})
    assert r.status_code == 201, (r.status_code, r.text)
names = [o['name'] for o in api.get_objects_iter('useraccountprofile', params={'page_size': 2})]
assert sorted(names) == ['Default-User-Account-Profile', 'P0', 'P1', 'P2'], names
p = api.get_object_by_name('useraccountprofile', 'P1')
p['max_concurrent_sessions'] = 7
r = api.put('useraccountprofile/' + p['uuid'], data=p)
assert r.status_code == 200 and r.json()['max_concurrent_sessions'] == 7, r.text
r = api.put_by_name('useraccountprofile', 'P1', data=dict(name='P1', max_concurrent_sessions=8))
assert r.status_code == 200 and r.json()['max_concurrent_sessions'] == 8, r.text
r = api.patch('useraccountprofile/' + p['uuid'], data={'replace': {'max_concurrent_sessions': 9}})
assert r.status_code == 200 and r.json()['max_concurrent_sessions'] == 9, r.text
r = api.put('useraccountprofile/' + p['uuid'], data=p)
assert r.status_code == 412, r.status_code
assert api.delete_by_name('useraccountprofile', 'P2').status_code == 204
assert api.get('useractivity').json()['count'] >= 1
assert api.get('usersession').json()['results'][0]['name'] == 'admin'
assert api.get('nothing').status_code == 404
print('done')
",
    );
    assert!(text == "SKIPPED" || text.ends_with("done\n"), "{text}");
}

#[test]
fn the_python_client_meets_wrong_passwords_the_limit_and_a_clear() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let _service = world.serve();
    let text = run(
        &world,
        r"
def fails(status, user, password=PASSWORD):
    try:
        session(user, password)
    except APIError as e:
        assert 'Status Code %d' % status in str(e), str(e)
        return str(e)
    raise SystemExit('let in')
fails(401, 'alice', 'wrong')
alice = session('alice')
assert alice.get('useraccount').json()['username'] == 'alice'
text = fails(403, 'alice')
assert 'WARNING: Maximum concurrent session count has been reached.' in text, text
assert 'shell --clear-sessions' in text, text
admin = session('admin')
r = admin.post('usersession/clear', data={'username': 'alice'})
assert r.status_code == 200 and r.json()['ended'] == 1, r.text
# Below the limit the client logs in again by itself.
assert alice.get('useraccount').json()['username'] == 'alice'
assert admin.get('usersession', params={'name': 'alice'}).json()['count'] == 1
print('done')
",
    );
    assert!(text == "SKIPPED" || text.ends_with("done\n"), "{text}");
}

#[test]
fn the_python_client_fails_where_another_login_has_taken_the_slot() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    let port = world.port();
    let script = format!(
        r"
import json, ssl, urllib.request
alice = session('alice')
assert alice.get('useraccount').status_code == 200
body = json.dumps(dict(username='alice', password=PASSWORD, clear_sessions=True)).encode()
request = urllib.request.Request('https://127.0.0.1:{port}/login', body, {{'Content-Type': 'application/json'}})
assert urllib.request.urlopen(request, context=ssl.create_default_context(cafile=CERTIFICATE)).status == 200
try:
    alice.get('useraccount')
except APIError as e:
    assert 'Status Code 403' in str(e), str(e)
    print('done')
"
    );
    let text = run(&world, &script);
    assert!(text == "SKIPPED" || text.ends_with("done\n"), "{text}");
    drop(service);
}
