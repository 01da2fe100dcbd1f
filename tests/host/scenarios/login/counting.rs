//! What counts, and what the refused client sees.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::assert_refused;
use crate::wait::{seconds, until};

group!("counting":
    without_a_limit_every_login_gets_in,
    the_third_login_by_key_is_refused_with_both_lines_of_the_warning,
    the_third_login_by_password_is_refused_with_both_lines_of_the_warning,
    the_third_keyboard_interactive_login_is_refused_with_both_lines_of_the_warning,
    a_logout_frees_the_slot_at_once,
    a_killed_client_frees_the_slot,
    ssh_without_a_command_counts_and_is_refused,
    a_connection_that_only_forwards_a_port_counts_and_is_refused,
    scp_sftp_and_rsync_are_refused_with_a_clean_standard_output,
    sftp_and_a_pipe_hold_a_slot_while_they_run,
    channels_of_one_connection_count_once,
    two_users_do_not_take_each_others_slots,
    the_user_entry_wins_over_the_group_entry,
    a_lowered_limit_ends_no_session_and_refuses_new_logins,
    a_limit_set_later_counts_the_sessions_opened_before,
    root_without_an_entry_is_counted_like_any_user,
    an_expired_password_is_no_way_around_the_limit,
    a_locked_account_at_the_limit_leaves_no_slot_taken,
);

fn without_a_limit_every_login_gets_in(host: &mut Host) -> String {
    let sessions: Vec<_> = (0..5).map(|_| host.ssh("alice").log_in()).collect();
    host.ssh("alice").is_admitted();
    host.ssh("alice").by_password().is_admitted();
    host.ssh("alice").by_keyboard().is_admitted();
    assert_eq!(host.recorded("alice"), 5, "limit 0 still records");
    format!("{} open at once, all recorded", sessions.len())
}

fn the_third_login_by_key_is_refused_with_both_lines_of_the_warning(host: &mut Host) -> String {
    host.limit("alice", 2);
    let _two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    let refused = host.ssh("alice").is_refused();
    format!("exit status {}, {:.1} s", refused.status, refused.took.as_secs_f64())
}

fn the_third_login_by_password_is_refused_with_both_lines_of_the_warning(
    host: &mut Host,
) -> String {
    host.limit("alice", 2);
    let by_password = host.ssh("alice").by_password();
    let _two = [by_password.log_in(), by_password.log_in()];
    format!("exit status {}", by_password.is_refused().status)
}

fn the_third_keyboard_interactive_login_is_refused_with_both_lines_of_the_warning(
    host: &mut Host,
) -> String {
    host.limit("alice", 2);
    let by_keyboard = host.ssh("alice").by_keyboard();
    let _two = [by_keyboard.log_in(), by_keyboard.log_in()];
    format!("exit status {}", by_keyboard.is_refused().status)
}

fn a_logout_frees_the_slot_at_once(host: &mut Host) -> String {
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    only.log_out().ok();
    // sshd closes the session while the client is already gone.
    let took = host.until_admitted("alice", seconds(5));
    until("the record is gone", seconds(5), || host.recorded("alice") == 0);
    format!("next login through {:.1} s after the logout", took.as_secs_f64())
}

fn a_killed_client_frees_the_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    only.kill();
    let took = host.until_admitted("alice", seconds(5));
    format!("next login through {:.1} s after the kill", took.as_secs_f64())
}

fn ssh_without_a_command_counts_and_is_refused(host: &mut Host) -> String {
    host.limit("alice", 2);
    let mut two =
        [host.ssh("alice").start_without_command(), host.ssh("alice").start_without_command()];
    assert!(two.iter_mut().all(crate::client::Client::gets_in));
    host.ssh("alice").is_refused();
    let mut third = host.ssh("alice").start_without_command();
    assert!(!third.gets_in());
    let ended = third.wait();
    assert_refused(&ended);
    until("two connections are left", seconds(5), || host.connections("alice") == 2);
    format!("third `ssh -N` ends with {}", ended.status)
}

fn a_connection_that_only_forwards_a_port_counts_and_is_refused(host: &mut Host) -> String {
    host.limit("alice", 1);
    let forwarding = host.ssh("alice").flag("-L").flag("10022:127.0.0.1:22");
    let mut only = forwarding.start_without_command();
    assert!(only.gets_in());
    let greeting = "exec 3<>/dev/tcp/127.0.0.1/10022; head -c 4 <&3";
    assert_eq!(host.ok(greeting), "SSH-");
    let mut second =
        host.ssh("alice").flag("-L").flag("10023:127.0.0.1:22").start_without_command();
    assert!(!second.gets_in());
    assert_refused(&second.wait());
    assert_eq!(host.ok(greeting), "SSH-", "the first one still forwards");
    "1 of 2".to_owned()
}

fn scp_sftp_and_rsync_are_refused_with_a_clean_standard_output(host: &mut Host) -> String {
    host.run("echo text >/root/file; echo 'get .bashrc /tmp/got' >/root/batch").ok();
    let tools = [
        "scp -q -B /root/file alice@127.0.0.1:got",
        "scp -O -B /root/file alice@127.0.0.1:got",
        "sftp -b /root/batch alice@127.0.0.1",
        "rsync /root/file alice@127.0.0.1:got",
        "tar -C /root -cf - file | ssh -o BatchMode=yes alice@127.0.0.1 tar -xf -",
    ];
    for tool in tools {
        host.run(tool).ok();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    for tool in tools {
        let refused = host.run(tool);
        // scp -q hides everything below a failure, the warning too.
        if tool.contains("-q") {
            assert!(refused.status != 0 && refused.stdout.is_empty(), "{tool}: {refused:#?}");
        } else {
            assert_refused(&refused);
        }
    }
    format!("{} tools let in, then refused", tools.len())
}

fn sftp_and_a_pipe_hold_a_slot_while_they_run(host: &mut Host) -> String {
    host.limit("alice", 2);
    let _sftp = host.start(
        "mkfifo /tmp/commands; exec 3<>/tmp/commands; sftp -b /tmp/commands alice@127.0.0.1",
    );
    let _pipe = host.start("sleep 60 | ssh -o BatchMode=yes alice@127.0.0.1 tar -xf -");
    until("both are recorded", seconds(10), || host.recorded("alice") == 2);
    host.ssh("alice").is_refused();
    "2 of 2".to_owned()
}

fn channels_of_one_connection_count_once(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _master = host.ssh("alice").flag("-M").flag("-S").flag("/tmp/master").log_in();
    let channels = "for channel in 1 2 3 4 5 6 7 8 9; do ssh -S /tmp/master alice@127.0.0.1 echo through; done";
    assert_eq!(host.ok(channels).lines().count(), 9);
    assert_eq!(host.recorded("alice"), 1);
    host.ssh("alice").is_refused();
    "10 channels, 1 session".to_owned()
}

fn two_users_do_not_take_each_others_slots(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).user("bob", 2));
    let _alice = host.ssh("alice").log_in();
    let _bob = [host.ssh("bob").log_in(), host.ssh("bob").log_in()];
    host.ssh("alice").is_refused();
    host.ssh("bob").is_refused();
    host.ssh("carol").is_admitted();
    "1 of 1 and 2 of 2, carol without a limit".to_owned()
}

fn the_user_entry_wins_over_the_group_entry(host: &mut Host) -> String {
    host.run("gpasswd -a alice operators; gpasswd -a bob operators").ok();
    host.rules(Rules::default().user("alice", 2).group("operators", 1));
    let _alice = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    let _bob = host.ssh("bob").log_in();
    host.ssh("alice").is_refused();
    host.ssh("bob").is_refused();
    let _carol = [host.ssh("carol").log_in(), host.ssh("carol").log_in()];
    "alice 2 by a user entry, bob 1 by a group, carol unlimited".to_owned()
}

fn a_lowered_limit_ends_no_session_and_refuses_new_logins(host: &mut Host) -> String {
    host.limit("alice", 3);
    let mut three: Vec<_> = (0..3).map(|_| host.ssh("alice").log_in()).collect();
    host.limit("alice", 1);
    host.ssh("alice").is_refused();
    assert!(three.iter_mut().all(crate::client::Client::is_running));
    three.pop().unwrap().log_out().ok();
    host.ssh("alice").is_refused();
    host.limit("alice", 0);
    host.ssh("alice").is_admitted();
    "3 stay at limit 1; limit 0 lets in again".to_owned()
}

fn a_limit_set_later_counts_the_sessions_opened_before(host: &mut Host) -> String {
    let _two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    host.limit("alice", 2);
    host.ssh("alice").is_refused();
    "2 of 2".to_owned()
}

fn root_without_an_entry_is_counted_like_any_user(host: &mut Host) -> String {
    host.limit("root", 1);
    let _only = host.ssh("root").log_in();
    host.ssh("root").is_refused();
    "1 of 1".to_owned()
}

/// pam_unix ends the account phase where a password must be changed.
fn an_expired_password_is_no_way_around_the_limit(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.ok("chage -d 0 alice");
    let mut refused = 0;
    for _ in 0..3 {
        let mut client = host.ssh("alice").start_without_command();
        assert!(!client.gets_in());
        assert_refused(&client.wait());
        assert_refused(&host.ssh("alice").run("true"));
        refused += 2;
    }
    host.ok("chage -d 2024-01-01 alice");
    format!("{refused} logins by key refused with the warning, ssh -N among them")
}

/// A slot that was reserved for a login that a later line refuses is released.
fn a_locked_account_at_the_limit_leaves_no_slot_taken(host: &mut Host) -> String {
    host.limit("alice", 1);
    host.ok("chage -E 0 alice");
    for _ in 0..3 {
        assert_ne!(host.ssh("alice").run("true").status, 0);
    }
    host.ok("chage -E -1 alice");
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    "in at once after 3 logins of the expired account".to_owned()
}
