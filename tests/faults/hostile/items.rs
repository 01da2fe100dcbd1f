//! B2: PAM items of any content, through the real libpam.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use testkit::code;

use crate::{amount, figure, host, rows};

const TTY: i32 = 3;
const RHOST: i32 = 4;
const RUSER: i32 = 8;

fn bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    let hostile = prop::sample::select(vec![
        &b""[..],
        b"\n",
        b"a\nb",
        b"\x1b]0;x\x07",
        b"%n%n%s",
        b"'; DROP TABLE session; --",
        b"../../x",
        b"\xff\xfe",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x98\x80",
        b"\"",
        b"\\",
        b"-",
        b" ",
        b"=",
        b"<0>kernel: x",
    ]);
    prop_oneof![
        1 => Just(None),
        4 => hostile.prop_map(|bytes| Some(bytes.to_vec())),
        4 => prop::collection::vec(1_u8..=255, 0..400).prop_map(Some),
        1 => prop::collection::vec(1_u8..=255, 4000..4001).prop_map(Some),
    ]
}

#[test]
fn b2_items_of_any_content_are_counted_and_stored_printable() {
    let cases = u32::try_from(amount(100, 2_000)).unwrap();
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let host = host();
    host.limit(1);
    TestRunner::new(config)
        .run(&(bytes(), bytes(), bytes()), |(tty, rhost, ruser)| {
            let mut login = host.login("login", "alice");
            for (item, value) in [(TTY, &tty), (RHOST, &rhost), (RUSER, &ruser)] {
                login.item(item, value.as_deref());
            }
            // libpam's own audit record may refuse an item; the account phase has reserved by then.
            login.log_in();
            let stored = rows(&host);
            prop_assert_eq!(stored.len(), 1);
            for text in [&stored[0].origin.tty, &stored[0].origin.rhost].into_iter().flatten() {
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control), "{:?}", text);
                prop_assert!(text.len() <= 2600);
            }
            prop_assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
            login.end(6);
            Ok(())
        })
        .unwrap();
    figure("B2", format!("{cases} logins with hostile items: counted, stored printable"));
}

#[test]
fn b2_users_and_services_of_any_content_are_unknown_or_not_counted() {
    let cases = u32::try_from(amount(100, 2_000)).unwrap();
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 50, ..Config::default() };
    let host = host();
    host.limit(1);
    host.stack("login", &testkit::Stack::both().control("required"));
    TestRunner::new(config)
        .run(&bytes(), |user| {
            let user = user.unwrap_or_default();
            let mut login = host.application();
            prop_assert_eq!(login.start(b"login", Some(&user), "scripted"), 0);
            prop_assert_eq!(
                login.acct(),
                code::USER_UNKNOWN,
                "{:?}",
                String::from_utf8_lossy(&user)
            );
            Ok(())
        })
        .unwrap();
    assert!(!host.state().exists() || rows(&host).is_empty());
    figure("B2", format!("{cases} user names: unknown"));
}
