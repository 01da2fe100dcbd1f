//! B4: what may be planted at the path of the store, and a user who keeps swapping it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::{FAIL_CLOSED, Host, Stack, code};

use crate::{amount, as_user, figure, host};

fn fail_closed() -> Host {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    host
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program}");
}

/// Something that is not a store.
type Plant = (&'static str, fn(&Path, &Path));

const PLANTS: [Plant; 8] = [
    ("a symbolic link to a file", |at, victim| symlink(victim, at).unwrap()),
    ("a symbolic link to nothing", |at, victim| symlink(victim.join("none"), at).unwrap()),
    ("a symbolic link to itself", |at, _| symlink(at, at).unwrap()),
    ("a directory", |at, _| fs::create_dir(at).unwrap()),
    ("a FIFO", |at, _| run("mkfifo", &["-m", "600", at.to_str().unwrap()])),
    ("a socket", |at, _| drop(std::os::unix::net::UnixListener::bind(at).unwrap())),
    ("a device", |at, _| run("mknod", &["-m", "600", at.to_str().unwrap(), "c", "1", "5"])),
    ("another user's file", |at, _| {
        fs::write(at, "").unwrap();
        mode(at, 0o600);
        std::os::unix::fs::chown(at, Some(4001), Some(4001)).unwrap();
    }),
];

#[test]
fn b4_nothing_that_is_planted_is_followed_or_written_to() {
    let mut cases = 0;
    for (what, plant) in PLANTS {
        for path in ["state", "state/sessions.db", "state/sessions.db.lock"] {
            let host = fail_closed();
            let victim = host.path("victim");
            fs::write(&victim, "untouched").unwrap();
            mode(&victim, 0o600);
            let at = host.path(path);
            if path == "state" {
                fs::remove_dir(&at).unwrap();
                if what == "a directory" {
                    fs::create_dir(&at).unwrap();
                    mode(&at, 0o777);
                } else {
                    plant(&at, &victim);
                }
            } else {
                plant(&at, &victim);
            }
            assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR, "{what} at {path}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "{what} at {path}");
            cases += 1;
        }
    }
    for path in ["state/sessions.db", "state/sessions.db.lock"] {
        for wrong in [0o644, 0o660, 0o666, 0o4666] {
            let host = fail_closed();
            fs::write(host.path(path), "").unwrap();
            mode(&host.path(path), wrong);
            assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR, "{wrong:o} {path}");
            cases += 1;
        }
        let host = fail_closed();
        fs::write(host.path("other"), "").unwrap();
        mode(&host.path("other"), 0o600);
        fs::hard_link(host.path("other"), host.path(path)).unwrap();
        assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR, "hard link {path}");
        assert_eq!(fs::read(host.path("other")).unwrap(), b"");
        cases += 1;
    }
    figure("B4", format!("{cases} things planted: refused, nothing written"));
}

#[test]
fn b4_a_link_anywhere_in_the_path_is_rejected() {
    for component in ["a", "a/b", "a/b/state"] {
        let host = host();
        host.limit(1);
        fs::create_dir_all(host.path("a/b/state")).unwrap();
        mode(&host.path("a/b/state"), 0o700);
        let real = host.path("real");
        fs::rename(host.path(component), &real).unwrap();
        symlink(&real, host.path(component)).unwrap();
        let elsewhere = format!(" state={}", host.path("a/b/state/sessions.db").display());
        host.stack("login", &Stack::both().control(FAIL_CLOSED).with(&elsewhere));
        assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR, "{component}");
    }
}

/// A user keeps trying to swap, remove, link and create the directory of the store, which is in a
/// world-writable directory (like `/tmp`); now and then it is missing, as after a boot, so that the user can
/// be first.
#[test]
fn b4_a_user_who_keeps_swapping_the_directory_gets_nothing_written() {
    let host = host();
    host.limit(1);
    let open = host.path("open");
    fs::create_dir(&open).unwrap();
    mode(&open, 0o1777);
    let victim = host.path("victim");
    fs::write(&victim, "untouched").unwrap();
    mode(&victim, 0o600);
    let state = open.join("state");
    let elsewhere = format!(" state={}", state.join("sessions.db").display());
    host.stack("login", &Stack::both().control(FAIL_CLOSED).with(&elsewhere));

    let turns = amount(300, 100_000);
    let done = AtomicBool::new(false);
    let (mut served, mut refused, mut attempts) = (0, 0, 0_u64);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            as_user(4001, || {
                let mut attempts = 0_u64;
                let (own, link) = (open.join("own"), open.join("link"));
                while !done.load(Ordering::Relaxed) {
                    attempts += 1;
                    let _ = fs::create_dir(&own);
                    let _ = symlink(&victim, own.join("sessions.db"));
                    let _ = symlink(&victim, own.join("sessions.db.lock"));
                    let _ = symlink(&own, &link);
                    let _ = fs::rename(&state, open.join("away"));
                    let _ = fs::rename(&own, &state);
                    let _ = fs::rename(&link, &state);
                    exchange(&own, &state);
                    exchange(&link, &state);
                    let _ = fs::remove_file(state.join("sessions.db"));
                    let _ = fs::write(state.join("sessions.db"), "planted");
                    if attempts % 64 == 0 {
                        let _ = fs::remove_dir_all(&state);
                    }
                    if attempts % 4096 == 0 {
                        // On a busy machine a login might never be first otherwise.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                attempts
            })
        });
        let mut login = host.login("login", "alice");
        // Longer if no login has been first yet.
        for turn in 0..20 * turns {
            if turn >= turns && served > 0 {
                break;
            }
            match login.log_in() {
                0 => {
                    served += 1;
                    assert_eq!(login.close(), 0);
                }
                code::SYSTEM_ERR => refused += 1,
                // Any other code would be wrong; a directory made by the user is rejected.
                other => panic!("code {other}"),
            }
            assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched", "turn {turn}");
            if turn % 8 == 0 {
                let _ = fs::remove_dir_all(&state);
                let _ = fs::remove_file(&state);
            }
        }
        done.store(true, Ordering::Relaxed);
        attempts = swapper.join().unwrap();
    });
    figure(
        "B4",
        format!(
            "{} logins against {attempts} swaps: {served} served, {refused} refused, nothing written",
            served + refused
        ),
    );
    assert!(served > 0 && attempts > 0);
}

fn exchange(one: &Path, other: &Path) {
    let name = |path: &Path| std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    let (one, other) = (name(one), name(other));
    let here = libc::AT_FDCWD;
    // SAFETY: both paths are terminated.
    unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            here,
            one.as_ptr(),
            here,
            other.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
}
