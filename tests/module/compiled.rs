//! The configuration that is kept beside the store: used while it is true, and never longer.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use testkit::{Host, STRICT, Stack, code};

use crate::host;

/// Hosts whose limit of 1 is kept beside the store.
fn settled_hosts(count: usize) -> Vec<Host> {
    let hosts: Vec<_> = (0..count).map(|_| host()).collect();
    for host in &hosts {
        host.stack("login", &Stack::both().control(STRICT));
        host.limit(1);
        assert_eq!(host.login("login", "bob").log_in(), 0);
        // A file that was changed a moment ago is not trusted to show the next change.
        assert!(!kept(host).exists());
    }
    std::thread::sleep(Duration::from_millis(3_100));
    for host in &hosts {
        assert_eq!(host.login("login", "bob").log_in(), 0);
        assert!(kept(host).exists());
    }
    hosts
}

fn kept(host: &Host) -> PathBuf {
    host.path("state/sessions.db-config")
}

fn settled() -> (Host, PathBuf) {
    let host = settled_hosts(1).remove(0);
    let kept = kept(&host);
    (host, kept)
}

/// How many sessions alice may hold now, up to three.
fn admitted(host: &Host) -> usize {
    let mut logins: Vec<_> = (0..3).map(|_| host.login("login", "alice")).collect();
    logins.iter_mut().filter_map(|login| (login.log_in() == 0).then_some(())).count()
}

#[test]
fn it_is_written_once_and_only_root_can_read_it() {
    let (host, kept) = settled();
    let meta = fs::metadata(&kept).unwrap();
    assert_eq!(meta.mode() & 0o7777, 0o600);
    assert_eq!(admitted(&host), 1);
    assert_eq!(fs::metadata(&kept).unwrap().ino(), meta.ino(), "the same file");
    let beside: Vec<_> = fs::read_dir(host.path("state")).unwrap().collect();
    assert_eq!(beside.len(), 4, "{beside:?}");
}

#[test]
fn every_change_of_the_configuration_is_seen_by_the_next_login() {
    type Change = fn(&Host);
    let changes: [(&str, Change, usize); 7] = [
        ("another text of the same length", |host| host.limit(2), 2),
        (
            "another file in its place",
            |host| {
                let new = host.path("new.toml");
                fs::write(&new, testkit::default_limit(2)).unwrap();
                fs::set_permissions(&new, fs::Permissions::from_mode(0o644)).unwrap();
                fs::rename(new, host.config()).unwrap();
            },
            2,
        ),
        (
            "a text with the old time stamps",
            |host| {
                let modified = fs::metadata(host.config()).unwrap().modified().unwrap();
                host.limit(2);
                let file = fs::File::options().write(true).open(host.config()).unwrap();
                file.set_modified(modified).unwrap();
            },
            2,
        ),
        ("none at all", |host| fs::remove_file(host.config()).unwrap(), 0),
        (
            "a mode that lets others write",
            |host| {
                let mode = fs::Permissions::from_mode(0o666);
                fs::set_permissions(host.config(), mode).unwrap();
            },
            0,
        ),
        (
            "another owner",
            |host| std::os::unix::fs::chown(host.config(), Some(1234), None).unwrap(),
            0,
        ),
        (
            "a symbolic link to it",
            |host| {
                let moved = host.path("moved.toml");
                fs::rename(host.config(), &moved).unwrap();
                symlink(moved, host.config()).unwrap();
            },
            0,
        ),
    ];
    let hosts = settled_hosts(changes.len());
    for (host, (what, change, expected)) in hosts.iter().zip(changes) {
        change(host);
        assert_eq!(admitted(host), expected, "{what}");
    }
}

#[test]
fn one_that_is_damaged_or_not_ours_is_written_anew() {
    let (host, kept) = settled();
    let text = fs::read_to_string(&kept).unwrap();
    let more = text.replace("\t1\t0\n", "\t3\t0\n");
    assert_ne!(more, text, "{text}");
    for (what, text) in [
        ("nothing", String::new()),
        ("a part", text[..text.len() / 2].to_owned()),
        ("another limit, by hand", more),
        ("no text", "\u{0}".repeat(600)),
        ("far too long", text.repeat(10_000)),
    ] {
        fs::write(&kept, text).unwrap();
        assert_eq!(admitted(&host), 1, "{what}");
        assert!(fs::metadata(&kept).unwrap().len() < 1000, "{what}: written anew");
    }
    for (what, uid, mode) in [("another's", 1234, 0o600), ("open to others", 0, 0o644)] {
        std::os::unix::fs::chown(&kept, Some(uid), None).unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(admitted(&host), 1, "{what}");
        let meta = fs::metadata(&kept).unwrap();
        assert_eq!((meta.uid(), meta.mode() & 0o777), (0, 0o600), "{what}: written anew");
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_not_believed() {
    let (host, kept) = settled();
    fs::set_permissions(host.path("state"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::remove_file(&kept).unwrap();
    assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR);
    assert!(!kept.exists());
}

#[test]
fn stacks_with_two_configurations_do_not_take_turns_in_writing() {
    let (host, kept) = settled();
    let inode = fs::metadata(&kept).unwrap().ino();
    let other = host.path("other.toml");
    fs::write(&other, testkit::default_limit(2)).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o644)).unwrap();
    host.stack("sshd", &Stack::both().control(STRICT).with(&format!("config={}", other.display())));
    std::thread::sleep(Duration::from_millis(3_100));
    let mut logins: Vec<_> = (0..3).map(|_| host.login("sshd", "alice")).collect();
    let codes: Vec<_> = logins.iter_mut().map(testkit::Login::log_in).collect();
    assert_eq!(codes, [0, 0, code::PERM_DENIED]);
    assert_eq!(fs::metadata(&kept).unwrap().ino(), inode);
    // The one that is kept is of no use any more.
    fs::remove_file(host.config()).unwrap();
    assert_eq!(host.login("sshd", "bob").log_in(), 0);
    let text = fs::read_to_string(&kept).unwrap();
    assert!(text.contains(other.to_str().unwrap()), "{text}");
}

#[test]
fn one_that_cannot_be_written_whole_is_not_there() {
    let (host, kept) = settled();
    fs::remove_file(&kept).unwrap();
    let mut login = host.login("login", "alice");
    assert_eq!(login.tell(&format!("rlimit {} 100 100", libc::RLIMIT_FSIZE)), 0);
    assert_eq!(login.log_in(), code::SYSTEM_ERR, "the host lives; the store could not be written");
    assert!(!kept.exists());
}

#[test]
fn it_tells_the_boot_only_where_a_reboot_would_have_emptied_it() {
    let in_memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let on_disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let host = host();
    host.limit(1);
    let states = [in_memory.path(), on_disk.path()].map(|folder| {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        folder.join("sessions.db")
    });
    std::thread::sleep(Duration::from_millis(3_100));
    let boot = "/proc/sys/kernel/random/boot_id";
    let other_boot = host.path("boot_id");
    fs::write(&other_boot, "11111111-2222-3333-4444-555555555555\n").unwrap();
    for (state, expected) in states.iter().zip([code::PERM_DENIED, 0]) {
        let folder = fs::File::open(state.parent().unwrap()).unwrap();
        if session_limit_core::system::is_in_memory(&folder) != (expected != 0) {
            println!("SKIPPED: {} is not on the file system expected", state.display());
            continue;
        }
        host.stack(
            "login",
            &Stack::both().control(STRICT).with(&format!("state={}", state.display())),
        );
        let mut first = host.login("login", "alice");
        assert_eq!(first.log_in(), 0);
        let kept = fs::read_to_string(state.with_extension("db-config")).unwrap();
        assert!(kept.contains(fs::read_to_string(boot).unwrap().trim()), "{kept}");
        // Another boot, as far as the kernel says.
        let mut second = host.login("login", "alice");
        let [from, to] = [other_boot.as_os_str().as_encoded_bytes(), boot.as_bytes()]
            .map(testkit::actor::to_hex);
        assert_eq!(second.tell(&format!("bind {from} {to}")), 0);
        assert_eq!(second.log_in(), expected, "{}", state.display());
    }
}
