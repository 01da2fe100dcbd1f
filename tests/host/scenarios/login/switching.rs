//! Switching the user inside a login, and what else opens PAM sessions without being a login.

use crate::host::{Host, Rules};
use crate::machine::root::Release;
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::wait::{seconds, until};

group!("switching":
    su_and_sudo_and_runuser_are_neither_counted_nor_blocked_at_the_limit,
    a_switch_by_root_to_a_user_at_the_limit_is_not_blocked,
    machinectl_shell_is_neither_counted_nor_blocked_at_the_limit,
    run0_is_neither_counted_nor_blocked_at_the_limit,
    with_sudo_counted_the_third_elevation_to_root_is_refused_with_the_warning,
    with_su_counted_the_third_elevation_to_root_is_refused_with_the_warning,
    with_switches_counted_a_switch_to_the_own_user_stays_free,
);

const SWITCHES_TOO: &str =
    "counted_services = [\"sshd\", \"sshd-*\", \"login\", \"sudo\", \"sudo-i\", \"su\", \"su-l\"]";

fn su_and_sudo_and_runuser_are_neither_counted_nor_blocked_at_the_limit(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).user("root", 1));
    let mut only = host.ssh("alice").log_in_to_a_shell();
    let _root = host.ssh("root").log_in();
    host.ssh("alice").is_refused();
    host.ssh("root").is_refused();
    let commands = [
        "sudo id",
        "sudo -u alice id",
        "sudo -i id",
        "sudo -l",
        "sudo -v",
        "sudo su -c id",
        "sudo su - -c id",
        "sudo su - alice -c id",
        "sudo runuser -u alice -- id",
        "sudo runuser -l alice -c id",
        "echo password-of-alice | su -c id alice",
    ];
    for (number, command) in commands.iter().enumerate() {
        only.ask(
            &format!("{command} >/dev/null && echo done-{number}-$((40 + 2))"),
            &format!("done-{number}-42"),
        );
    }
    assert_eq!((host.recorded("alice"), host.recorded("root")), (1, 1));
    format!("{} ways, 1 recorded", commands.len())
}

fn a_switch_by_root_to_a_user_at_the_limit_is_not_blocked(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    let mut root = host.ssh("root").log_in_to_a_shell();
    root.ask("su - alice -c 'echo switched-$((40 + 2))'", "switched-42");
    root.ask("sudo -i -u alice echo elevated-$((40 + 2))", "elevated-42");
    assert_eq!(host.recorded("alice"), 1);
    "su - alice and sudo -i -u alice".to_owned()
}

fn machinectl_shell_is_neither_counted_nor_blocked_at_the_limit(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    let mut shell =
        crate::terminal::Terminal::run(host.machine(), &["machinectl", "shell", "alice@.host"]);
    shell.expect("$").send("echo in-as-$(id -un)").expect("in-as-alice");
    assert_eq!(host.recorded("alice"), 1);
    host.ssh("alice").is_refused();
    "1 recorded".to_owned()
}

fn run0_is_neither_counted_nor_blocked_at_the_limit(host: &mut Host) -> String {
    if host.release == Release::Debian12 {
        assert_ne!(host.run("command -v run0").status, 0);
        return "no run0 there".to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    assert_eq!(host.ok("run0 --user=alice --pipe id -un"), "alice");
    assert_eq!(host.recorded("alice"), 1);
    "1 recorded".to_owned()
}

/// Alice, without a limit, becomes root twice; the third time root's limit of 2 has been reached.
fn the_third_elevation_is_refused(host: &Host, command: &str) -> String {
    host.rules(Rules::default().user("root", 2).policy(SWITCHES_TOO));
    let elevated: Vec<_> = (1..=2)
        .map(|number| {
            let mut shell = host.ssh("alice").log_in_to_a_shell();
            shell.send(command);
            shell.ask("echo now-$(id -un)", "now-root");
            assert_eq!(host.recorded("root"), number);
            shell
        })
        .collect();
    let mut third = host.ssh("alice").on_a_terminal(&[]);
    third.expect("$").send(command);
    third.expect(WARNING[0]);
    third.send("echo still-$(id -un)").expect("still-alice");
    drop(elevated);
    until("both slots are free", seconds(5), || host.recorded("root") == 0);
    third.send(command).send("echo then-$(id -un)").expect("then-root");
    "2 of 2, the third refused, free again after".to_owned()
}

fn with_sudo_counted_the_third_elevation_to_root_is_refused_with_the_warning(
    host: &mut Host,
) -> String {
    the_third_elevation_is_refused(host, "sudo -i")
}

fn with_su_counted_the_third_elevation_to_root_is_refused_with_the_warning(
    host: &mut Host,
) -> String {
    host.run("echo root:password-of-root | chpasswd; sed -i 's/^auth.*pam_rootok.so/&\\nauth sufficient pam_succeed_if.so use_uid user = alice/' /etc/pam.d/su").ok();
    the_third_elevation_is_refused(host, "su -")
}

fn with_switches_counted_a_switch_to_the_own_user_stays_free(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).policy(SWITCHES_TOO));
    let mut only = host.ssh("alice").log_in_to_a_shell();
    host.ssh("alice").is_refused();
    for (number, command) in ["sudo -u alice", "sudo -i -u alice"].iter().enumerate() {
        only.ask(&format!("{command} echo free-{number}-42"), &format!("free-{number}-42"));
    }
    only.ask("echo password-of-alice | su -c 'echo su-$((40 + 2))' alice", "su-42");
    assert_eq!(host.recorded("alice"), 1);
    "sudo, sudo -i, su: 1 recorded".to_owned()
}
