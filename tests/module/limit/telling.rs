//! What a refused user is told after the warning.

use testkit::{Host, Login, Message, Stack, code};

use crate::{host, rewrite_rows};

const WARNING: &str = "WARNING: Maximum concurrent session count has been reached.\nPlease clear the sessions using shell --clear-sessions";
const TTY: i32 = 3;
const RHOST: i32 = 4;

/// A host with a limit of two and these lines of `[policy]`.
fn telling(policy: &str) -> Host {
    let host = host();
    host.configure(&format!("{}[policy]\n{policy}\n", testkit::default_limit(2)));
    host
}

fn two_sessions(host: &Host) -> [Login; 2] {
    let mut first = host.login("sshd", "alice");
    first.item(TTY, Some(b"ssh"));
    first.item(RHOST, Some(b"192.0.2.7"));
    assert_eq!(first.log_in(), 0);
    let mut second = host.login("login", "alice");
    second.item(TTY, Some(b"/dev/tty1"));
    assert_eq!(second.log_in(), 0);
    rewrite_rows(host, |row| row.since = 1_795_632_125);
    [first, second]
}

/// What a third login is told after the warning.
fn told(host: &Host, service: &str) -> Vec<String> {
    let mut third = host.login(service, "alice");
    assert_eq!(third.acct(), code::PERM_DENIED);
    after_warning(third.said())
}

fn after_warning(said: &[Message]) -> Vec<String> {
    let [(3, text)] = said else { panic!("{said:?}") };
    let rest = text.strip_prefix(WARNING).unwrap_or_else(|| panic!("{text}"));
    rest.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn nothing_is_told_unless_the_policy_says_so() {
    for policy in ["", "tell = \"nothing\""] {
        let host = telling(policy);
        let _open = two_sessions(&host);
        assert_eq!(told(&host, "login"), [""; 0], "{policy}");
    }
}

#[test]
fn count_says_how_many_are_in_use() {
    let host = telling("tell = \"count\"");
    let _open = two_sessions(&host);
    assert_eq!(told(&host, "login"), ["2 of 2 sessions in use"]);
}

#[test]
fn sessions_are_told_a_line_each_in_both_phases() {
    let host = telling("tell = \"sessions\"");
    let _open = two_sessions(&host);
    let expected = [
        "sshd from 192.0.2.7 since 2026-11-25 18:42:05 UTC",
        "login on tty1 since 2026-11-25 18:42:05 UTC",
    ];
    assert_eq!(told(&host, "login"), expected);
    host.stack("remote", &Stack::session_only());
    let mut third = host.login("remote", "alice");
    assert_eq!(third.log_in(), code::PERM_DENIED);
    assert_eq!(after_warning(third.said()), expected);
}

#[test]
fn the_hint_comes_last() {
    let hint = "ssh -p 2222 this-host clears your sessions";
    for (tell, lines) in [("nothing", 1), ("count", 2), ("sessions", 3)] {
        let host = telling(&format!("tell = \"{tell}\"\nhint = \"{hint}\""));
        let _open = two_sessions(&host);
        let told = told(&host, "login");
        assert_eq!((told.len(), told.last().unwrap().as_str()), (lines, hint));
    }
}

#[test]
fn callers_of_one_line_get_one() {
    let host = telling("tell = \"count\"\nhint = \"Call 4711\"");
    host.stack("cockpit", &Stack::both());
    let _open = two_sessions(&host);
    let mut third = host.login("cockpit", "alice");
    assert_eq!(third.acct(), code::PERM_DENIED);
    let text = "WARNING: Maximum concurrent session count has been reached. Please clear the sessions \
                using shell --clear-sessions. 2 of 2 sessions in use. Call 4711";
    assert_eq!(third.said(), [(3, text.to_owned())]);
}

#[test]
fn a_login_that_may_lack_a_factor_is_not_told_about_sessions() {
    let host = host().with_program_name("sshd");
    let policy = "[policy]\ntell = \"sessions\"\nhint = \"Call 4711\"\n";
    host.configure(&format!("{}{policy}", testkit::default_limit(2)));
    let _open = two_sessions(&host);
    let mut third = host.login("sshd", "alice");
    third.tell("setsid");
    assert_eq!(third.tell("acct-in-child"), code::PERM_DENIED);
    assert_eq!(after_warning(third.said()), ["Call 4711"]);
    // With a key, or a password, every factor has been shown.
    assert_eq!(third.acct(), code::PERM_DENIED);
    assert_eq!(after_warning(third.said()).len(), 3);
}

#[test]
fn hostile_text_is_escaped_and_cut() {
    let host = telling("tell = \"sessions\"");
    let mut open = [host.login("login", "alice"), host.login("login", "alice")];
    for login in &mut open {
        login.item(TTY, Some("pts/\u{202e}\n\r".as_bytes()));
        login.item(RHOST, Some(format!("\x1b]0;x\x07\n{}", "\u{7f}".repeat(200)).as_bytes()));
        assert_eq!(login.log_in(), 0);
    }
    let told = told(&host, "login");
    assert_eq!(told.len(), 2);
    for line in told {
        assert!(line.len() < 200 && !line.contains(char::is_control), "{line:?}");
        assert!(line.contains("from \\u{1b}]0;x\\u{7}\\n"), "{line:?}");
        assert!(line.contains("on pts/\\u{202e}\\n\\r since"), "{line:?}");
    }
}

#[test]
fn of_many_sessions_ten_lines_are_told() {
    let host = telling("tell = \"sessions\"");
    host.limit(0);
    let open: Vec<Login> = (0..40).map(|_| host.logged_in("login", "alice")).collect();
    host.configure(&format!("{}[policy]\ntell = \"sessions\"\n", testkit::default_limit(2)));
    let told = told(&host, "login");
    assert_eq!((told.len(), told[9].as_str()), (10, "and 31 more"));
    drop(open);
}

/// The page's example, and what a login really prints.
#[test]
fn the_example_in_the_manual_is_what_is_printed() {
    let page = std::fs::read_to_string("man/session-limit.5").unwrap();
    let hint = "ssh -p 2222 this-host clears your sessions";
    let host = telling(&format!("tell = \"count\"\nhint = \"{hint}\""));
    let _open = two_sessions(&host);
    let mut third = host.login("login", "alice");
    assert_eq!(third.acct(), code::PERM_DENIED);
    let [(_, text)] = third.said() else { panic!("{:?}", third.said()) };
    assert!(page.contains(&format!("-literal -offset indent\n{text}\n.Ed")), "{text}");
    let host = telling("tell = \"sessions\"");
    let _open = two_sessions(&host);
    let lines = told(&host, "login");
    assert!(page.contains(&format!("\n{}\n.Ed", lines[1])), "{lines:?}");
}
