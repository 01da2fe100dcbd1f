//! Lines, includes and ways through a stack.

use super::super::tests::Scratch;
use super::reach::Reach;
use super::*;

fn modules(scratch: &Scratch, service: &str) -> Vec<(usize, String)> {
    let stack = read(&scratch.host, service, Phase::Account);
    let name = |entry: &Entry| match &entry.call {
        Call::Module { path, .. } => path.clone(),
        Call::Substack => "substack".to_owned(),
        Call::Unusable(reason) => format!("! {reason}"),
    };
    stack.entries.iter().map(|entry| (entry.level, name(entry))).collect()
}

fn names(scratch: &Scratch, service: &str) -> Vec<String> {
    modules(scratch, service).into_iter().map(|(_, name)| name).collect()
}

#[test]
fn lines_are_read_as_libpam_reads_them() {
    let scratch = Scratch::new();
    scratch.stack(
        "x",
        "#%PAM-1.0\n\
         -ACCOUNT Required a.so # said\n\
         session required not-this.so\n\
         account [success=1 \\\n\
         \tdefault=ignore] b.so one [two \\] words] \\\n\
         # a comment inside\n\
         three\n\
         account required /lib/security/c.so\n\
         account required\n\
         nonsense required d.so\n",
    );
    assert_eq!(names(&scratch, "x"), ["a.so", "b.so", "/lib/security/c.so", "! no module"]);
    let stack = read(&scratch.host, "x", Phase::Account);
    let Call::Module { arguments, .. } = &stack.entries[1].call else { panic!() };
    assert_eq!(arguments, &["one", "[two ] words]", "three"]);
    let lines: Vec<usize> = stack.entries.iter().map(|entry| entry.position.line).collect();
    assert_eq!(lines, [2, 4, 8, 9]);
}

#[test]
fn etc_comes_before_usr_lib_and_other_stands_in_for_a_missing_phase() {
    let scratch = Scratch::new();
    scratch.write("/usr/lib/pam.d/x", "account required vendor.so\n");
    assert_eq!(names(&scratch, "x"), ["vendor.so"]);
    scratch.stack("x", "account include part\n");
    scratch.write("/usr/lib/pam.d/part", "account required part.so\n");
    assert_eq!(names(&scratch, "x"), ["part.so"]);
    scratch.stack("other", "account required other.so\n");
    scratch.stack("x", "session required s.so\n");
    assert_eq!(names(&scratch, "x"), ["other.so"]);
    assert_eq!(names(&scratch, "missing"), ["other.so"]);
}

#[test]
fn includes_are_followed_and_cycles_fail_as_libpam_makes_them_fail() {
    let scratch = Scratch::new();
    scratch.stack("x", "@include part\naccount substack part\naccount required last.so\n");
    scratch.stack("part", "account required part.so\n");
    assert_eq!(
        modules(&scratch, "x"),
        [(0, "part.so"), (0, "substack"), (1, "part.so"), (0, "last.so")]
            .map(|(level, name)| (level, name.to_owned()))
    );
    scratch.stack("part", "account required part.so\n@include /etc/pam.d/part\n");
    let cycle = "! /etc/pam.d/part includes itself";
    assert_eq!(names(&scratch, "x"), ["part.so", cycle, "substack", "part.so", cycle, "last.so"]);
    scratch.stack("x", "account include gone\n");
    assert_eq!(names(&scratch, "x"), ["! there is no gone to include"]);
    // Twice in each of many files: sixteen deep and so many files, not two to the power of sixteen.
    for n in 0..40 {
        scratch.stack(&format!("d{n}"), &format!("@include d{0}\n@include d{0}\n", n + 1));
    }
    let deep = names(&scratch, "d0");
    assert!(deep.len() < 1000 && deep[0].ends_with("is included too deep"), "{}", deep.len());
}

fn reached(text: &str) -> Reach {
    let scratch = Scratch::new();
    scratch.stack("part", "account sufficient s.so\naccount required pam_deny.so\n");
    scratch.stack("x", &text.replace("OURS", "account required pam_session_limit.so"));
    scratch.reach("x", Phase::Account)
}

fn bypass(text: &str) -> Option<String> {
    match reached(text) {
        Reach::Bypassed { by, .. } => Some(by.position.to_string()),
        Reach::Always(_) => None,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_way_that_a_login_passes_by_is_followed() {
    for (text, by) in [
        ("account required a.so\nOURS\n", None),
        ("account sufficient a.so\nOURS\n", Some("/etc/pam.d/x:1")),
        (
            "account [success=1 default=ignore] a.so\nOURS\naccount required b.so\n",
            Some("/etc/pam.d/x:1"),
        ),
        // What fails in the end does not pass the module by.
        ("account requisite a.so\nOURS\n", None),
        ("account [success=ok new_authtok_reqd=ok auth_err=done default=bad] a.so\nOURS\n", None),
        // A jump to the module, over lines that end the phase.
        ("account [default=1] pam_permit.so\naccount sufficient a.so\nOURS\n", None),
        (
            "account [success=1 default=ignore] a.so\naccount requisite pam_deny.so\naccount required pam_permit.so\nOURS\n",
            None,
        ),
        (
            "account [success=1 new_authtok_reqd=done default=ignore] a.so\naccount requisite pam_deny.so\nOURS\n",
            Some("/etc/pam.d/x:1"),
        ),
        // What ends a substack goes on behind it; what ends an included file ends all.
        ("account substack part\nOURS\n", None),
        ("account include part\nOURS\n", Some("/etc/pam.d/part:1")),
        // A jump counts a substack as one line.
        ("account [success=1 default=ignore] a.so\naccount substack part\nOURS\n", None),
        // A jump beyond the end fails.
        ("account [success=5 default=ignore] a.so\nOURS\n", None),
        // A failure that is forgotten is none; one that stays lets no login pass.
        (
            "account required a.so\naccount [default=reset] b.so\naccount sufficient c.so\nOURS\n",
            Some("/etc/pam.d/x:3"),
        ),
        ("account required pam_deny.so\naccount [default=reset] b.so\nOURS\n", None),
        // An expired password is no failure to callers.
        ("account [success=ok default=die] a.so\nOURS\n", Some("/etc/pam.d/x:1")),
        // A second line behind the first.
        ("account [success=1 default=ignore] a.so\nOURS\nOURS\n", None),
    ] {
        assert_eq!(bypass(text).as_deref(), by, "{text}");
    }
}

#[test]
fn a_line_that_is_never_reached_is_told_from_one_that_is_not_there() {
    assert_eq!(reached("account required a.so\n"), Reach::Missing);
    let never = reached("account requisite pam_deny.so\nOURS\n");
    assert!(matches!(never, Reach::Never(_)), "{never:?}");
    let never = reached("account include gone\nOURS\n");
    assert!(matches!(never, Reach::Never(_)), "{never:?}");
}
