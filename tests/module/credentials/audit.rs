//! What is sent to the audit trail, byte by byte, and what the kernel makes of it where its audit is on.

use testkit::audit::{self, KernelTrail};
use testkit::{Host, Stack, code, default_limit, example};

use crate::host;

/// A host whose audit trail is a file.
fn recorded_host() -> Host {
    let host = host();
    let trail = host.path("trail");
    let shim = example("libpreload_shim.so").display().to_string();
    host.with_environment("LD_PRELOAD", &shim)
        .with_environment("SHIM_AUDIT_TRAIL", &trail.display().to_string())
}

/// The records that were sent, type and text.
fn records(host: &Host) -> Vec<(u16, String)> {
    audit::sent(&host.path("trail"))
}

#[test]
fn a_refusal_has_the_fields_that_pam_limits_writes() {
    let host = recorded_host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    assert_eq!(records(&host), [], "a login that is let in is libpam's to record");
    let mut second = host.login("login", "alice");
    second.item(4, Some(b"192.0.2.7"));
    second.item(3, Some(b"/dev/tty7"));
    assert_eq!(second.acct(), code::PERM_DENIED);
    let all = records(&host);
    let [(2102, text)] = all.as_slice() else { panic!("{all:?}") };
    let exe = std::env::current_exe().unwrap();
    let (before, after) = text.split_once(" exe=").unwrap();
    assert_eq!(before, "op=pam_session_limit acct=\"alice\"");
    let (exe_field, after) = after.split_once(' ').unwrap();
    assert!(exe_field.ends_with("pam_actor\""), "{exe_field} of {exe:?}");
    assert_eq!(after, "hostname=192.0.2.7 addr=192.0.2.7 terminal=/dev/tty7 res=failed");
}

#[test]
fn clearing_is_recorded_with_the_number_of_sessions() {
    let host = recorded_host();
    host.configure(&default_limit(1));
    host.stack("sshd", &Stack::both().with("clear_sessions"));
    let _first = host.logged_in("login", "alice");
    let _second = host.logged_in("sshd", "alice");
    let all = records(&host);
    let [(2203, text)] = all.as_slice() else { panic!("{all:?}") };
    assert!(
        text.starts_with("op=session-limit-clear acct=\"alice\" sessions=\"1\" exe="),
        "{text}"
    );
    assert!(text.ends_with("hostname=? addr=? terminal=? res=success"), "{text}");
}

#[test]
fn a_host_without_an_audit_trail_decides_the_same() {
    let shim = example("libpreload_shim.so").display().to_string();
    let host =
        host().with_environment("LD_PRELOAD", &shim).with_environment("SHIM_AUDIT_TRAIL", "none");
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    assert_eq!(second.acct(), code::PERM_DENIED);
    assert_eq!(host.stderr(), "");
}

#[test]
fn the_kernel_writes_a_refusal_into_its_trail() {
    let Some(trail) = KernelTrail::open() else {
        eprintln!(
            "SKIPPED: needs root, and a kernel whose audit is on, as auditd or `auditctl -e 1` has it"
        );
        return;
    };
    let host = host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    let mut second = host.login("login", "alice");
    second.item(4, Some(b"192.0.2.77"));
    assert_eq!(second.acct(), code::PERM_DENIED);
    let record = trail.wait(2102, "192.0.2.77");
    // Who did it, by the kernel's knowledge, then our fields.
    let (kernel, ours) = record.split_once(" msg='").unwrap();
    assert!(kernel.starts_with("audit(") && kernel.contains(" auid="), "{record}");
    assert!(ours.starts_with("op=pam_session_limit acct=\"alice\" exe="), "{record}");
    let after = ours.split_once(" hostname=").unwrap().1;
    assert_eq!(after.trim_end(), "192.0.2.77 addr=192.0.2.77 terminal=? res=failed'", "{record}");
}
