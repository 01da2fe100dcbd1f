//! The module as a guest in the application's process.

use std::process::Command;

use testkit::{code, example, module};

use crate::{alone, host};

#[test]
fn the_module_exports_the_six_hooks_and_nothing_else() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(module()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(
        names,
        [
            "pam_sm_acct_mgmt",
            "pam_sm_authenticate",
            "pam_sm_chauthtok",
            "pam_sm_close_session",
            "pam_sm_open_session",
            "pam_sm_setcred",
        ]
    );
}

#[test]
fn the_module_is_linked_to_stay_and_hardened() {
    let output = Command::new("readelf").args(["-dlW"]).arg(module()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let flags = text.lines().find(|line| line.contains("FLAGS_1")).unwrap();
    assert!(flags.contains("NODELETE") && flags.contains("NOW"), "{flags}");
    assert!(text.contains("GNU_RELRO"));
    let stack = text.lines().find(|line| line.contains("GNU_STACK")).unwrap();
    assert!(!stack.contains("RWE"), "{stack}");
    assert!(!text.contains("TEXTREL"));
    let needed: Vec<_> = text.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert!(!needed.iter().any(|line| line.contains("sqlite")), "{needed:?}");
}

#[test]
fn three_thousand_reloads_on_threads_leave_memory_and_descriptors_flat() {
    let _alone = alone();
    let host = host();
    host.limit(100);
    let mut caller = host.application();
    assert_eq!(caller.tell("reload 6c6f67696e 616c696365 3000 4"), 0);
    let &[(early_pages, early_fds), (late_pages, late_fds)] = caller.results() else { panic!() };
    assert_eq!(late_fds, early_fds);
    assert!(late_pages <= early_pages + 256, "{early_pages} pages grew to {late_pages}");
    assert_eq!(host.stderr(), "");
}

#[test]
fn a_panic_in_a_hook_becomes_pam_abort_and_prints_nothing() {
    let host = host();
    let panicking = example("libpanicking_module.so");
    let module = panicking.display();
    std::fs::write(
        host.path("pam.d/login"),
        format!("account required {module}\nsession required {module}\n"),
    )
    .unwrap();
    let mut login = host.login("login", "alice");
    assert_eq!(login.acct(), code::ABORT);
    assert_eq!(login.open(), code::ABORT);
    assert_eq!((login.said(), host.stderr().as_str()), (&[][..], ""));
}

#[test]
fn authentication_is_none_of_its_business() {
    let host = host();
    let module = host.module().display();
    std::fs::write(
        host.path("pam.d/login"),
        format!("auth required {module}\naccount required pam_permit.so\n"),
    )
    .unwrap();
    assert_eq!(host.login("login", "alice").acct(), 0);
}
