//! What is sent to the audit trail, byte by byte.

use std::fs;

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

/// The records of the types that this module writes: type and text.
fn records(host: &Host) -> Vec<(u16, String)> {
    let bytes = fs::read(host.path("trail")).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    // A message of netlink(7): length, type, flags, sequence, port, then the text.
    while rest.len() >= 16 {
        let length = u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize;
        let kind = u16::from_ne_bytes(rest[4..6].try_into().unwrap());
        let text = String::from_utf8_lossy(&rest[16..length]);
        found.push((kind, text.trim_end_matches('\0').to_owned()));
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
    }
    found.retain(|(kind, _)| matches!(kind, 2102 | 2203 | 1111));
    found
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
