//! What applications put into PAM's items.

use testkit::code;

use crate::{host, rows};

const TTY: i32 = 3;
const RHOST: i32 = 4;

#[test]
fn items_that_are_missing_or_empty_are_left_out() {
    for value in [None, Some(&b""[..])] {
        let host = host();
        let mut login = host.login("login", "alice");
        login.item(TTY, value);
        login.item(RHOST, value);
        assert_eq!(login.log_in(), 0);
        assert_eq!(rows(&host)[0].origin.to_string(), "service login");
    }
}

#[test]
fn items_from_outside_are_stored_printable_and_cut() {
    let table: &[(&[u8], &str)] = &[
        (b"a\nb\rc\x1b[2J\x07", "a\\nb\\rc\\u{1b}[2J\\u{7}"),
        (b"\xff\xfe\x80", "\\xff\\xfe\\x80"),
        (b"'; DROP TABLE session; --", "'; DROP TABLE session; --"),
        (b"../../etc/passwd", "../../etc/passwd"),
        (b"%n%s%d", "%n%s%d"),
        ("\u{202e}txt".as_bytes(), "\\u{202e}txt"),
        ("\u{1f600}".as_bytes(), "\\u{1f600}"),
        ("m\u{fc}ller".as_bytes(), "m\u{fc}ller"),
        (b" ", " "),
    ];
    let host = host();
    for (given, stored) in table {
        let mut login = host.login("login", "alice");
        login.item(TTY, Some(given));
        login.item(RHOST, Some(given));
        assert_eq!(login.log_in(), 0, "{stored}");
        let row = rows(&host).remove(0);
        assert_eq!(row.origin.tty.as_deref(), Some(*stored));
        assert_eq!(row.origin.rhost.as_deref(), Some(*stored));
        assert_eq!(login.close(), 0);
    }
    host.limit(9);
    let mut login = host.login("login", "alice");
    login.item(RHOST, Some(&[b'x'; 65536]));
    // libpam's own audit record may be too long then: the code is not the module's alone.
    login.acct();
    assert_eq!(
        rows(&host)[0].origin.rhost.as_deref(),
        Some(format!("{}...", "x".repeat(256)).as_str())
    );
}

#[test]
fn strange_users_are_unknown_and_strange_services_are_not_counted() {
    let host = host();
    host.configure(&format!("{}[policy]\ncounted_services = [\"*\"]\n", testkit::default_limit(1)));
    host.stack("login", &testkit::Stack::both().control("required"));
    for user in [&b""[..], b"\xff\xfe", b"al\nice", b"alice ", b"../alice", &[b'x'; 65536]] {
        let mut login = host.application();
        assert_eq!(login.start(b"login", Some(user), "scripted"), 0);
        assert_eq!(login.acct(), code::USER_UNKNOWN, "{:?}", String::from_utf8_lossy(user));
    }
    host.limit(1);
    let mut login = host.application();
    assert_eq!(login.start(b"login", None, "scripted"), 0);
    login.will_answer("alice");
    assert_eq!(login.log_in(), 0, "a user left out is asked for, as pam_get_user(3) says");
    assert_eq!(rows(&host)[0].user, "alice");
}
