use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use rusqlite::Connection;
use session_limit_core::model::refusal::Refusal;
use session_limit_core::model::session::Origin;
use session_limit_core::refusals::Recorded;

use super::past::recent_of;
use super::*;

/// A minute of the year 2026.
const START: i64 = 1_795_632_120;

fn scratch() -> (tempfile::TempDir, History) {
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
    (directory, History::beside(&run.join("sessions.db")))
}

fn sample(minute: i64, users: &[(u32, i64)]) -> Sample {
    let services = BTreeMap::from([("sshd".to_owned(), users.iter().map(|user| user.1).sum())]);
    let users = users.iter().copied().collect();
    Sample { time: START + minute * 60, services, users, ..Sample::default() }
}

fn refusal(minute: i64, uid: u32, held: u32, admitted: bool) -> Refusal {
    Refusal {
        time: START + minute * 60,
        uid,
        user: format!("user{uid}"),
        origin: Origin::default(),
        limit: held,
        held,
        held_by: String::new(),
        admitted,
    }
}

fn points(history: &History, step: i64) -> Vec<Point> {
    history.points(Span { from: START, to: START + 86_400, step }).unwrap()
}

#[test]
fn points_are_the_most_of_each_stretch() {
    let (_directory, history) = scratch();
    assert_eq!(points(&history, 300), [], "no file yet");
    for (minute, users) in
        [(0, &[(7, 1)][..]), (1, &[(7, 3), (8, 1)]), (2, &[(8, 2)]), (10, &[(7, 1)])]
    {
        let users_at_limit = i64::from(minute == 2);
        history.add(&Sample { users_at_limit, ..sample(minute, users) }, 30).unwrap();
    }
    let points = points(&history, 300);
    let [first, second] = points.as_slice() else { panic!("{points:?}") };
    assert_eq!((first.sessions, first.users, first.users_at_limit), (Some(4), Some(2), Some(1)));
    assert_eq!(first.services, BTreeMap::from([("sshd".to_owned(), 4)]));
    assert_eq!((second.time, second.sessions), (START + 600, Some(1)));
}

#[test]
fn services_beyond_the_eighth_are_counted_together() {
    let (_directory, history) = scratch();
    let services = (1..=10).map(|n| (format!("sshd-{n:02}"), n)).collect();
    history.add(&Sample { services, ..sample(0, &[(7, 55)]) }, 30).unwrap();
    let point = points(&history, 300).remove(0);
    assert_eq!((point.services.len(), point.services["other"]), (9, 1 + 2));
    assert_eq!(point.services["sshd-03"], 3);
    assert_eq!(point.sessions, Some(55));
}

#[test]
fn each_refusal_is_counted_once_and_at_its_own_time() {
    let (_directory, history) = scratch();
    let refusals = vec![refusal(1, 7, 2, false), refusal(1, 7, 2, false), refusal(9, 8, 1, true)];
    for minute in [10, 11] {
        let refusals = refusals.clone();
        history.add(&Sample { refusals, ..sample(minute, &[]) }, 30).unwrap();
    }
    let points = points(&history, 60);
    let counted: Vec<_> = points
        .iter()
        .map(|point| ((point.time - START) / 60, point.refused, point.would_be_refused))
        .collect();
    assert_eq!(counted, [(1, 2, 0), (9, 0, 1), (10, 0, 0), (11, 0, 0)]);
    assert_eq!(points[0].sessions, None, "no sample was taken then");
}

fn recent(history: &History, refusals: &[Refusal], limit: u32) -> Vec<(u32, i64)> {
    let refusals: Vec<Recorded> =
        refusals.iter().map(|refusal| Recorded { id: 1, refusal: refusal.clone() }).collect();
    let recent = recent_of(history, &refusals, START, limit).unwrap();
    recent.refused.into_iter().collect()
}

#[test]
fn logins_beyond_a_wished_limit_are_those_that_raised_the_count_above_it() {
    let (_directory, history) = scratch();
    for (minute, sessions) in [(0, 1), (1, 3), (2, 3), (3, 2), (4, 5), (5, 0), (6, 3)] {
        let users = [(7, sessions), (8, 4)];
        history.add(&sample(minute, &users), 30).unwrap();
    }
    // Of user 8 nothing is known but that they were there all the time.
    assert_eq!(recent(&history, &[], 1), [(7, 2 + 3 + 2)]);
    assert_eq!(recent(&history, &[], 2), [(7, 1 + 3 + 1)]);
    assert_eq!(recent(&history, &[], 4), [(7, 1)]);
    assert_eq!(recent(&history, &[], 5), []);
    assert_eq!(recent(&history, &[], 0), [], "no limit");
    let all = recent_of(&history, &[], START + 330, 2).unwrap();
    assert_eq!((all.sampled_since, all.refused[&7]), (Some(START + 360), 1));
}

#[test]
fn recorded_refusals_count_up_to_the_slots_that_were_in_use() {
    let (_directory, history) = scratch();
    let refusals = [refusal(1, 7, 2, false), refusal(2, 7, 4, false), refusal(3, 8, 2, true)];
    assert_eq!(recent(&history, &refusals, 2), [(7, 2), (8, 1)]);
    assert_eq!(recent(&history, &refusals, 3), [(7, 1)]);
    // The same once the history has them; the login that was let in is seen by the samples, too.
    history.add(&sample(0, &[(8, 2)]), 30).unwrap();
    let with_refusals = Sample { refusals: refusals.to_vec(), ..sample(4, &[(8, 3)]) };
    history.add(&with_refusals, 30).unwrap();
    assert_eq!(recent(&history, &refusals, 2), [(7, 2), (8, 1)]);
    assert_eq!(recent(&history, &[], 2), [(7, 2), (8, 1)]);
    let later = [refusals.to_vec(), vec![refusal(5, 7, 2, false)]].concat();
    assert_eq!(recent(&history, &later, 2), [(7, 3), (8, 1)]);
}

#[test]
fn what_is_too_old_goes_but_not_who_still_holds_a_session() {
    let (_directory, history) = scratch();
    let day = 24 * 60;
    for minute in 0..70 {
        history.add(&sample(minute, &[(7, 2), (8, minute % 2)]), 1).unwrap();
    }
    history.add(&sample(day + 69, &[(7, 3)]), 1).unwrap();
    assert_eq!(points(&history, 60).len(), 1, "the 69th minute");
    let connection = Connection::open(&history.path).unwrap();
    let kept: i64 = connection
        .query_row("SELECT count(*) FROM user_sample WHERE uid = 7", [], |row| row.get(0))
        .unwrap();
    assert_eq!(kept, 2);
    let all = recent_of(&history, &[], START + day * 60, 2).unwrap();
    assert_eq!(all.refused, BTreeMap::from([(7, 1)]));
}

#[test]
fn a_full_file_loses_its_oldest_samples() {
    let (_directory, history) = scratch();
    for minute in 0..300 {
        history.add(&sample(minute, &[(7, minute % 5)]), 3_650).unwrap();
    }
    // Fills the file up to its limit with a table of its own.
    let connection = Connection::open(&history.path).unwrap();
    connection.execute_batch("CREATE TABLE filler (bytes BLOB)").unwrap();
    let blob = vec![0_u8; 1024 * 1024];
    let size = || fs::metadata(&history.path).unwrap().len();
    while i64::try_from(size()).unwrap() < MAX_BYTES - 2 * 1024 * 1024 {
        connection.execute("INSERT INTO filler VALUES (?1)", [&blob]).unwrap();
    }
    drop(connection);
    let mut minute = 300;
    while history.points(Span { from: START, to: START + 60, step: 60 }).unwrap().len() == 1 {
        let services = (0..500).map(|n| (format!("{minute}-{n:0100}"), 1)).collect();
        history.add(&Sample { services, ..sample(minute, &[]) }, 3_650).unwrap();
        minute += 1;
        assert!(minute < 400, "nothing makes room");
    }
    assert!(i64::try_from(size()).unwrap() <= MAX_BYTES);
    let last = Span { from: START + (minute - 1) * 60, to: START + minute * 60, step: 60 };
    assert_eq!(history.points(last).unwrap().len(), 1);
}

#[test]
fn a_clock_that_was_set_back_is_no_hindrance() {
    let (_directory, history) = scratch();
    for minute in [10, 11, 5, 6] {
        history.add(&sample(minute, &[(7, minute)]), 30).unwrap();
    }
    let times: Vec<_> = points(&history, 60).iter().map(|p| (p.time - START) / 60).collect();
    assert_eq!(times, [5, 6]);
}

#[test]
fn a_damaged_or_foreign_file_is_begun_again_and_a_later_one_stays() {
    let (_directory, history) = scratch();
    fs::write(&history.path, [0xff; 8192]).unwrap();
    fs::set_permissions(&history.path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(history.points(Span { from: 0, to: 60, step: 60 }).is_err());
    let lost = history.add(&sample(0, &[]), 30).unwrap().unwrap();
    assert!(lost.ends_with("the history so far is lost"), "{lost}");
    assert_eq!(points(&history, 60).len(), 1);
    for (pragma, value, expected) in
        [("application_id", 4711, Ok(true)), ("user_version", 2, Err("version 2"))]
    {
        let connection = Connection::open(&history.path).unwrap();
        connection.pragma_update(None, pragma, value).unwrap();
        drop(connection);
        match (history.add(&sample(1, &[]), 30), expected) {
            (Ok(lost), Ok(is_lost)) => assert_eq!(lost.is_some(), is_lost),
            (Err(error), Err(text)) => assert!(error.message.contains(text), "{error}"),
            other => panic!("{pragma}: {other:?}"),
        }
    }
}

#[test]
fn the_default_store_has_a_history_that_a_reboot_leaves() {
    assert_eq!(History::beside(Path::new(DEFAULT_PATH)).path, Path::new(DEFAULT_FILE));
}
