//! The second sshd, whose logins end the user's other sessions.

use std::time::Duration;

use crate::client::Client;
use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::wait::{seconds, until, within};

group!("clearing":
    a_login_at_the_second_sshd_ends_the_users_other_sessions,
    commands_without_a_terminal_and_children_that_called_setsid_end_too,
    the_sessions_of_other_users_stay,
    a_session_that_ignores_signals_ends_within_five_seconds,
    a_failed_second_factor_clears_nothing,
    a_login_below_the_limit_clears_as_well,
    a_storm_of_clearing_logins_never_exceeds_the_limit,
    a_connection_whose_monitor_was_killed_is_cleared_too,
    without_logind_the_same_sessions_end,
);

const EXAMPLES: &str = "/usr/share/doc/pam_session_limit/examples";
const PORT: u16 = 2222;
/// No user waits longer for a clearing login.
const LONGEST: Duration = seconds(5);

/// The sample files, put where their first lines say.
pub fn start_second_sshd(host: &Host, more: &str) {
    host.run(&format!(
        "cp {EXAMPLES}/sshd_config.clear-sessions /etc/ssh/
         cp {EXAMPLES}/pam.d/sshd-clear-sessions /etc/pam.d/
         cp {EXAMPLES}/sshd-clear-sessions.service /etc/systemd/system/
         if ssh -V 2>&1 | grep -q 'OpenSSH_[1-9][0-9]'; then
             echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config.clear-sessions
         fi
         echo 'MaxStartups 300' >>/etc/ssh/sshd_config.clear-sessions
         printf '%s\\n' '{more}' >>/etc/ssh/sshd_config.clear-sessions
         systemctl daemon-reload && systemctl restart sshd-clear-sessions"
    ))
    .ok();
    until("the second sshd answers", seconds(10), || {
        host.run(&format!("exec 3<>/dev/tcp/127.0.0.1/{PORT}; head -c 4 <&3")).stdout == "SSH-"
    });
}

fn a_login_at_the_second_sshd_ends_the_users_other_sessions(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 3);
    let mut others: Vec<_> = (0..3).map(|_| host.ssh("alice").log_in()).collect();
    host.ssh("alice").is_refused();
    let begun = std::time::Instant::now();
    let _new = host.ssh("alice").port(PORT).log_in();
    let took = begun.elapsed();
    for other in &mut others {
        other.sees_its_connection_close(seconds(2));
    }
    assert!(took < LONGEST, "{took:?}");
    until("only the new one is recorded", seconds(2), || host.recorded("alice") == 1);
    until("logind lists only the new one", seconds(5), || {
        host.ok("loginctl list-sessions --no-legend | grep alice | grep -v manager | wc -l") == "1"
    });
    assert_eq!(host.connections("alice"), 1);
    host.logs(&["alice", "3 sessions ended"]);
    format!("3 ended, in after {:.1} s", took.as_secs_f64())
}

fn commands_without_a_terminal_and_children_that_called_setsid_end_too(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 2);
    let mut shell = host.ssh("alice").log_in_to_a_shell();
    shell.ask(
        "setsid sleep 401 >/dev/null 2>&1 </dev/null & nohup sleep 402 >/dev/null 2>&1 </dev/null & echo left-$((40 + 2))",
        "left-42",
    );
    let mut command = Client::start(
        host.machine().enter(&["ssh", "-o", "BatchMode=yes", "alice@127.0.0.1", "sleep 403"]),
        "",
    );
    until("the command runs", seconds(10), || {
        host.run("pgrep -u alice -f 'sleep 403'").status == 0
    });
    let _new = host.ssh("alice").port(PORT).log_in();
    shell.sees_its_connection_close(seconds(2));
    command.sees_its_connection_close(seconds(2));
    let left = host.run("pgrep -u alice -a sleep").stdout;
    assert_eq!(left, "", "processes of the cleared sessions");
    "shell, command, setsid and nohup children: 0 left".to_owned()
}

fn the_sessions_of_other_users_stay(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.rules(Rules::default().user("alice", 1).user("bob", 2));
    let mut bobs = [host.ssh("bob").log_in(), host.ssh("bob").log_in()];
    let mut old = host.ssh("alice").log_in();
    let _new = host.ssh("alice").port(PORT).log_in();
    old.sees_its_connection_close(seconds(2));
    assert!(bobs.iter_mut().all(Client::is_running));
    host.ssh("bob").is_refused();
    "bob's 2 stay and count".to_owned()
}

fn a_session_that_ignores_signals_ends_within_five_seconds(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 1);
    let mut stubborn = host.ssh("alice").log_in_to_a_shell();
    stubborn.ask("(trap '' HUP TERM INT; exec sleep 404) </dev/null >/dev/null 2>&1 & trap '' HUP TERM; echo deaf-$((40 + 2))", "deaf-42");
    let begun = std::time::Instant::now();
    let _new = host.ssh("alice").port(PORT).log_in();
    let took = begun.elapsed();
    assert!(took < LONGEST, "{took:?}");
    stubborn.sees_its_connection_close(seconds(2));
    assert_ne!(host.run("pgrep -u alice -x sleep").status, 0);
    format!("in after {:.1} s", took.as_secs_f64())
}

fn a_failed_second_factor_clears_nothing(host: &mut Host) -> String {
    start_second_sshd(host, "KbdInteractiveAuthentication yes");
    host.run("sed -i 's/^KbdInteractiveAuthentication no//' /etc/ssh/sshd_config.clear-sessions")
        .ok();
    host.limit("alice", 1);
    for (order, methods, password) in [
        ("publickey,keyboard-interactive", "publickey,keyboard-interactive", "wrong"),
        ("keyboard-interactive,publickey", "keyboard-interactive", "password-of-alice"),
    ] {
        host.run(&format!(
            "sed -i '/^AuthenticationMethods/d' /etc/ssh/sshd_config.clear-sessions
             echo 'AuthenticationMethods {order}' >>/etc/ssh/sshd_config.clear-sessions
             systemctl restart sshd-clear-sessions"
        ))
        .ok();
        let mut only = host.ssh("alice").log_in();
        let failed = host.ssh("alice").port(PORT).with_password(methods, password).run("true");
        assert!(failed.stderr.contains("Permission denied"), "{failed:#?}");
        assert!(only.is_running());
        host.ssh("alice").is_refused();
        let both = host
            .ssh("alice")
            .port(PORT)
            .with_password("publickey,keyboard-interactive", "password-of-alice");
        let new = both.log_in();
        only.sees_its_connection_close(seconds(2));
        new.log_out().ok();
        host.until_admitted("alice", seconds(5));
    }
    "both orders".to_owned()
}

fn a_login_below_the_limit_clears_as_well(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 5);
    let mut old = host.ssh("alice").log_in();
    let _new = host.ssh("alice").port(PORT).log_in();
    old.sees_its_connection_close(seconds(2));
    "1 of 5 ended".to_owned()
}

fn a_storm_of_clearing_logins_never_exceeds_the_limit(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 2);
    let ssh = host.ssh("alice").port(PORT);
    let mut most = 0;
    // So many that some login is overtaken again and again while it clears.
    for _ in 0..3 {
        let mut clients: Vec<_> = (0..30).map(|_| ssh.start()).collect();
        let mut left = 0;
        let only_one = within(seconds(60), || {
            most = most.max(host.recorded("alice"));
            left = clients.iter_mut().map(Client::is_running).filter(|&runs| runs).count();
            (left == 1 && (host.recorded("alice"), host.connections("alice")) == (1, 1))
                .then_some(())
        });
        assert!(only_one.is_some(), "{left} clients left: {:#?}", host.log());
        drop(clients);
        until("the last one is out", seconds(10), || host.recorded("alice") == 0);
    }
    assert!((1..=2).contains(&most), "{most} recorded at once");
    format!("30 at once, thrice: {most} recorded at most, 1 left")
}

fn a_connection_whose_monitor_was_killed_is_cleared_too(host: &mut Host) -> String {
    start_second_sshd(host, "");
    host.limit("alice", 1);
    let mut old = host.ssh("alice").log_in();
    host.run("pkill -KILL -f '^sshd[a-z-]*: alice \\[priv\\]'").ok();
    host.ssh("alice").is_refused();
    let _new = host.ssh("alice").port(PORT).log_in();
    old.sees_its_connection_close(seconds(2));
    assert_eq!(host.recorded("alice"), 1);
    "closed, 1 recorded".to_owned()
}

fn without_logind_the_same_sessions_end(host: &mut Host) -> String {
    host.run("sed -i '/pam_systemd.so/s/^/#/' /etc/pam.d/common-session").ok();
    start_second_sshd(host, "");
    let figure = commands_without_a_terminal_and_children_that_called_setsid_end_too(host);
    let others = the_sessions_of_other_users_stay(host);
    host.run("sed -i '/pam_systemd.so/s/^#//' /etc/pam.d/common-session").ok();
    format!("{figure}; {others}")
}
