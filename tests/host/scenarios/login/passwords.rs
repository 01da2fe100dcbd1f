//! passwd(1) with a history of each length and what else may be in its stack, and passwords that have expired.

use std::time::Instant;

use super::lockout::{enable, failures, profiles};
use crate::host::Host;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("passwords":
    passwd_refuses_as_many_old_passwords_as_the_profile_says,
    an_opasswd_that_cannot_be_used_is_named_in_the_log_and_crashes_nothing,
    with_pwquality_and_the_lines_of_sssd_passwd_does_the_same,
    an_expired_password_is_changed_by_key_keyboard_and_console,
);

const FIRST: &str = "password-of-alice";
const SECOND: &str = "Quite-other-7712";
const THIRD: &str = "Nothing-alike-3391";
/// Strong enough for pam_pwquality, as the two above are.
const STRONG: &str = "Violet-harbour-4471";
/// Refused by it.
const WEAK: &str = "abc1";

/// Changes the password of alice as alice does; returns what passwd said, and whether it did.
fn passwd(host: &Host, old: &str, new: &str) -> (bool, String) {
    let script = format!("printf '{old}\\n{new}\\n{new}\\n' | runuser -u alice -- passwd");
    let ended = host.run(&script);
    (ended.status == 0, ended.stderr + &ended.stdout)
}

fn passwd_refuses_as_many_old_passwords_as_the_profile_says(host: &mut Host) -> String {
    for (history, first_again) in [(0, true), (1, true), (5, false), (24, false)] {
        enable(host, [&format!("max_password_history_count = {history}"), "", ""]);
        // root's own change above is remembered, too.
        host.run("rm -f /etc/security/opasswd").ok();
        let (done, said) = passwd(host, FIRST, SECOND);
        assert!(done, "{history}: {said}");
        let (done, said) = passwd(host, SECOND, SECOND);
        assert!(!done, "{history}: {said}");
        let (done, said) = passwd(host, SECOND, FIRST);
        assert_eq!(done, first_again, "{history}: {said}");
        assert_eq!(said.contains("already used"), !first_again, "{history}: {said}");
    }
    // Twelve more of them, and the file of others.
    host.run("echo alice:password-of-alice | chpasswd").ok();
    host.ok("for n in $(seq 20000); do echo \"u$n:1:1:x\"; done >>/etc/security/opasswd");
    assert!(passwd(host, FIRST, THIRD).0, "a long file");
    host.ok("test $(grep -c '^u' /etc/security/opasswd) = 20000");

    // root is told, not refused.
    let by_root = host.run(&format!("printf '{THIRD}\\n{THIRD}\\n' | passwd alice"));
    assert_eq!(by_root.status, 0, "{by_root:#?}");
    assert!((by_root.stderr + &by_root.stdout).contains("already used"));

    let file = host.ok("ls /usr/lib/*/security/pam_pwhistory.so");
    host.run(&format!("mv {file} {file}.away")).ok();
    let (done, said) = passwd(host, THIRD, SECOND);
    host.run(&format!("mv {file}.away {file}; rm -f /etc/security/opasswd")).ok();
    assert!(done, "without pam_pwhistory: {said}");
    host.logs(&["passwd:password): old passwords are not compared: pam_pwhistory.so is missing"]);
    "histories of 0, 1, 5 and 24; 20,000 other lines; root; without pam_pwhistory".to_owned()
}

fn an_opasswd_that_cannot_be_used_is_named_in_the_log_and_crashes_nothing(
    host: &mut Host,
) -> String {
    const DIRECTORY: &str = "/etc/security";
    const FILE: &str = "/etc/security/opasswd";
    const LINE: &str =
        "u1:1:1:$y$j9T$0123456789012345678901$0123456789012345678901234567890123456789012";
    enable(host, ["max_password_history_count = 5", "", ""]);
    let read_only =
        |path: &str| format!("mount --bind {path} {path} && mount -o remount,ro,bind {path}");
    let start =
        format!("rm -rf {FILE}; echo alice:{FIRST} | chpasswd; touch {FILE}; chmod 600 {FILE}");
    let tries = |what: &str, prepare: &str, undo: &str, changed: bool| {
        host.run(&start).ok();
        host.run(prepare).ok();
        let (done, said) = passwd(host, FIRST, SECOND);
        host.run(undo).ok();
        assert_eq!(done, changed, "{what}: {said}");
        assert!(said.contains(if done { "updated successfully" } else { "password unchanged" }));
        // What passwd says is what then holds.
        let password = if done { SECOND } else { FIRST };
        host.ssh("alice").with_password("password", password).is_admitted();
    };
    // As pam_pwhistory has it by itself: where it cannot write a new file beside the old one nothing is changed,
    tries(
        "a directory that is read-only",
        &read_only(DIRECTORY),
        &format!("umount {DIRECTORY}"),
        false,
    );
    host.logs(&["passwd:chauthtok", FILE, "Read-only file system"]);
    // and where it cannot put the new file there the old password is not remembered.
    tries("a file that is read-only", &read_only(FILE), &format!("umount {FILE}"), true);
    host.logs(&["passwd:chauthtok", "Cannot create backup file of", FILE]);
    tries("a directory in its place", &format!("rm {FILE}; mkdir {FILE}"), "true", true);
    tries("none", &format!("rm {FILE}"), "true", true);
    assert_eq!(host.ok(&format!("stat -c '%U %a' {FILE}")), "root 600");
    let long =
        format!("(printf alice:1000:1:; head -c 10000000 /dev/zero | tr '\\0' x; echo) >{FILE}");
    tries("a line of 10 MB", &long, "true", true);
    let huge = format!("yes '{LINE}' | head -n 500000 >{FILE}");
    let began = Instant::now();
    tries("half a million lines", &huge, "true", true);
    let took = began.elapsed();
    assert_eq!(host.ok(&format!("grep -c '^u1:' {FILE}; rm {FILE}")), "500000");
    format!("6 states; with half a million lines {:.1} s", took.as_secs_f64())
}

fn with_pwquality_and_the_lines_of_sssd_passwd_does_the_same(host: &mut Host) -> String {
    enable(host, ["", "", ""]);
    // sssd does not run: its module finds no server, as on a host that has lost it.
    let histories = [(0, true), (24, false), (1, true), (5, false)];
    for (lines, histories) in [("pwquality", &histories[..]), ("sss", &histories[..2])] {
        host.run(&format!("pam-auth-update --enable {lines}")).ok();
        let stack = host.ok("grep -v '^#' /etc/pam.d/common-password");
        assert!(stack.contains("pam_pwquality.so"), "{stack}");
        assert_eq!(stack.contains("pam_sss.so"), lines == "sss", "{stack}");
        for &(history, first_again) in histories {
            let what = format!("{lines}, {history}");
            profiles(host, [&format!("max_password_history_count = {history}"), "", ""]);
            host.run(&format!("echo alice:{STRONG} | chpasswd; rm -f /etc/security/opasswd")).ok();
            let (done, said) = passwd(host, STRONG, SECOND);
            assert!(done, "{what}: {said}");
            for refused in [WEAK, SECOND] {
                let (done, said) = passwd(host, SECOND, refused);
                assert!(!done && said.contains("BAD PASSWORD"), "{what}, {refused}: {said}");
            }
            let (done, said) = passwd(host, SECOND, STRONG);
            assert_eq!(done, first_again, "{what}: {said}");
            assert_eq!(said.contains("already used"), !first_again, "{what}: {said}");
            let by_root = host.run(&format!("printf '{SECOND}\n{SECOND}\n' | passwd alice"));
            assert_eq!(by_root.status, 0, "{what}: {by_root:#?}");
        }
    }
    // The account lines of sssd end the phase for every local user; the limit stands before them.
    profiles(host, ["max_concurrent_sessions = 1\nmax_login_failure_count = 2", "", ""]);
    let only = host.ssh("alice").with_password("password", SECOND).log_in();
    host.ssh("alice").is_refused();
    drop(only);
    host.until_admitted("alice", seconds(10));
    for _ in 0..2 {
        assert_ne!(host.ssh("alice").with_password("password", "wrong").run("true").status, 0);
    }
    assert_eq!(failures(host, "alice"), 2);
    assert_ne!(host.ssh("alice").with_password("password", SECOND).run("true").status, 0);
    host.ok("faillock --user alice --reset; pam-auth-update --disable pwquality sss");
    let stack = host.ok("cat /etc/pam.d/common-*");
    assert!(!stack.contains("pam_pwquality.so") && !stack.contains("pam_sss.so"), "{stack}");
    "histories of 0, 1, 5 and 24, with sssd of 0 and 24; root; the limit and 2 of 2 wrong passwords"
        .to_owned()
}

/// Days since the epoch, in UTC, on which the password of alice was changed.
fn changed_days_ago(host: &Host, days: u32) {
    host.ok(&format!("chage -d $(( $(date +%s) / 86400 - {days} )) alice"));
}

fn an_expired_password_is_changed_by_key_keyboard_and_console(host: &mut Host) -> String {
    enable(host, ["credentials_timeout_threshold = 30", "", ""]);
    for zone in ["Etc/UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        host.run(&format!("ln -sf /usr/share/zoneinfo/{zone} /etc/localtime")).ok();
        changed_days_ago(host, 30);
        let told = host.ssh("alice").run("true");
        assert_eq!(told.status, 1, "{zone}: {told:#?}");
        assert!(
            told.stderr.contains("required to change your password immediately (it is 30 days old")
        );
        assert!(
            told.stderr.contains("Password change required but no TTY available."),
            "{told:#?}"
        );
        changed_days_ago(host, 29);
        let told = host.ssh("alice").is_admitted();
        assert!(told.stderr.contains("your password will expire in 1 day."), "{zone}: {told:#?}");
    }
    // Not a login: the job runs.
    changed_days_ago(host, 300);
    host.run("su alice -c true").ok();
    assert_ne!(host.ssh("alice").by_password().run("true").status, 0);

    let mut key = host.ssh("alice").on_a_terminal(&[]);
    key.expect("You must change your password now").expect("urrent password:").send(FIRST);
    key.expect("ew password:").send(SECOND).expect("ew password:").send(SECOND);
    key.expect("updated successfully");
    until("the connection ends", seconds(20), || !key.is_running());
    host.ssh("alice").is_admitted();

    changed_days_ago(host, 300);
    let mut keyboard = host
        .ssh("alice")
        .option("PreferredAuthentications=keyboard-interactive")
        .on_a_terminal(&["echo", "in-$((1+1))"]);
    keyboard.expect("assword:").send(SECOND);
    keyboard.expect("urrent password:").send(SECOND);
    keyboard.expect("ew password:").send(THIRD).expect("ew password:").send(THIRD);
    keyboard.expect("in-2");

    changed_days_ago(host, 300);
    let mut console = host.console();
    console.expect("login:").send("alice").expect("Password:").send(THIRD);
    console.expect("urrent password:").send(THIRD);
    console.expect("ew password:").send(FIRST).expect("ew password:").send(FIRST);
    console.expect("$").send("echo in-as-$(id -un)").expect("in-as-alice");
    drop(console);
    host.run("systemctl stop 'container-getty@*'");
    host.ssh("alice").is_admitted();
    "to the day in three time zones; changed by key, keyboard-interactive and console".to_owned()
}
