//! A store that is damaged, unsafe, unreachable or missing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::{FAIL_OPEN, Host, Reader, Stack, code, sqlite};

use crate::{host, rows};

/// A host with limit 1 whose stack returns the module's own code.
fn fail_closed() -> Host {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control("required"));
    host
}

fn damaged_files(host: &Host) -> Vec<String> {
    fs::read_dir(host.path("state"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".damaged-"))
        .collect()
}

fn mkfifo(path: std::path::PathBuf) {
    let made = std::process::Command::new("mkfifo").args(["-m", "600"]).arg(path).status();
    assert!(made.unwrap().success());
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_first_login_creates_a_directory_and_files_that_only_root_can_read() {
    let host = fail_closed();
    fs::remove_dir(host.path("state")).unwrap();
    let _login = host.logged_in("login", "alice");
    assert_eq!(mode(&host.path("state")), 0o700);
    assert_eq!(mode(&host.state()), 0o600);
    assert_eq!(mode(&host.path("state/sessions.db.lock")), 0o600);
}

#[test]
fn a_damaged_or_alien_file_is_moved_aside_once_and_kept() {
    let alien = {
        let path = host().path("alien");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = sqlite(&path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
        fs::read(path).unwrap()
    };
    let truncated = {
        let host = fail_closed();
        let _ = host.logged_in("login", "alice");
        fs::read(host.state()).unwrap().get(..3000).unwrap().to_vec()
    };
    let images: [(&str, Vec<u8>); 4] = [
        ("text", b"this is no database at all, but some text of a certain length".repeat(100)),
        ("alien", alien),
        ("truncated", truncated),
        ("zeroes", vec![0; 8192]),
    ];
    for (what, image) in images {
        let host = fail_closed();
        fs::write(host.state(), &image).unwrap();
        fs::set_permissions(host.state(), fs::Permissions::from_mode(0o600)).unwrap();
        let _login = host.logged_in("login", "alice");
        assert_eq!(
            host.login("login", "alice").log_in(),
            code::PERM_DENIED,
            "{what}: counts again"
        );
        let kept = damaged_files(&host);
        assert_eq!(kept.len(), 1, "{what}: {kept:?}");
        assert_eq!(
            fs::read(host.path("state").join(&kept[0])).unwrap(),
            image,
            "{what}: kept whole"
        );
    }
}

#[test]
fn tables_of_another_shape_are_moved_aside() {
    let host = fail_closed();
    drop(host.logged_in("login", "alice"));
    let _ = sqlite(&host.state(), "DROP TABLE session; CREATE TABLE session (uid TEXT)");
    let _login = host.logged_in("login", "alice");
    assert_eq!(damaged_files(&host).len(), 1);
}

#[test]
fn a_store_of_a_later_version_is_left_alone_by_logins_and_closings() {
    let host = fail_closed();
    let mut open = host.logged_in("login", "alice");
    let _ = sqlite(&host.state(), "PRAGMA user_version = 99");
    let image = fs::read(host.state()).unwrap();
    assert_eq!(host.login("login", "bob").acct(), code::SYSTEM_ERR);
    host.stack("login", &Stack::both().control(FAIL_OPEN));
    assert_eq!(host.login("login", "bob").log_in(), 0, "the shipped lines let the login pass");
    assert_eq!(open.close(), 0);
    assert_eq!(fs::read(host.state()).unwrap(), image);
    assert_eq!(damaged_files(&host), Vec::<String>::new());
}

#[test]
fn a_closing_that_meets_a_damaged_store_leaves_it_where_it_is() {
    let host = fail_closed();
    let mut open = host.logged_in("login", "alice");
    let text = "no database at all, but some text of a certain length".repeat(100);
    fs::write(host.state(), &text).unwrap();
    assert_eq!(open.close(), 0);
    assert_eq!(fs::read_to_string(host.state()).unwrap(), text);
    assert_eq!(damaged_files(&host), Vec::<String>::new());
}

#[test]
fn a_row_with_a_value_that_is_not_ours_is_damage() {
    let host = fail_closed();
    let _first = host.logged_in("login", "alice");
    let _ = sqlite(
        &host.state(),
        "PRAGMA ignore_check_constraints = ON; UPDATE session SET state = 'half open'",
    );
    let _second = host.logged_in("login", "alice");
    assert_eq!(damaged_files(&host).len(), 1);
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn a_schema_changed_between_two_phases_is_noticed() {
    let host = fail_closed();
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), 0);
    let trigger = "CREATE TRIGGER t AFTER INSERT ON session BEGIN DELETE FROM session; END";
    let _ = sqlite(&host.state(), trigger);
    assert_eq!(login.open(), 0);
    assert_eq!(damaged_files(&host).len(), 1);
    assert_eq!(rows(&host).len(), 1, "recorded in the new store");
}

#[test]
fn a_store_replaced_between_two_phases_is_read_again() {
    let host = fail_closed();
    host.limit(2);
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), 0);
    // As many changes later, so that only the file itself tells the difference.
    let other = fail_closed();
    let _held = other.logged_in("login", "bob");
    fs::rename(other.state(), host.state()).unwrap();
    assert_eq!(login.open(), 0);
    let mut users: Vec<_> = rows(&host).into_iter().map(|row| row.user).collect();
    users.sort();
    assert_eq!(users, ["alice", "bob"]);
}

#[test]
fn a_reader_with_another_program_is_waited_for() {
    let host = fail_closed();
    drop(host.logged_in("login", "alice"));
    let reader = Reader::of(&host.state());
    // For half a second: it must not hold up every login of the host.
    let began = std::time::Instant::now();
    assert_eq!(host.login("login", "alice").acct(), code::SYSTEM_ERR);
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    let reader = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(reader);
    });
    assert_eq!(host.login("login", "alice").acct(), 0, "soon enough");
    reader.join().unwrap();
}

#[test]
fn another_program_reads_rows_and_finds_no_fault() {
    let host = fail_closed();
    host.limit(5);
    let _open = [host.logged_in("login", "alice"), host.logged_in("login", "alice")];
    let text = |statement: &str| sqlite(&host.state(), statement);
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    assert_eq!(text("SELECT count(*) FROM session WHERE state = 'open'"), "2");
    let by_origin = "SELECT user, service, rhost, count(*) FROM session GROUP BY 1, 2, 3";
    assert_eq!(text(by_origin), "alice|login||2");
    let journal = fs::read(host.path("state/sessions.db-journal")).unwrap();
    assert!(journal.first().is_none_or(|&byte| byte == 0), "nothing that it would undo");
    assert_eq!(text("DELETE FROM session"), "");
    let _third = host.logged_in("login", "alice");
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn an_empty_file_becomes_a_new_store() {
    let host = fail_closed();
    fs::write(host.state(), "").unwrap();
    fs::set_permissions(host.state(), fs::Permissions::from_mode(0o600)).unwrap();
    let _login = host.logged_in("login", "alice");
    assert_eq!(damaged_files(&host), Vec::<String>::new());
    assert_eq!(rows(&host).len(), 1);
}

#[test]
fn a_store_deleted_under_open_sessions_is_created_again() {
    let host = fail_closed();
    let mut open = host.logged_in("login", "alice");
    fs::remove_dir_all(host.path("state")).unwrap();
    let _second = host.logged_in("login", "alice");
    assert_eq!(open.close(), 0, "closing finds nothing of its own");
    assert_eq!(rows(&host).len(), 1, "and takes nothing of the other's");
}

/// Breaks a host, then expects `SYSTEM_ERR` from the module and a login that passes by the shipped lines.
fn is_rejected(what: &str, break_it: impl Fn(&Host)) {
    let host = fail_closed();
    break_it(&host);
    assert_eq!(host.login("login", "alice").acct(), code::SYSTEM_ERR, "{what}: account");
    host.stack("login", &Stack::session_only().control("required"));
    assert_eq!(host.login("login", "alice").open(), code::SYSTEM_ERR, "{what}: session");
    host.stack("login", &Stack::both().control(FAIL_OPEN));
    assert_eq!(host.login("login", "alice").log_in(), 0, "{what}: fail open");
    host.stack("login", &Stack::both().control(testkit::FAIL_CLOSED));
    assert_ne!(host.login("login", "alice").log_in(), 0, "{what}: fail closed");
}

#[test]
fn unsafe_directories_and_files_are_rejected() {
    let chmod = |path: std::path::PathBuf, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    is_rejected("open directory", |host| chmod(host.path("state"), 0o755));
    is_rejected("world-writable directory", |host| chmod(host.path("state"), 0o777));
    is_rejected("writable directory above", |host| chmod(host.path(""), 0o777));
    is_rejected("directory is a file", |host| {
        fs::remove_dir(host.path("state")).unwrap();
        fs::write(host.path("state"), "a file").unwrap();
    });
    is_rejected("readable file", |host| {
        fs::write(host.state(), "").unwrap();
        chmod(host.state(), 0o644);
    });
    is_rejected("file is a directory", |host| fs::create_dir(host.state()).unwrap());
    is_rejected("file is a symbolic link", |host| {
        std::os::unix::fs::symlink(host.path("elsewhere"), host.state()).unwrap();
    });
    is_rejected("directory is a symbolic link", |host| {
        fs::rename(host.path("state"), host.path("moved")).unwrap();
        std::os::unix::fs::symlink(host.path("moved"), host.path("state")).unwrap();
    });
    is_rejected("lock is a FIFO", |host| {
        mkfifo(host.path("state/sessions.db.lock"));
    });
    is_rejected("file is a FIFO", |host| {
        mkfifo(host.state());
    });
    is_rejected("hard link", |host| {
        fs::write(host.path("other"), "").unwrap();
        chmod(host.path("other"), 0o600);
        fs::hard_link(host.path("other"), host.state()).unwrap();
    });
    is_rejected("foreign owner", |host| {
        fs::write(host.state(), "").unwrap();
        chmod(host.state(), 0o600);
        std::os::unix::fs::chown(host.state(), Some(4001), Some(4001)).unwrap();
    });
}

#[test]
fn a_stopped_holder_of_the_lock_stops_others_no_longer_than_the_deadline() {
    let host = fail_closed();
    let _first = host.logged_in("login", "alice");
    let lock = fs::File::options()
        .read(true)
        .write(true)
        .open(host.path("state/sessions.db.lock"))
        .unwrap();
    assert!(session_limit_core::system::file_lock::try_lock(&lock).unwrap());
    let began = std::time::Instant::now();
    assert_eq!(host.login("login", "alice").acct(), code::SYSTEM_ERR);
    let took = began.elapsed().as_secs_f64();
    let deadline = session_limit_core::store::DEADLINE.as_secs_f64();
    assert!((deadline - 0.1..deadline + 2.0).contains(&took), "took {took} s");
    session_limit_core::system::file_lock::unlock(&lock);
    assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
}

#[test]
fn an_unprivileged_caller_is_ignored() {
    let host = fail_closed();
    drop(host.logged_in("login", "alice"));
    let mut locker = host.login("login", "alice");
    assert_eq!(locker.tell("seteuid 4001"), 0);
    assert_eq!((locker.acct(), locker.open()), (0, 0), "pam_permit decides alone");
    // Only PAM_IGNORE jumps over the line that denies.
    let skip = Stack::both()
        .control("[ignore=1 default=ignore]")
        .followed_by("account required pam_deny.so\n");
    host.stack("login", &skip);
    let mut locker = host.login("login", "alice");
    assert_eq!(locker.tell("seteuid 4001"), 0);
    assert_eq!(locker.acct(), 0, "the module's own code is PAM_IGNORE");
    assert_ne!(host.login("login", "alice").acct(), 0, "root's is not");
}

#[test]
fn a_user_without_a_limit_is_never_locked_out_by_a_broken_store() {
    let host = fail_closed();
    host.limit(0);
    fs::create_dir(host.state()).unwrap();
    let mut login = host.logged_in("login", "root");
    assert_eq!(login.close(), 0);
}
