//! F5: file systems, `/proc` and resource limits as a host or the caller of a setuid program may set them.

use testkit::{FAIL_CLOSED, Host, Login, Stack, code};

use crate::{figure, hex, host};

/// A host with limit 1 whose stack returns the module's own code.
fn fail_closed() -> Host {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    host
}

fn path(host: &Host, name: &str) -> String {
    hex(host.path(name).as_os_str().as_encoded_bytes())
}

/// Logs in where an error may be the outcome, but no other failure, and returns the code.
fn decision(host: &Host, login: &mut Login) -> i32 {
    let code = login.log_in();
    assert!(
        matches!(code, 0 | code::SERVICE_ERR | code::SYSTEM_ERR | code::USER_UNKNOWN),
        "code {code}: {}",
        host.stderr()
    );
    code
}

#[test]
fn f5_a_full_file_system_refuses_and_heals() {
    let host = fail_closed();
    let mut login = host.login("login", "alice");
    let options = hex("size=64k,mode=0700");
    assert_eq!(
        login.tell(&format!("mount {} {} {options}", hex("tmpfs"), path(&host, "state"))),
        0
    );
    let inside = format!("/proc/{}/root{}", login.pid(), host.path("state/filler").display());
    let filler = vec![0; 128 * 1024];
    let _ = std::fs::write(&inside, &filler);
    assert_eq!(decision(&host, &mut login), code::SYSTEM_ERR, "full");
    std::fs::remove_file(&inside).unwrap();
    assert_eq!(decision(&host, &mut login), 0, "space again");
    // Full again, with a session open: closing is never refused.
    let _ = std::fs::write(&inside, &filler);
    assert_eq!(login.close(), 0);
    figure("F5", "full tmpfs: PAM_SYSTEM_ERR, heals when space returns");
}

#[test]
fn f5_a_read_only_file_system_is_ignored_and_logged() {
    let host = fail_closed();
    let skip = Stack::both()
        .control("[ignore=1 default=ignore]")
        .followed_by("account required pam_deny.so\n");
    host.stack("login", &skip);
    for before in ["never used", "used"] {
        if before == "used" {
            drop(host.logged_in("sshd", "bob"));
        }
        let mut login = host.login("login", "alice");
        let state = path(&host, "state");
        assert_eq!(login.tell(&format!("bind {state} {state}")), 0);
        assert_eq!(login.tell(&format!("read-only {state}")), 0);
        assert_eq!(login.acct(), 0, "{before}: PAM_IGNORE jumps over the line that denies");
    }
    figure("F5", "read-only file system: PAM_IGNORE");
}

#[test]
fn f5_without_proc_no_login_is_counted_and_none_crashes() {
    let host = fail_closed();
    let mut login = host.login("login", "alice");
    login.tell(&format!("mount {} {} {}", hex("tmpfs"), hex("/proc"), hex("size=4k")));
    assert_eq!(decision(&host, &mut login), code::SYSTEM_ERR, "no /proc");
    login.tell(&format!("unmount {}", hex("/proc")));
    assert_eq!(decision(&host, &mut login), 0);
    login.tell(&format!("mount {} {} {}", hex("tmpfs"), hex("/proc"), hex("size=4k")));
    assert_eq!(login.close(), 0, "closing needs no /proc");
    figure("F5", "no /proc: PAM_SYSTEM_ERR, and closing works");
}

#[test]
fn f5_hidepid_hides_nothing_from_the_module() {
    let host = fail_closed();
    let mut first = host.login("login", "alice");
    assert_eq!(first.tell("new-pid-namespace"), 0);
    let hidden = hex("hidepid=2");
    assert_eq!(first.tell(&format!("mount {} {} {hidden}", hex("proc"), hex("/proc"))), 0);
    assert_eq!(first.log_in(), 0);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    assert_eq!(first.close(), 0);
    figure("F5", "hidepid=2: as without it");
}

#[test]
fn f5_a_missing_parent_directory_is_an_error_and_a_missing_directory_is_created() {
    let host = fail_closed();
    std::fs::remove_dir(host.path("state")).unwrap();
    assert_eq!(host.login("login", "alice").log_in(), 0, "made");
    let missing = Stack::both()
        .control("required")
        .with(&format!(" state={}", host.path("no/such/directory/sessions.db").display()));
    host.stack("login", &missing);
    assert_eq!(host.login("login", "alice").log_in(), code::SYSTEM_ERR);
    figure("F5", "missing directory: the last one is created, no other");
}

/// Every resource limit that a caller of a setuid program may set, from nothing upwards: the application
/// survives, the code is one of the documented ones, and a login that is let in is counted.
#[test]
fn f5_limits_of_a_setuid_program_change_no_decision_but_to_an_error() {
    let sweeps: [(&str, u32, &[u64]); 7] = [
        ("FSIZE", libc::RLIMIT_FSIZE, &[0, 1, 511, 512, 4096, 8192, 16_384, 65_536]),
        ("NOFILE", libc::RLIMIT_NOFILE, &[4, 5, 6, 7, 8, 9, 10, 12, 16]),
        ("AS", libc::RLIMIT_AS, &[12 << 20, 14 << 20, 16 << 20, 20 << 20, 32 << 20, 64 << 20]),
        ("DATA", libc::RLIMIT_DATA, &[0, 1 << 20, 4 << 20]),
        ("STACK", libc::RLIMIT_STACK, &[65_536, 131_072, 1 << 20]),
        ("NPROC", libc::RLIMIT_NPROC, &[0, 1]),
        ("CPU", libc::RLIMIT_CPU, &[1, 2]),
    ];
    let (mut cases, mut served, mut aborted) = (0, 0, 0);
    for (name, resource, values) in sweeps {
        for &value in values {
            let host = fail_closed();
            // The store is there, as on every host but a freshly booted one; and the same without it.
            for existing in [false, true] {
                if existing {
                    drop(host.logged_in("login", "bob"));
                }
                let mut login = host.login("login", "alice");
                assert_eq!(login.tell("real-uid 4004"), 0);
                assert_eq!(login.tell(&format!("rlimit {resource} {value} {value}")), 0, "{name}");
                cases += 1;
                let memory = matches!(name, "AS" | "DATA");
                let Some(code) = (if memory { login.try_log_in() } else { Some(login.log_in()) })
                else {
                    aborted += 1;
                    assert_eq!(
                        host.login("login", "alice").log_in(),
                        0,
                        "{name} {value}: slot free"
                    );
                    continue;
                };
                let is_plain =
                    matches!(code, 0 | code::SYSTEM_ERR | code::SERVICE_ERR | code::USER_UNKNOWN);
                // Without a descriptor for /proc no process can be told from a live one.
                let in_doubt = code == code::PERM_DENIED && name == "NOFILE";
                assert!(is_plain || in_doubt, "{name} {value}: code {code}");
                let next = host.login("login", "alice").log_in();
                // The account phase may have reserved before the opening failed.
                let is_right = next == code::PERM_DENIED || (code != 0 && next == 0);
                assert!(is_right, "{name} {value}, existing {existing}: code {code}, then {next}");
                served += i32::from(code == 0);
                let closed = match code {
                    0 if memory => login.try_close(),
                    0 => Some(login.close()),
                    _ => Some(0),
                };
                match closed {
                    Some(closed) => {
                        assert_eq!(closed, 0, "{name} {value}");
                        assert!(!login.has_ended());
                    }
                    None => aborted += 1,
                }
                login.kill();
                assert_eq!(host.login("login", "alice").log_in(), 0, "{name} {value}: slot free");
            }
        }
    }
    figure(
        "F5",
        format!(
            "{cases} cases of FSIZE, NOFILE, AS, DATA, STACK, NPROC, CPU with a caller's real uid: \
             {served} let in and counted, {aborted} ended out of memory, all others an error"
        ),
    );
}

#[test]
fn f5_a_small_stack_is_enough() {
    let host = fail_closed();
    let mut smallest = 0;
    for kib in [512, 256, 128, 96] {
        let mut login = host.login("login", "alice");
        assert_eq!(login.tell(&format!("stack {} acct", kib * 1024)), 0, "{kib} KiB");
        assert_eq!(login.tell(&format!("stack {} open", kib * 1024)), 0, "{kib} KiB");
        assert_eq!(login.tell(&format!("stack {} close", kib * 1024)), 0, "{kib} KiB");
        smallest = kib;
    }
    figure("F5", format!("threads with a stack of {smallest} KiB are enough"));
}
