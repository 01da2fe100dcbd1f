//! B1, B6 and parsers: configuration text, module arguments, `/proc` stat lines, of any kind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use session_limit_core::config::{Config, MAX_BYTES};
use session_limit_core::process::Stat;
use testkit::{FAIL_CLOSED, Stack, code};

use crate::{amount, figure, host};

#[path = "../../../fuzz/module.rs"]
mod module;

/// A configuration that uses every key there is.
const FULL: &str = r#"
[[useraccountprofile]]
uuid = "useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4"
name = "Default-User-Account-Profile"
max_password_history_count = 0
max_login_failure_count = 20
account_lock_timeout = 30
max_concurrent_sessions = 1
credentials_timeout_threshold = 0

[[useraccountprofile]]
name = "Contractors"
max_concurrent_sessions = 2

[[user]]
username = "alice"
user_profile = "Contractors"

[[group]]
name = "operators"
user_profile = "Contractors"

[policy]
counted_services = ["sshd", "sshd-*", "login"]
on_limit = "reject"
on_clear = "terminate"
admin_groups = ["sudo"]
"#;

fn runs(short: i32, full: i32) -> TestRunner {
    let cases = u32::try_from(amount(short, full)).unwrap();
    TestRunner::new(Runs { cases, failure_persistence: None, ..Runs::default() })
}

/// Parses; an error has a message, and a span inside the text.
fn is_parsed_or_explained(given: &str) -> Result<(), TestCaseError> {
    match Config::parse(given) {
        Ok(config) => {
            prop_assert!(config.profile("Default-User-Account-Profile").is_some());
        }
        Err(problem) => {
            prop_assert!(!problem.message.is_empty());
            if let Some(span) = problem.span {
                prop_assert!(span.start <= given.len() && span.end <= given.len());
            }
        }
    }
    Ok(())
}

#[test]
fn b1_random_text_is_parsed_or_rejected() {
    let words = prop::sample::select(vec![
        "[[useraccountprofile]]",
        "[[user]]",
        "[[group]]",
        "[policy]",
        "[user]",
        "name",
        "username",
        "user_profile",
        "uuid",
        "max_concurrent_sessions",
        "counted_services",
        "on_limit",
        " = ",
        "= ",
        "\"reject\"",
        "\"ask\"",
        "\"Contractors\"",
        "\"Default-User-Account-Profile\"",
        "0",
        "1",
        "-1",
        "4294967295",
        "4294967296",
        "9223372036854775807",
        "1e300",
        "nan",
        "true",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "\r\n",
        "\t",
        "#",
        "\"",
        "'''",
        "\"\"\"",
        "\\u0000",
        "\u{feff}",
        ",",
        ".",
        "\u{202e}",
        "é",
    ]);
    let text = prop_oneof![
        any::<String>(),
        prop::collection::vec(words, 0..60).prop_map(|words| words.concat()),
    ];
    let count = amount(3_000, 700_000);
    runs(3_000, 700_000).run(&text, |text| is_parsed_or_explained(&text)).unwrap();
    figure("B1", format!("{count} random texts: parsed or rejected, no panic"));
}

#[test]
fn b1_a_valid_file_with_bytes_changed_is_parsed_or_rejected() {
    assert!(Config::parse(FULL).is_ok(), "the seed itself is valid");
    let changes = prop::collection::vec((0..FULL.len(), any::<u8>(), 0..3_u8), 1..6);
    let count = amount(3_000, 300_000);
    runs(3_000, 300_000)
        .run(&changes, |changes| {
            let mut bytes = FULL.as_bytes().to_vec();
            for (at, byte, how) in changes {
                let at = at.min(bytes.len().saturating_sub(1));
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => bytes.truncate(at.max(1)),
                }
            }
            match std::str::from_utf8(&bytes) {
                Ok(text) => is_parsed_or_explained(text),
                Err(_) => Ok(()),
            }
        })
        .unwrap();
    figure("B1", format!("{count} changes of a valid file: parsed or rejected, no panic"));
}

/// Nested and huge texts within the size that is read: neither stack nor memory may run out.
#[test]
fn b1_deep_and_huge_texts_are_rejected_in_time_on_a_threads_stack() {
    let huge = usize::try_from(MAX_BYTES).unwrap() - 64;
    let texts = [
        format!("a = {}", "[".repeat(huge)),
        format!("a = {}", "{a=".repeat(huge / 3)),
        format!("[{}]", "a.".repeat(huge / 2)),
        format!("{}= 1", "a.".repeat(huge / 2)),
        "[[user]]\n".repeat(huge / 9),
        "\"".repeat(huge),
        "a = \"".to_owned() + &"x".repeat(huge),
        "#".repeat(huge),
        "\n".repeat(huge),
        (0..40_000).map(|i| format!("[[user]]\nusername = \"u{i}\"\n")).collect(),
    ];
    for text in texts {
        let began = std::time::Instant::now();
        let start: String = text.chars().take(12).collect();
        std::thread::Builder::new()
            .stack_size(1024 * 1024)
            .spawn(move || drop(Config::parse(&text)))
            .unwrap()
            .join()
            .unwrap_or_else(|_| panic!("{start}: panicked"));
        assert!(began.elapsed().as_secs() < 20, "{start}: {:?}", began.elapsed());
    }
    figure("B1", "deep and huge texts of 1 MiB: rejected on a stack of 1 MiB");
}

/// In a stack that fails closed, no user gets in with a file that is rejected, whatever is wrong with it.
#[test]
fn b1_a_rejected_file_lets_no_user_in_where_the_stack_fails_closed() {
    let host = host();
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    let write = |bytes: &[u8], mode: u32| {
        let _ = fs::remove_dir_all(host.config());
        let _ = fs::remove_file(host.config());
        fs::write(host.config(), bytes).unwrap();
        fs::set_permissions(host.config(), fs::Permissions::from_mode(mode)).unwrap();
    };
    let profile = |line: &str| {
        format!("[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\n{line}\n")
            .into_bytes()
    };
    let mut rejected: Vec<Vec<u8>> = vec![
        b"\xff\xfe".to_vec(),
        b"\0".to_vec(),
        b"a\0b".to_vec(),
        b"nonsense".to_vec(),
        b"[policy]\non_limit = \"maybe\"".to_vec(),
        b"[[user]]\nusername = \"alice\"\nuser_profile = \"missing\"".to_vec(),
        vec![b'#'; usize::try_from(MAX_BYTES).unwrap() + 1],
    ];
    for value in [
        "-1",
        "1.5",
        "4294967296",
        "9223372036854775807",
        "\"1\"",
        "true",
        "[1]",
        "1\nmax_concurrent_sessions = 2",
    ] {
        rejected.push(profile(&format!("max_concurrent_sessions = {value}")));
    }
    for bytes in &rejected {
        write(bytes, 0o644);
        let code = host.login("login", "alice").log_in();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        assert_eq!(code, code::SERVICE_ERR, "{shown}");
    }
    write(FULL.as_bytes(), 0o666);
    assert_eq!(host.login("login", "alice").log_in(), code::SERVICE_ERR, "writable by others");
    for valid in [FULL.to_owned(), FULL.replace('\n', "\r\n"), format!("\u{feff}{FULL}")] {
        write(valid.as_bytes(), 0o644);
        assert_eq!(host.login("login", "alice").log_in(), 0, "{valid:.40}");
    }
    figure(
        "B1",
        format!("{} rejected files in a stack that fails closed: all refused", rejected.len() + 1),
    );
}

#[test]
fn b6_any_arguments_are_accepted_or_reported() {
    let word = prop_oneof![
        any::<Vec<u8>>(),
        prop::sample::select(vec![
            "",
            "config=",
            "config=/x",
            "config=x",
            "state=/s",
            "state=",
            "clear_sessions",
            "debug",
            "on_limit=ask",
            "on_limit=",
            "on_limit",
            "clear_sessions=",
            "=",
            "config",
            "debug=1",
        ])
        .prop_map(|word| word.as_bytes().to_vec()),
    ];
    let count = amount(2_000, 200_000);
    runs(2_000, 200_000)
        .run(&prop::collection::vec(word, 0..20), |words| {
            module::arguments(&words.join(&0));
            Ok(())
        })
        .unwrap();
    figure("B6", format!("{count} random argument lists: accepted or reported"));
}

#[test]
fn b6_a_thousand_arguments_change_no_decision() {
    let host = host();
    host.limit(1);
    let many = " nonsense=1".repeat(90);
    host.stack("login", &Stack::both().control(FAIL_CLOSED).with(&many));
    let _first = host.logged_in("login", "alice");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
    let empty = Stack::both()
        .control(FAIL_CLOSED)
        .with(" on_limit= config = debug debug clear_sessions=no");
    host.stack("login", &empty);
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED);
}

#[test]
fn b1_any_stat_line_is_read_or_rejected() {
    let count = amount(5_000, 500_000);
    let fields = prop::collection::vec("[A-Za-z0-9() \\-]{0,12}", 0..60);
    let line =
        prop_oneof![any::<Vec<u8>>(), fields.prop_map(|fields| fields.join(" ").into_bytes()),];
    runs(5_000, 500_000)
        .run(&line, |line| {
            module::stat(&line);
            Ok(())
        })
        .unwrap();
    // A name may look like the rest of the line.
    runs(1_000, 100_000)
        .run(&("[ -~]{0,15}", any::<u64>(), 1..100_000_i32), |(name, start, parent)| {
            let line = format!("7 ({name}) S {parent} {}{start} 9 9", "1 ".repeat(17));
            let stat = Stat::parse(line.as_bytes());
            prop_assert_eq!(stat.map(|stat| (stat.parent, stat.start_time)), Some((parent, start)));
            Ok(())
        })
        .unwrap();
    figure("B1", format!("{count} stat lines: read or rejected"));
}

#[test]
fn b2_any_text_from_outside_becomes_one_printable_line() {
    let count = amount(5_000, 500_000);
    runs(5_000, 500_000)
        .run(&any::<Vec<u8>>(), |bytes| {
            module::printable(&bytes);
            Ok(())
        })
        .unwrap();
    figure("B2", format!("{count} texts: one printable line each"));
}
