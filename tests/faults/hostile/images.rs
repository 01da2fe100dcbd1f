//! B3: database files of any content: no crash, no hang, and the right decision wherever possible.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use session_limit_core::model::session::{EvictionRequest, Leader, Origin, Session, SessionState};
use session_limit_core::store::{Store, StoreError};
use testkit::code;

use crate::{amount, figure, host};

fn session(id: i64) -> Session {
    Session {
        id,
        uid: 4001 + u32::try_from(id % 3).unwrap(),
        user: "alice".into(),
        origin: Origin {
            service: "sshd".into(),
            tty: Some("ssh".into()),
            rhost: Some("192.0.2.1".into()),
        },
        leader: Leader { pid: 4242, start_time: 7, pid_ns: 9, boot_id: "boot".into() },
        process_session: 4242,
        audit_session: Some(3),
        state: if id % 4 == 0 {
            SessionState::Reserved {
                until: 10,
                eviction: EvictionRequest::ClearAll,
                by_child: false,
            }
        } else {
            SessionState::Open
        },
        over_limit: false,
        since: 1,
    }
}

/// A store with three hundred rows, as bytes.
fn image(directory: &Path) -> Vec<u8> {
    let path = directory.join("seed.db");
    Store::at(&path)
        .transaction(|tx| (1..=300).try_for_each(|id| tx.upsert(&session(id))))
        .unwrap();
    fs::read(path).unwrap()
}

/// Reads, writes and removes as one login does; no content may crash it, hang it, or make it fail in an
/// undocumented way.
fn is_survived(path: &Path, image: &[u8]) -> Result<bool, TestCaseError> {
    let directory = path.parent().unwrap();
    for entry in fs::read_dir(directory).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(path, image).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let began = Instant::now();
    let store = Store::at(path);
    let outcome = store.transaction(|tx| {
        let rows = tx.sessions_of(4001)?;
        tx.upsert(&session(1_000_000))?;
        tx.remove(&session(3))?;
        Ok(rows.len())
    });
    prop_assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let moved = store.take_quarantined();
    prop_assert!(moved.len() <= 1);
    match outcome {
        Ok(_) => {
            let found = Store::at(path).transaction(|tx| tx.sessions_of(session(1_000_000).uid));
            let is_there = found.is_ok_and(|rows| rows.iter().any(|row| row.id == 1_000_000));
            // Damage behind what this login touched shows up in a later one, which creates a new store.
            prop_assert!(is_there || moved.is_empty());
        }
        Err(StoreError::Broken(_)) => {}
        // The version's number is among the bytes that were flipped.
        Err(StoreError::Newer(_)) => prop_assert_eq!(&fs::read(path).unwrap(), image),
        Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    Ok(!moved.is_empty())
}

#[test]
fn b3_damaged_images_crash_and_hang_no_login() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("state");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let seed_directory = scratch.path().join("seed");
    fs::create_dir(&seed_directory).unwrap();
    fs::set_permissions(&seed_directory, fs::Permissions::from_mode(0o700)).unwrap();
    let valid = image(&seed_directory);
    let path = directory.join("sessions.db");
    assert!(!is_survived(&path, &valid).unwrap(), "the seed itself is valid");

    let flips = prop::collection::vec((0..valid.len(), any::<u8>()), 1..40);
    let header = prop::collection::vec((0..100_usize, any::<u8>()), 1..4);
    let how = prop_oneof![
        3 => flips.prop_map(|flips| (flips, None)),
        2 => header.prop_map(|flips| (flips, None)),
        1 => (0..valid.len()).prop_map(|length| (Vec::new(), Some(length))),
    ];
    let cases = u32::try_from(amount(600, 20_000)).unwrap();
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 100, ..Config::default() };
    let moved = std::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&how, |(flips, length)| {
            let mut image = valid.clone();
            for (at, byte) in flips {
                image[at] = byte;
            }
            image.truncate(length.unwrap_or(image.len()));
            moved.set(moved.get() + i32::from(is_survived(&path, &image)?));
            Ok(())
        })
        .unwrap();
    figure(
        "B3",
        format!("{cases} damaged images: none crashed or hung, {} were moved aside", moved.get()),
    );
}

/// What a process with root's rights, or another program, may have planted. The rows need not survive, but no
/// planted statement may run unnoticed.
#[test]
fn b3_planted_schemas_never_let_more_in_than_the_limit() {
    let planted = [
        (
            "a trigger that deletes",
            "CREATE TRIGGER t AFTER INSERT ON session BEGIN DELETE FROM session; END",
        ),
        (
            "a trigger that fails",
            "CREATE TRIGGER t BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'x'); END",
        ),
        (
            "a trigger that ignores",
            "CREATE TRIGGER t BEFORE INSERT ON session BEGIN SELECT RAISE(IGNORE); END",
        ),
        ("an index with an odd expression", "CREATE INDEX i ON session (abs(id))"),
        (
            "a view of that name",
            "DROP TABLE session; CREATE VIEW session AS SELECT 1 AS uid, 2 AS id",
        ),
        ("another shape", "DROP TABLE session; CREATE TABLE session (uid, id)"),
        ("hostile defaults", "ALTER TABLE session ADD COLUMN extra TEXT DEFAULT 'x'"),
        ("a unique index", "CREATE UNIQUE INDEX i ON session (coalesce(reserved_until, 0))"),
        ("more tables", "CREATE TABLE other (x); INSERT INTO other VALUES (randomblob(100000))"),
        ("a future version", "PRAGMA user_version = 99"),
        ("another program's", "PRAGMA application_id = 1"),
        ("write-ahead logging", "PRAGMA journal_mode = WAL"),
        (
            "write-ahead logging, with a log beside",
            ".filectrl persist_wal 1\nPRAGMA journal_mode = WAL; INSERT INTO session VALUES (9, 9, '', '', NULL, NULL, 'open', 9, NULL, 0, NULL, NULL, 0, 9, 9, 9, '', 9, NULL)",
        ),
        // sqlite3(1) of Debian 13 starts in defensive mode and would refuse the two below.
        (
            "a check that never holds",
            ".dbconfig defensive off\nPRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = replace(sql, 'user              TEXT NOT NULL', 'user              TEXT NOT NULL CHECK (0)') WHERE name = 'session'",
        ),
        (
            "no schema text",
            ".dbconfig defensive off\nPRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = 'nonsense' WHERE name = 'session'",
        ),
    ];
    let mut figures = Vec::new();
    for (what, sql) in planted {
        let host = host();
        host.limit(1);
        host.stack("login", &testkit::Stack::both().control(testkit::FAIL_CLOSED));
        drop(host.logged_in("login", "bob"));
        let _ = testkit::sqlite(&host.state(), sql);
        let mut logins: Vec<_> = (0..4).map(|_| host.login("login", "alice")).collect();
        let codes: Vec<i32> = logins.iter_mut().map(testkit::Login::log_in).collect();
        let admitted = codes.iter().filter(|&&code| code == 0).count();
        figures.push(format!("{what}: {codes:?}"));
        assert!(admitted <= 1, "{what}: {codes:?}");
        assert!(
            codes.iter().all(|code| matches!(*code, 0 | code::PERM_DENIED | code::SYSTEM_ERR)),
            "{what}: {codes:?}"
        );
    }
    figure(
        "B3",
        format!(
            "{} planted schemas: never more than the limit: {}",
            figures.len(),
            figures.join("; ")
        ),
    );
}
