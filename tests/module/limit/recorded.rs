//! The logins that found no slot are written down; those that found one never touch that file.

use std::fs;
use std::time::{Duration, Instant};

use session_limit_core::model::refusal::Refusal;
use session_limit_core::refusals::Refusals;
use session_limit_core::store::secure_file::with_suffix;
use session_limit_core::store::{Lock, Store};
use session_limit_core::system::file_lock;
use testkit::{Host, Stack, code, default_limit};

use crate::{alone, host};

fn recorded(host: &Host) -> Vec<Refusal> {
    let all = Refusals::beside(&host.state()).read(None).unwrap();
    all.into_iter().rev().map(|recorded| recorded.refusal).collect()
}

#[test]
fn each_phase_records_the_login_that_it_refuses() {
    let host = host();
    host.limit(2);
    host.stack("remote", &Stack::session_only());
    let mut first = host.logged_in("login", "alice");
    let _second = host.logged_in("sshd", "alice");
    let _other = host.logged_in("login", "bob");
    let file = Refusals::beside(&host.state());
    assert!(!file.path().exists(), "every login was let in");
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
    assert_eq!(host.login("remote", "alice").open(), code::PERM_DENIED);
    let [account, opening] = recorded(&host).try_into().unwrap();
    for (refusal, service) in [(&account, "login"), (&opening, "remote")] {
        assert_eq!((refusal.user.as_str(), refusal.limit, refusal.held), ("alice", 2, 2));
        assert_eq!((refusal.origin.service.as_str(), refusal.admitted), (service, false));
        assert_eq!(refusal.held_by, "1 login, 1 sshd");
    }
    assert_eq!(first.close(), 0);
    let before = fs::metadata(file.path()).unwrap().modified().unwrap();
    let _third = host.logged_in("login", "alice");
    assert_eq!(fs::metadata(file.path()).unwrap().modified().unwrap(), before);
}

#[test]
fn a_login_that_would_be_refused_is_recorded_when_it_opens() {
    let host = host();
    host.configure(&format!("{}[policy]\non_limit = \"log\"\n", default_limit(1)));
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), 0);
    assert_eq!(recorded(&host), []);
    assert_eq!(second.open(), 0);
    let [refusal] = recorded(&host).try_into().unwrap();
    assert_eq!((refusal.admitted, refusal.held, refusal.limit), (true, 1, 1));
}

#[test]
fn of_many_at_once_every_refused_one_is_recorded() {
    let _alone = alone();
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control("required"));
    let _first = host.logged_in("login", "alice");
    let mut caller = host.application();
    assert_eq!(caller.tell("herd 6c6f67696e 616c696365 20 both"), 0);
    assert_eq!(caller.results().len(), 20);
    assert_eq!(recorded(&host).len(), 20);
}

/// Logs in at the limit, which must be refused with the warning, and soon.
fn is_refused_soon(host: &Host) {
    let began = Instant::now();
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), code::PERM_DENIED);
    assert!(login.said()[0].1.starts_with("WARNING: Maximum"), "{:?}", login.said());
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[test]
fn a_file_that_cannot_be_used_changes_no_decision() {
    let host = host();
    host.limit(1);
    let mut first = host.logged_in("login", "alice");
    let path = Refusals::beside(&host.state()).path().to_owned();
    // A directory where the file should be; then where its lock should be.
    for path in [path.clone(), with_suffix(&path, ".lock")] {
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        is_refused_soon(&host);
        fs::remove_dir(&path).unwrap();
    }
    fs::write(&path, [0xff; 8192]).unwrap();
    is_refused_soon(&host);
    std::os::unix::fs::symlink("/etc/passwd", with_suffix(&path, "-journal")).unwrap();
    is_refused_soon(&host);
    fs::remove_file(with_suffix(&path, "-journal")).unwrap();
    assert_eq!(first.close(), 0);
    let _in = host.logged_in("login", "alice");
    is_refused_soon(&host);
}

#[test]
fn a_lock_that_is_never_free_delays_refused_logins_only_and_for_a_bounded_time() {
    let host = host();
    host.limit(1);
    let mut first = host.logged_in("login", "alice");
    is_refused_soon(&host);
    let lock = with_suffix(Refusals::beside(&host.state()).path(), ".lock");
    let file = fs::File::open(&lock).unwrap();
    assert!(file_lock::try_lock(&file).unwrap());
    is_refused_soon(&host);
    assert_eq!(first.close(), 0);
    let began = Instant::now();
    let _in = host.logged_in("login", "alice");
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(recorded(&host).len(), 1, "the second is in the log alone");
    let store = Store::at(&host.state());
    assert!(Lock::take(&with_suffix(store.path(), ".lock"), Duration::from_secs(1)).is_ok());
}
