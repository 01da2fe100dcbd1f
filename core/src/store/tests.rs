//! The store on real files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::model::session::{EvictionRequest, Leader, Origin, Session, SessionState};

fn scratch() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let store = Store::at(&directory.path().join("live-sessions.db"));
    (directory, store)
}

fn session(id: i64, uid: u32) -> Session {
    Session {
        id,
        uid,
        user: "alice".into(),
        origin: Origin { service: "sshd".into(), tty: Some("ssh".into()), rhost: None },
        leader: Leader { pid: 7, start_time: 8, pid_ns: 9, boot_id: "boot".into() },
        process_session: 7,
        audit_session: None,
        state: SessionState::Open,
        over_limit: false,
        since: 1,
    }
}

fn keys(sessions: &[Session]) -> Vec<(u32, i64)> {
    sessions.iter().map(|session| (session.uid, session.id)).collect()
}

prop_compose! {
    fn any_session()(
        uid: u32, id: i64, since: i64, state in any::<Option<(i64, bool)>>(), eviction in 0..4_usize,
        texts in prop::array::uniform4(".{0,20}"), boot_id in "[0-9a-f-]{1,36}",
        (tty, rhost, over_limit, process_session) in any::<(bool, bool, bool, i32)>(),
        (pid, start_time, pid_ns, audit_session) in any::<(i32, u64, u64, Option<u32>)>(),
    ) -> Session {
        let [user, service, tty_text, rhost_text] = texts;
        let eviction = [
            EvictionRequest::None, EvictionRequest::ClearAll, EvictionRequest::EvictOldest,
            EvictionRequest::Session(since),
        ][eviction];
        Session {
            id, uid, user, audit_session, since, process_session, over_limit,
            origin: Origin {
                service, tty: tty.then_some(tty_text), rhost: rhost.then_some(rhost_text),
            },
            leader: Leader { pid, start_time, pid_ns, boot_id },
            state: state.map_or(SessionState::Open, |(until, by_child)| {
                SessionState::Reserved { until, eviction, by_child }
            }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_of_a_session_is_read_back(session in any_session()) {
        let (_directory, store) = scratch();
        store.transaction(|tx| tx.upsert(&session)).unwrap();
        let read = store.transaction(|tx| tx.sessions_of(session.uid)).unwrap();
        prop_assert_eq!(&read, std::slice::from_ref(&session));
        prop_assert_eq!(store.read(Transaction::all_sessions).unwrap(), Some(vec![session]));
    }
}

#[test]
fn sessions_come_oldest_first_and_are_removed_by_number_and_leader() {
    let (_directory, store) = scratch();
    store
        .transaction(|tx| {
            for (id, uid) in [(5, 7), (1, 7), (3, u32::MAX), (2, 0)] {
                tx.upsert(&session(id, uid))?;
            }
            assert_eq!(keys(&tx.all_sessions()?), [(7, 1), (0, 2), (u32::MAX, 3), (7, 5)]);
            assert_eq!(keys(&tx.sessions_of(7)?), [(7, 1), (7, 5)]);
            let other = Leader { start_time: 9, ..session(1, 7).leader };
            tx.remove_if_leader(7, 1, &other)?;
            assert_eq!(keys(&tx.sessions_of(7)?), [(7, 1), (7, 5)]);
            tx.remove_if_leader(0, 1, &session(1, 7).leader)?;
            assert_eq!(keys(&tx.sessions_of(7)?), [(7, 1), (7, 5)]);
            tx.remove_if_leader(7, 1, &session(1, 7).leader)?;
            tx.remove(&session(99, 7))?;
            tx.remove(&session(5, 0))?;
            assert_eq!(keys(&tx.sessions_of(7)?), [(7, 5)]);
            tx.remove(&session(5, 7))?;
            assert_eq!(keys(&tx.sessions_of(7)?), []);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_new_number_is_above_the_users_others() {
    let first = new_id(&[]).unwrap();
    assert!((first - clock::boot_ns() / 1000).abs() < 10_000_000, "microseconds of boot time");
    let ids = |ids: &[i64]| ids.iter().map(|&id| session(id, 7)).collect::<Vec<_>>();
    assert_eq!(new_id(&ids(&[i64::MAX - 1, 3])).unwrap(), i64::MAX);
    // Planted: there is no number above the last one.
    assert!(matches!(new_id(&ids(&[i64::MAX])), Err(TransactionError::Damaged(_))));
}

#[test]
fn reading_makes_no_store_and_sees_the_last_commit() {
    let (directory, store) = scratch();
    assert_eq!(store.read(Transaction::all_sessions).unwrap(), None);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    store.transaction(|tx| tx.upsert(&session(1, 7))).unwrap();
    let held = Lock::take(&with_suffix(store.path(), ".lock"), DEADLINE).unwrap();
    let seen = store.read(|tx| tx.sessions_of(7)).unwrap().unwrap();
    assert_eq!(keys(&seen), [(7, 1)], "the lock is another's");
    drop(held);
}

#[test]
fn reading_under_a_storm_of_writers_sees_whole_transactions_only() {
    let (_directory, store) = scratch();
    store.transaction(|tx| tx.upsert(&session(1, 7))).unwrap();
    let path = store.path().to_owned();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let store = Store::at(&path);
            for since in 1..150 {
                // Rows of many pages, all of one value.
                store
                    .transaction(|tx| {
                        (1..200).try_for_each(|id| {
                            tx.upsert(&Session { user: "x".repeat(200), since, ..session(id, 7) })
                        })
                    })
                    .unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let mut copies = 0;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let Ok(Some(copy)) = snapshot::copy(&path) else { continue };
            let rows = copy.all_sessions().unwrap();
            let values: std::collections::HashSet<i64> = rows.iter().map(|row| row.since).collect();
            assert_eq!(values.len(), 1, "a part of a transaction was read");
            copies += 1;
        }
        assert!(copies > 0, "no copy was whole");
    });
}

#[test]
fn a_closing_creates_nothing_and_moves_nothing_out_of_the_way() {
    let (directory, store) = scratch();
    assert_eq!(store.existing_transaction(|tx| tx.remove(&session(1, 7))).unwrap(), None);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
    fs::write(store.path(), "no database at all, but some text of a certain length".repeat(20))
        .unwrap();
    fs::set_permissions(store.path(), Permissions::from_mode(0o600)).unwrap();
    assert!(store.existing_transaction(|tx| tx.remove(&session(1, 7))).is_err());
    assert_eq!(store.take_quarantined(), []);
    store.transaction(|tx| tx.remove(&session(1, 7))).unwrap();
    assert_eq!(store.take_quarantined().len(), 1, "a login does");
}

/// Creates a store as version 3 of this program did, with one open session of user 1000.
fn write_version_3(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE session (place INTEGER PRIMARY KEY, id INTEGER, expires INTEGER, about TEXT) STRICT;
             PRAGMA application_id = 0x50534c31; PRAGMA user_version = 3;",
        )
        .unwrap();
    let about = "alice\tsshd\tssh\t192.0.2.7\t7\t8\t9\tboot\t5\tnone\tself\t1";
    let place = 1000_i64 << 31 | 77;
    connection.execute("INSERT INTO session VALUES (?, 77, NULL, ?)", (place, about)).unwrap();
    drop(connection);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn rows_of_the_former_store_are_taken_over_once_and_the_file_is_left_alone() {
    let (directory, store) = scratch();
    let former = directory.path().join("sessions.db");
    write_version_3(&former);
    let image = fs::read(&former).unwrap();
    let seen = store.read(|tx| tx.sessions_of(1000)).unwrap().unwrap();
    assert_eq!(seen.len(), 1, "shown before the first login");
    let read = || store.transaction(|tx| tx.sessions_of(1000)).unwrap();
    assert_eq!(read()[0].origin.to_string(), "service sshd, tty ssh, rhost 192.0.2.7");
    assert_eq!(fs::read(&former).unwrap(), image);
    assert_eq!(read().len(), 1, "not a second time");
    assert_eq!(store.take_quarantined(), []);
}

#[test]
fn a_store_of_an_earlier_version_at_the_same_path_is_migrated() {
    let (directory, _) = scratch();
    let path = directory.path().join("sessions.db");
    write_version_3(&path);
    let store = Store::at(&path);
    assert_eq!(store.transaction(|tx| tx.sessions_of(1000)).unwrap().len(), 1);
    assert_eq!(store.take_quarantined(), []);
    let version: i32 = rusqlite::Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 7);
}

/// The table of version 4, with an open session and a reservation.
fn write_version_4(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE session (
               id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, user TEXT NOT NULL, service TEXT NOT NULL,
               tty TEXT, rhost TEXT, state TEXT NOT NULL, since INTEGER NOT NULL, reserved_until INTEGER,
               reserved_by_child INTEGER NOT NULL, on_open TEXT, leader_pid INTEGER NOT NULL,
               leader_start_time INTEGER NOT NULL, leader_pid_ns INTEGER NOT NULL,
               leader_boot_id TEXT NOT NULL, process_session INTEGER NOT NULL, audit_session INTEGER
             ) STRICT;
             CREATE INDEX session_uid ON session (uid);
             INSERT INTO session VALUES
               (77, 1000, 'alice', 'sshd', 'ssh', '192.0.2.7', 'open', 1, NULL, 0, NULL, 7, 8, 9, 'boot', 6, 5),
               (78, 1000, 'alice', 'login', NULL, NULL, 'reserved', 2, 99, 1, 'clear-all', 7, 8, 9, 'boot', 6, NULL);
             PRAGMA application_id = 0x50534c31; PRAGMA user_version = 4;",
        )
        .unwrap();
    drop(connection);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn rows_of_version_4_are_taken_over_in_place_with_their_numbers() {
    for reader in [false, true] {
        let (_directory, store) = scratch();
        write_version_4(store.path());
        assert_eq!(store.examine(|_| Ok(())).unwrap(), StoreContent::Older(4));
        let read = |tx: &Transaction| tx.sessions_of(1000);
        let rows = if reader {
            store.read(read).unwrap().unwrap()
        } else {
            store.transaction(read).unwrap()
        };
        let expected_open = Session {
            id: 77,
            origin: Origin { rhost: Some("192.0.2.7".into()), ..session(77, 1000).origin },
            process_session: 6,
            audit_session: Some(5),
            ..session(77, 1000)
        };
        let (until, eviction) = (99, EvictionRequest::ClearAll);
        let expected_reserved = Session {
            id: 78,
            origin: Origin { service: "login".into(), tty: None, rhost: None },
            process_session: 6,
            state: SessionState::Reserved { until, eviction, by_child: true },
            since: 2,
            ..session(78, 1000)
        };
        assert_eq!(rows, [expected_open, expected_reserved]);
        assert_eq!(store.take_quarantined(), []);
        // The leader of version 4 that closes its session after all.
        store.transaction(|tx| tx.remove_if_leader(1000, 77, &session(77, 1000).leader)).unwrap();
        assert_eq!(keys(&store.transaction(read).unwrap()), [(1000, 78)]);
        let content = store.examine(|tx| tx.all_sessions().map(|rows| keys(&rows))).unwrap();
        assert_eq!(content, StoreContent::Present { version: 7, value: vec![(1000, 78)] });
    }
}

/// The table of version 6 and its index, as they were created; that of version 5 has checks too.
fn write_version_5_or_6(path: &Path, version: i32) {
    let state = if version == 5 { "CHECK (state IN ('reserved', 'open'))" } else { "" };
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            "CREATE TABLE session (
               id INTEGER PRIMARY KEY, uid INTEGER NOT NULL, user TEXT NOT NULL, service TEXT NOT NULL,
               tty TEXT, rhost TEXT, state TEXT NOT NULL {state}, since INTEGER NOT NULL,
               reserved_until INTEGER, reserved_by_child INTEGER NOT NULL, on_open TEXT,
               on_open_session INTEGER, over_limit INTEGER NOT NULL, leader_pid INTEGER NOT NULL,
               leader_start_time INTEGER NOT NULL, leader_pid_ns INTEGER NOT NULL,
               leader_boot_id TEXT NOT NULL, process_session INTEGER NOT NULL, audit_session INTEGER
             ) STRICT;
             CREATE INDEX session_uid ON session (uid);
             INSERT INTO session VALUES
               (77, 1000, 'alice', 'sshd', 'ssh', NULL, 'open', 1, NULL, 0, NULL, NULL, 1, 7, 8, 9, 'boot', 7, NULL),
               (78, 0, 'alice', 'sshd', 'ssh', NULL, 'reserved', 1, 99, 0, 'clear-session', 5, 0, 7, 8, 9, 'boot', 7, 4);
             PRAGMA application_id = 0x50534c31; PRAGMA user_version = {version};"
        ))
        .unwrap();
    drop(connection);
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn rows_of_versions_5_and_6_are_taken_over_in_place_with_their_numbers() {
    for version in [5, 6] {
        let (_directory, store) = scratch();
        write_version_5_or_6(store.path(), version);
        assert_eq!(store.examine(|_| Ok(())).unwrap(), StoreContent::Older(version));
        let (until, eviction) = (99, EvictionRequest::Session(5));
        let state = SessionState::Reserved { until, eviction, by_child: false };
        let expected = [
            Session { over_limit: true, ..session(77, 1000) },
            Session { state, audit_session: Some(4), ..session(78, 0) },
        ];
        assert_eq!(store.transaction(Transaction::all_sessions).unwrap(), expected);
        let content = store.examine(Transaction::all_sessions).unwrap();
        assert_eq!(content, StoreContent::Present { version: 7, value: expected.to_vec() });
        assert_eq!(store.take_quarantined(), []);
    }
}

#[test]
fn a_failed_migration_of_version_4_changes_nothing() {
    let (_directory, store) = scratch();
    write_version_4(store.path());
    let image = fs::read(store.path()).unwrap();
    let refused = store.existing_transaction(|_| {
        let error = StoreError::at(Path::new("x"), "no");
        Err::<(), _>(TransactionError::Store(error))
    });
    assert!(refused.is_err());
    assert_eq!(fs::read(store.path()).unwrap(), image, "rolled back");
}

#[test]
fn a_store_of_a_later_version_is_left_alone() {
    let (_directory, store) = scratch();
    store.transaction(|tx| tx.upsert(&session(1, 7))).unwrap();
    let connection = rusqlite::Connection::open(store.path()).unwrap();
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(connection);
    let image = fs::read(store.path()).unwrap();
    for error in [
        store.transaction(|tx| tx.remove(&session(1, 7))).unwrap_err(),
        store.existing_transaction(|tx| tx.remove(&session(1, 7))).unwrap_err(),
        store.read(Transaction::all_sessions).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Newer(_)), "{error:?}");
        assert!(error.to_string().contains("version 99"), "{error}");
    }
    assert_eq!(fs::read(store.path()).unwrap(), image);
    assert_eq!(store.take_quarantined(), []);
}

#[test]
fn sqlite_maps_no_file_and_makes_no_temporary_one() {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    let mut options = connection.prepare("PRAGMA compile_options").unwrap();
    let options: Vec<String> =
        options.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    for option in ["MAX_MMAP_SIZE=0", "TEMP_STORE=3", "OMIT_LOAD_EXTENSION", "DQS=0"] {
        assert!(options.iter().any(|found| found == option), "{option}: {options:?}");
    }
}

#[test]
fn a_panic_while_the_store_is_read_is_damage() {
    let (_directory, store) = scratch();
    let calls = std::cell::Cell::new(0);
    let outcome = store.transaction(|_| {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { panic!("a name that is not UTF-8") } else { Ok(calls.get()) }
    });
    assert_eq!(outcome.unwrap(), 3);
    let quarantined = store.take_quarantined();
    assert_eq!(quarantined.len(), 1);
    assert!(quarantined[0].reason.contains("not UTF-8"), "{}", quarantined[0].reason);
}

/// Every file beside the store, with its content.
fn files(store: &Store) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(store.path().parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn examining_tells_what_is_there_and_changes_nothing() {
    let (_directory, store) = scratch();
    let examine = || {
        let before = files(&store);
        let content = store.examine(|tx| tx.sessions_of(1000).map(|rows| keys(&rows)));
        assert_eq!(files(&store), before);
        content.unwrap()
    };
    let write = |name: &str, bytes: &[u8]| {
        let path = store.path().with_file_name(name);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    assert_eq!(examine(), StoreContent::Absent);
    write("sessions.db", b"whatever it is");
    assert_eq!(examine(), StoreContent::Older(3));
    fs::remove_file(store.path().with_file_name("sessions.db")).unwrap();
    write("live-sessions.db", b"");
    assert_eq!(examine(), StoreContent::Empty);
    store.transaction(|tx| tx.upsert(&session(5, 1000))).unwrap();
    assert_eq!(examine(), StoreContent::Present { version: 7, value: vec![(1000, 5)] });
    write("live-sessions.db-journal", b"unfinished");
    assert_eq!(examine(), StoreContent::Unfinished);
    for finished in [&b""[..], b"\0finished"] {
        write("live-sessions.db-journal", finished);
        assert_eq!(examine(), StoreContent::Present { version: 7, value: vec![(1000, 5)] });
    }
    write("live-sessions.db", &[b'x'; 8192]);
    assert!(matches!(examine(), StoreContent::Damaged(_)));
    fs::set_permissions(store.path(), Permissions::from_mode(0o666)).unwrap();
    assert!(store.examine(|_| Ok(())).unwrap_err().to_string().contains("mode 0666"));
}
