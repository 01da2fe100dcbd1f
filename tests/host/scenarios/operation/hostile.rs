//! Users who try to get more than they may have, or to take from others, on a whole host.

use std::time::Instant;

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("hostile":
    permission_to_run_shell_by_sudo_gives_no_other_rights,
    a_program_called_sshd_keeps_no_slot_for_a_dead_session,
    a_frozen_holder_of_the_lock_locks_no_login_out,
    clearing_from_inside_a_login_does_not_end_that_login,
    a_group_of_a_hundred_thousand_members_limits_its_members,
    sessions_of_an_earlier_run_of_a_container_hold_no_slot,
);

const PROMPT: &str = "]: > ";

fn permission_to_run_shell_by_sudo_gives_no_other_rights(host: &mut Host) -> String {
    host.rules(Rules::default().user("bob", 2).user("carol", 2));
    host.write("/etc/sudoers.d/shell", "ALL ALL=(root) NOPASSWD: /usr/bin/shell\n");
    host.ok("chmod 0440 /etc/sudoers.d/shell && visudo -c -q -f /etc/sudoers.d/shell");
    let _bob = host.ssh("bob").log_in();
    let _carol = host.ssh("carol").log_in();
    let bob = |command: &str| host.run(&format!("runuser -u bob -- sudo -n shell {command}"));

    let lifted = bob("configure user bob user_profile_ref Default-User-Account-Profile");
    assert_eq!(lifted.status, 6, "{lifted:#?}");
    assert_eq!(bob("clear sessions carol").status, 6);
    assert_eq!(bob("show user carol").status, 6);
    for arguments in [
        "--config /home/bob/mine show session",
        "--state /home/bob/mine show session",
        "--check-config /etc/shadow",
    ] {
        assert_eq!(bob(arguments).status, 6, "{arguments}");
    }
    let own = bob("show session").ok().stdout;
    assert!(own.contains("| bob ") && !own.contains("carol"), "{own}");
    assert_eq!(bob("clear sessions").ok().stdout, "1 session ended.\n");
    until("the session is over", seconds(5), || host.recorded("bob") == 0);
    assert_eq!(host.recorded("carol"), 1);

    // alice may run anything by sudo: she could as well start a root shell.
    let alice = host.run("runuser -u alice -- sudo -n shell clear sessions carol");
    assert_eq!(alice.ok().stdout, "1 session ended.\n");
    host.logs(&["cleared sessions of carol", "by root for alice"]);
    host.ok("rm /etc/sudoers.d/shell");
    "own sessions only; a user with all rights by sudo acts as root".to_owned()
}

fn a_program_called_sshd_keeps_no_slot_for_a_dead_session(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask(
        "cp /bin/sleep /tmp/sshd-mine; setsid nohup /tmp/sshd-mine 600 >/dev/null 2>&1 </dev/null & echo started-$((40 + 2))",
        "started-42",
    );
    until("it runs", seconds(5), || host.run("pgrep -u alice -x sshd-mine").status == 0);
    host.ssh("alice").is_refused();
    host.run("pkill -KILL -f '^sshd(-session)?: alice'").ok();
    until("the connection is gone", seconds(5), || host.connections("alice") == 0);
    assert_eq!(host.run("pgrep -u alice -x sshd-mine").status, 0);
    host.ssh("alice").is_admitted();
    host.run("pkill -u alice -x sshd-mine").ok();
    "the very next login is in".to_owned()
}

fn a_frozen_holder_of_the_lock_locks_no_login_out(host: &mut Host) -> String {
    host.limit("alice", 2);
    drop(host.ssh("alice").log_in().log_out());
    host.ok(
        "systemd-run --quiet --unit=holder flock /run/session-limit/live-sessions.db.lock sleep 600",
    );
    until("the lock is held", seconds(5), || {
        host.run("flock --nonblock /run/session-limit/live-sessions.db.lock true").status != 0
    });
    // Control groups of version 1 cannot be frozen this way.
    host.ok("systemctl freeze holder 2>/dev/null || systemctl kill --signal=STOP holder");
    let begun = Instant::now();
    host.ssh("alice").is_admitted();
    let took = begun.elapsed();
    // Looking holds nothing that a login waits for, even if it is frozen half way.
    let mut looking = Terminal::run(host.machine(), &["bash", "-c", "shell watch show session"]);
    looking.expect("| user ");
    host.ok("pkill -STOP -x shell");
    let begun = Instant::now();
    host.ssh("alice").is_admitted();
    let beside = begun.elapsed();
    host.ok("pkill -KILL -x shell");
    host.run("systemctl thaw holder; systemctl stop holder; systemctl reset-failed holder");
    assert!(beside < seconds(4), "{beside:?}");
    format!(
        "in after {:.1} s; beside a stopped `shell show` after {:.1} s",
        took.as_secs_f64(),
        beside.as_secs_f64()
    )
}

fn clearing_from_inside_a_login_does_not_end_that_login(host: &mut Host) -> String {
    host.limit("alice", 3);
    let mut others = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    let mut around = host.ssh("alice").on_a_terminal(&["sudo", "shell", "--clear-sessions"]);
    around.expect("Login: ");
    host.limit("alice", 1);
    around.send("alice").expect("Password: ").send("password-of-alice").expect(PROMPT);
    for other in &mut others {
        other.sees_its_connection_close(seconds(5));
    }
    assert_eq!(host.recorded("alice"), 1);
    around.send("show user | grep concurrent_sessions").expect("| 1  ").expect(PROMPT);
    around.send("exit");
    until("the program ends", seconds(20), || !around.is_running());
    "2 ended, the login around it stayed, at limit 1".to_owned()
}

fn a_group_of_a_hundred_thousand_members_limits_its_members(host: &mut Host) -> String {
    host.ok(
        "cp /etc/group /root/group
         { printf 'crowd:x:7777:'; seq -f 'member-%.0f' -s , 100000 | tr -d '\\n'; echo ,bob; } >>/etc/group",
    );
    let size: usize = host.ok("getent group crowd | wc -c").parse().unwrap();
    host.rules(Rules::default().group("crowd", 1));
    let _bob = host.ssh("bob").log_in();
    host.ssh("bob").is_refused();
    host.ssh("carol").is_admitted();
    host.ok("cat /root/group >/etc/group");
    format!("1 of 1, a line of {size} bytes")
}

fn sessions_of_an_earlier_run_of_a_container_hold_no_slot(host: &mut Host) -> String {
    // A container without a tmpfs on /run: its store is on its root file system, and its pid namespace
    // is another one each time it starts.
    host.write(
        "/etc/pam.d/sshd-boxed",
        "account required pam_session_limit.so state=/opt/box/live-sessions.db\n\
         session required pam_session_limit.so state=/opt/box/live-sessions.db\n",
    );
    host.ok("install -d -m 0700 /opt/box");
    host.limit("bob", 1);
    let open = "unshare --pid --fork --mount-proc pamtester sshd-boxed bob acct_mgmt open_session";
    for run in 1..=3 {
        let opened = host.run(open);
        assert_eq!(opened.status, 0, "run {run}: {opened:#?}");
    }
    host.ok("rm -r /opt/box /etc/pam.d/sshd-boxed");
    "3 runs, a session left open in each, the next login is in".to_owned()
}
