//! What runs for a user without being a login of theirs.

use crate::host::Host;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("background":
    cron_and_at_jobs_run_at_the_limit_and_are_not_counted,
    ten_panes_of_tmux_count_once_and_survive_without_a_slot,
    what_nohup_and_setsid_leave_behind_holds_no_slot,
    a_unit_of_the_user_manager_is_not_counted,
    an_unprivileged_screen_locker_is_not_blocked_at_the_limit,
);

fn cron_and_at_jobs_run_at_the_limit_and_are_not_counted(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.run(
        "rm -f /home/alice/*-ran
         echo '* * * * * touch /home/alice/cron-ran' | crontab -u alice -
         runuser -u alice -- sh -c 'cd; echo touch /home/alice/at-ran | at now'",
    )
    .ok();
    let at = until("the at job runs", seconds(20), || {
        host.run("test -e /home/alice/at-ran").status == 0
    });
    assert_eq!(host.recorded("alice"), 1);
    until("the cron job runs", seconds(80), || {
        host.run("test -e /home/alice/cron-ran").status == 0
    });
    assert_eq!(host.recorded("alice"), 1);
    host.run("crontab -u alice -r").ok();
    format!("both ran, at after {:.1} s; 1 recorded", at.as_secs_f64())
}

fn ten_panes_of_tmux_count_once_and_survive_without_a_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask(
        "tmux new-session -d -x 200 -y 200 && for pane in 1 2 3 4 5 6 7 8 9; do tmux split-window; tmux select-layout tiled >/dev/null; done; echo panes-$(tmux list-panes | wc -l)",
        "panes-10",
    );
    assert_eq!(host.recorded("alice"), 1);
    host.ssh("alice").is_refused();
    drop(only.log_out());
    host.until_admitted("alice", seconds(5));
    let panes = host.ok("runuser -u alice -- tmux list-panes | wc -l");
    assert_eq!(panes, "10", "tmux lives on");
    "10 panes, 1 recorded, 0 after the logout".to_owned()
}

fn what_nohup_and_setsid_leave_behind_holds_no_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask(
        "nohup sleep 301 >/dev/null 2>&1 </dev/null & setsid sleep 302 >/dev/null 2>&1 </dev/null & echo left-$((40 + 2))",
        "left-42",
    );
    drop(only.log_out());
    host.until_admitted("alice", seconds(5));
    assert_eq!(host.ok("pgrep -u alice -c -x sleep"), "2");
    "2 survivors, 0 recorded".to_owned()
}

fn a_unit_of_the_user_manager_is_not_counted(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut only = host.ssh("alice").log_in_to_a_shell();
    only.ask("systemd-run --user --quiet sleep 303 && echo unit-$((40 + 2))", "unit-42");
    assert_eq!(host.recorded("alice"), 1);
    drop(only.log_out());
    host.until_admitted("alice", seconds(5));
    "1 recorded, 0 after the logout".to_owned()
}

fn an_unprivileged_screen_locker_is_not_blocked_at_the_limit(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    // A locker calls the account phase as the user; the strictest case is a service that counts.
    for service in ["screen", "shell-locker", "login"] {
        host.run(&format!("runuser -u alice -- pamtester {service} alice acct_mgmt")).ok();
    }
    assert_eq!(host.recorded("alice"), 1);
    "3 services, 1 recorded".to_owned()
}
