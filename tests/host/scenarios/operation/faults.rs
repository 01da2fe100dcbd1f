//! A module, configuration or store that is missing or broken: the documented decision, the log
//! line, and recovery without a restart.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::wait::seconds;

group!("faults":
    a_missing_module_locks_no_user_out,
    a_missing_module_locks_every_user_out_with_the_fail_closed_lines,
    a_rejected_configuration_locks_no_user_out_and_is_logged_with_its_position,
    a_rejected_configuration_locks_every_user_out_with_the_fail_closed_lines,
    a_read_only_run_locks_no_user_out,
    a_full_run_locks_no_user_out_and_counting_resumes,
    a_full_run_locks_every_user_out_with_the_fail_closed_lines,
    a_database_deleted_under_open_sessions_is_created_again,
    a_damaged_database_is_moved_aside_and_created_again,
);

const CONFIG: &str = "/etc/session-limit/config.toml";
const MODULE: &str = "/usr/lib/*/security/pam_session_limit.so";
/// The fail-closed lines of the README in place of those of pam-auth-update.
const FAIL_CLOSED: &str = r"sed -i.normal 's/^\(account\|session\).*pam_session_limit.so/\1 [success=ok new_authtok_reqd=ok ignore=ignore default=die] pam_session_limit.so/' /etc/pam.d/common-account /etc/pam.d/common-session && grep -q '^session.*default=die. pam_session_limit' /etc/pam.d/common-session";
/// A tmpfs of its own, without a free byte.
const FILL: &str = "mkdir -p -m 0700 /run/session-limit && mount -t tmpfs -o size=64k,mode=0700 tmpfs /run/session-limit && ! dd if=/dev/zero of=/run/session-limit/filler bs=1k 2>/dev/null";
const NORMAL: &str = "cd /etc/pam.d && mv common-account.normal common-account && mv common-session.normal common-session";

/// At limit 1 and with one session, a second login gets through.
fn fails_open(host: &Host) {
    host.ssh("alice").is_admitted();
}

fn a_missing_module_locks_no_user_out(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    host.run(&format!("mv {MODULE} /root/module.so")).ok();
    fails_open(host);
    host.run("mv /root/module.so $(echo /usr/lib/*/security)/pam_session_limit.so").ok();
    host.ssh("alice").is_refused();
    "logins go on, refused again once it is back".to_owned()
}

fn a_missing_module_locks_every_user_out_with_the_fail_closed_lines(host: &mut Host) -> String {
    host.run(FAIL_CLOSED).ok();
    host.ssh("alice").is_admitted();
    host.run(&format!("mv {MODULE} /root/module.so")).ok();
    let stopped = host.ssh("alice").run("echo in");
    assert!(stopped.status != 0 && stopped.stdout.is_empty(), "{stopped:#?}");
    host.run("mv /root/module.so $(echo /usr/lib/*/security)/pam_session_limit.so").ok();
    host.ssh("alice").is_admitted();
    host.run(NORMAL).ok();
    format!("exit status {}", stopped.status)
}

fn a_rejected_configuration_locks_no_user_out_and_is_logged_with_its_position(
    host: &mut Host,
) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.write(CONFIG, "[policy]\nadmin_groups = 3\n");
    fails_open(host);
    let line = host.logs(&[&format!("{CONFIG}:2:")]);
    host.limit("alice", 1);
    host.ssh("alice").is_refused();
    line.split("): ").nth(1).unwrap_or(&line).to_owned()
}

fn a_rejected_configuration_locks_every_user_out_with_the_fail_closed_lines(
    host: &mut Host,
) -> String {
    host.run(FAIL_CLOSED).ok();
    host.write(CONFIG, "max_sessions = 3\n");
    let stopped = host.ssh("alice").run("echo in");
    assert!(stopped.status != 0 && stopped.stdout.is_empty(), "{stopped:#?}");
    host.limit("alice", 1);
    host.ssh("alice").is_admitted();
    host.run(NORMAL).ok();
    format!("exit status {}", stopped.status)
}

fn a_read_only_run_locks_no_user_out(host: &mut Host) -> String {
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    // systemd and sshd need the rest of /run: only our directory turns read-only.
    host.run("mount --bind /run/session-limit /run/session-limit && mount -o remount,bind,ro /run/session-limit").ok();
    fails_open(host);
    host.run("umount /run/session-limit").ok();
    host.ssh("alice").is_refused();
    only.log_out().ok();
    let took = host.until_admitted("alice", seconds(5));
    format!("in while read-only, refused after; a logout frees in {:.1} s", took.as_secs_f64())
}

fn a_full_run_locks_no_user_out_and_counting_resumes(host: &mut Host) -> String {
    host.limit("alice", 2);
    host.run("rm -rf /run/session-limit && mkdir -m 0700 /run/session-limit && mount -t tmpfs -o size=256k,mode=0700 tmpfs /run/session-limit").ok();
    let _one = host.ssh("alice").log_in();
    host.run("dd if=/dev/zero of=/run/session-limit/filler bs=1k 2>/dev/null || true").ok();
    host.ssh("alice").is_admitted();
    host.run("rm /run/session-limit/filler").ok();
    let _two = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    let lines = host.log().iter().filter(|line| line.contains("full")).count();
    host.run("umount /run/session-limit").ok();
    format!("in while full ({lines} log lines), 2 of 2 after")
}

fn a_full_run_locks_every_user_out_with_the_fail_closed_lines(host: &mut Host) -> String {
    host.limit("alice", 2);
    host.run(FAIL_CLOSED).ok();
    host.run(FILL).ok();
    let stopped = host.ssh("alice").run("echo in");
    assert!(stopped.status != 0 && stopped.stdout.is_empty(), "{stopped:#?}");
    let line = host.logs(&["sshd:account", "/run/session-limit"]);
    host.run("umount /run/session-limit").ok();
    host.ssh("alice").is_admitted();
    host.run(NORMAL).ok();
    line.split("): ").nth(1).unwrap_or(&line).to_owned()
}

fn a_database_deleted_under_open_sessions_is_created_again(host: &mut Host) -> String {
    host.limit("alice", 2);
    let two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    host.run("rm -rf /run/session-limit").ok();
    let _new = host.ssh("alice").log_in();
    assert_eq!(host.recorded("alice"), 1, "the two from before are forgotten");
    let _second = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    for old in two {
        old.log_out().ok();
    }
    host.ssh("alice").is_refused();
    assert_eq!(
        host.ok("stat -c '%U %a' /run/session-limit /run/session-limit/live-sessions.db"),
        "root 700\nroot 600"
    );
    "old ones are no longer counted, their ends disturb nothing".to_owned()
}

fn a_damaged_database_is_moved_aside_and_created_again(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1));
    let _old = host.ssh("alice").log_in();
    host.write("/run/session-limit/live-sessions.db", &"not a database ".repeat(1000));
    let _new = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    let kept = host.ok("ls /run/session-limit | grep -c 'damaged-[0-9-]*$'");
    assert_eq!(kept, "1", "{}", host.ok("ls -la /run/session-limit"));
    host.run("rm -rf /run/session-limit").ok();
    "1 file moved aside, counting goes on".to_owned()
}
