//! passwd(1) with a history of each length, and passwords that have expired.

use crate::host::Host;
use crate::scenario::group;
use crate::scenarios::login::lockout::enable;
use crate::wait::{seconds, until};

group!("passwords":
    passwd_refuses_as_many_old_passwords_as_the_profile_says,
    an_expired_password_is_changed_by_key_keyboard_and_console,
);

const FIRST: &str = "password-of-alice";
const SECOND: &str = "Quite-other-7712";
const THIRD: &str = "Nothing-alike-3391";

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
