use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use super::*;
use crate::store::DEFAULT_PATH;

fn scratch() -> (tempfile::TempDir, Refusals) {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
    (directory, Refusals::beside(&run.join("live-sessions.db")))
}

fn refusal(uid: u32, time: i64) -> Refusal {
    Refusal {
        time,
        uid,
        user: format!("user{uid}"),
        origin: Origin { service: "sshd".into(), tty: None, rhost: Some("192.0.2.7".into()) },
        limit: 2,
        held: 2,
        held_by: "2 sshd from 192.0.2.7".into(),
        admitted: false,
    }
}

fn times(refusals: &Refusals, uid: Option<u32>) -> Vec<i64> {
    refusals.read(uid).unwrap().iter().map(|recorded| recorded.refusal.time).collect()
}

#[test]
fn refusals_are_kept_last_one_first() {
    let (_directory, refusals) = scratch();
    assert_eq!(refusals.read(None), Ok(Vec::new()), "no file yet");
    let others = Refusal { admitted: true, ..refusal(8, 2) };
    for refusal in [&refusal(7, 1), &others, &refusal(7, 3)] {
        assert_eq!(refusals.record(refusal), Ok(None));
    }
    assert_eq!(times(&refusals, None), [3, 2, 1]);
    assert_eq!(times(&refusals, Some(7)), [3, 1]);
    assert_eq!(refusals.read(Some(8)), Ok(vec![Recorded { id: 2, refusal: others }]));
    let mode = fs::metadata(refusals.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        Refusals::beside(Path::new(DEFAULT_PATH)).path.parent(),
        Path::new(DEFAULT_PATH).parent()
    );
}

#[test]
fn the_file_holds_a_bounded_number() {
    let (_directory, refusals) = scratch();
    refusals.record(&refusal(7, 1)).unwrap();
    let connection = Connection::open(&refusals.path).unwrap();
    connection.execute("UPDATE refusal SET id = ?1", [MAX_ROWS * 3]).unwrap();
    drop(connection);
    let text = "x".repeat(5_000);
    let long = Refusal { user: text.clone(), ..refusal(7, 2) };
    refusals.record(&long).unwrap();
    assert_eq!(times(&refusals, None), [2, 1]);
    let connection = Connection::open(&refusals.path).unwrap();
    connection.execute("UPDATE refusal SET id = 1 WHERE time = 1", []).unwrap();
    drop(connection);
    refusals.record(&refusal(7, 3)).unwrap();
    assert_eq!(times(&refusals, None), [3, 2], "the one that is too old is gone");
    assert!(refusals.read(None).unwrap()[1].refusal.user.len() < 100);
}

#[test]
fn a_damaged_file_is_begun_again() {
    let (_directory, refusals) = scratch();
    for rubbish in [&b"rubbish"[..], &[0xff; 8192]] {
        fs::write(&refusals.path, rubbish).unwrap();
        fs::set_permissions(&refusals.path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(refusals.read(None).is_err());
        let lost = refusals.record(&refusal(7, 1)).unwrap().unwrap();
        assert!(lost.ends_with("the refusals so far are lost"), "{lost}");
        assert_eq!(times(&refusals, None), [1]);
    }
    let connection = Connection::open(&refusals.path).unwrap();
    connection.pragma_update(None, "application_id", 4711).unwrap();
    drop(connection);
    assert!(refusals.record(&refusal(7, 2)).unwrap().is_some(), "a file of another program");
    assert_eq!(times(&refusals, None), [2]);
}

#[test]
fn a_file_of_a_later_version_stays() {
    let (_directory, refusals) = scratch();
    refusals.record(&refusal(7, 1)).unwrap();
    let connection = Connection::open(&refusals.path).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
    drop(connection);
    for error in [refusals.record(&refusal(7, 2)).unwrap_err(), refusals.read(None).unwrap_err()] {
        assert!(error.to_string().contains("version 2"), "{error}");
    }
}

#[test]
fn an_empty_file_is_no_damage() {
    let (_directory, refusals) = scratch();
    fs::write(&refusals.path, "").unwrap();
    fs::set_permissions(&refusals.path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refusals.read(None), Ok(Vec::new()));
    assert_eq!(refusals.record(&refusal(7, 1)), Ok(None));
}

#[test]
fn a_file_that_is_not_free_keeps_a_login_for_a_bounded_time() {
    let (_directory, refusals) = scratch();
    refusals.record(&refusal(7, 1)).unwrap();
    let _held = Lock::take(&with_suffix(&refusals.path, ".lock"), DEADLINE).unwrap();
    let began = std::time::Instant::now();
    let admitted = Refusal { admitted: true, ..refusal(7, 2) };
    assert!(refusals.record(&admitted).unwrap_err().to_string().contains("not free within 50 ms"));
    assert!(refusals.record(&refusal(7, 2)).is_err());
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(times(&refusals, None), [1], "a reader waits for nothing");
}

#[test]
fn what_others_can_write_to_is_not_used() {
    let (_directory, refusals) = scratch();
    refusals.record(&refusal(7, 1)).unwrap();
    fs::set_permissions(&refusals.path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refusals.record(&refusal(7, 2)).is_err());
    assert!(refusals.read(None).is_err());
}
