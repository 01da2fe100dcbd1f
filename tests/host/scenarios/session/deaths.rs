//! Sessions that end without being closed.

use std::time::Instant;

use crate::host::Host;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("deaths":
    both_processes_of_a_session_killed,
    the_shell_killed,
    the_users_half_of_sshd_killed,
    the_monitor_terminated,
    the_monitor_hung_up,
    a_connection_whose_monitor_alone_was_killed_still_counts_while_it_lives,
    a_power_cycle_frees_every_slot,
);

/// Limit 1: the session is ended by this script. As soon as sshd is gone, the very next login gets in.
fn slot_is_free_after(host: &Host, script: &str) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask("echo pid-of-shell-$$", "pid-of-shell-");
    host.ssh("alice").is_refused();
    let begun = Instant::now();
    host.run(script).ok();
    until("the connection is gone", seconds(5), || host.connections("alice") == 0);
    let gone = begun.elapsed();
    host.ssh("alice").is_admitted();
    format!("gone after {:.2} s, the very next login is in", gone.as_secs_f64())
}

fn both_processes_of_a_session_killed(host: &mut Host) -> String {
    slot_is_free_after(host, "pkill -KILL -f '^sshd(-session)?: alice'")
}

fn the_shell_killed(host: &mut Host) -> String {
    slot_is_free_after(host, "pkill -KILL -u alice -x bash")
}

fn the_users_half_of_sshd_killed(host: &mut Host) -> String {
    slot_is_free_after(host, "pkill -KILL -u alice -f '^sshd(-session)?: alice@'")
}

fn the_monitor_terminated(host: &mut Host) -> String {
    slot_is_free_after(host, "pkill -TERM -f '^sshd(-session)?: alice \\[priv\\]'")
}

fn the_monitor_hung_up(host: &mut Host) -> String {
    slot_is_free_after(host, "pkill -HUP -f '^sshd(-session)?: alice \\[priv\\]'")
}

fn a_connection_whose_monitor_alone_was_killed_still_counts_while_it_lives(
    host: &mut Host,
) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    host.run("pkill -KILL -f '^sshd(-session)?: alice \\[priv\\]'").ok();
    only.ask("echo still-$((40 + 2))", "still-42");
    host.ssh("alice").is_refused();
    drop(only.log_out());
    let took = host.until_admitted("alice", seconds(5));
    format!("refused while the connection lives, free {:.1} s after its end", took.as_secs_f64())
}

fn a_power_cycle_frees_every_slot(host: &mut Host) -> String {
    host.limit("alice", 2);
    let two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    host.ssh("alice").is_refused();
    host.power_cycle();
    drop(two);
    assert_eq!(host.recorded("alice"), 0);
    let _two = [host.ssh("alice").log_in(), host.ssh("alice").log_in()];
    host.ssh("alice").is_refused();
    "2 of 2 before, 0 after, 2 of 2 again".to_owned()
}
