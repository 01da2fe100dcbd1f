//! Logins at a getty.

use crate::host::Host;
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("console":
    a_console_login_counts_together_with_ssh,
    the_warning_is_readable_on_the_console,
    the_warning_is_readable_with_hushlogin_too,
    logging_out_at_the_console_frees_the_slot,
    a_killed_login_program_frees_the_slot,
);

fn type_name_and_password(console: &mut Terminal, user: &str) {
    console.expect("login:").send(user);
    console.expect("Password:").send(&format!("password-of-{user}"));
}

fn log_in(host: &Host, user: &str) -> Terminal {
    let mut console = host.console();
    type_name_and_password(&mut console, user);
    console.expect("$").send("echo in-as-$(id -un)").expect(&format!("in-as-{user}"));
    console
}

fn a_console_login_counts_together_with_ssh(host: &mut Host) -> String {
    host.limit("alice", 2);
    let _console = log_in(host, "alice");
    let _ssh = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    "1 console and 1 ssh of 2".to_owned()
}

fn the_warning_is_readable_on_the_console(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _ssh = host.ssh("alice").log_in();
    let mut console = host.console();
    // The next getty hangs the terminal up. Unlike a console, a pseudo terminal then forgets what its
    // other side has not read yet, and on a busy machine that can be the warning.
    let shown = (0..5).any(|_| {
        type_name_and_password(&mut console, "alice");
        console.shows(&WARNING.join("\r\n"), seconds(5))
    });
    assert!(shown, "no warning on the terminal:\n{}", console.text());
    // The getty comes back for the next person.
    console.expect("login:");
    "both lines, then a new login prompt".to_owned()
}

fn the_warning_is_readable_with_hushlogin_too(host: &mut Host) -> String {
    host.run("runuser -u alice -- touch /home/alice/.hushlogin").ok();
    let figure = the_warning_is_readable_on_the_console(host);
    host.run("rm /home/alice/.hushlogin").ok();
    figure
}

fn logging_out_at_the_console_frees_the_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let mut console = log_in(host, "alice");
    host.ssh("alice").is_refused();
    console.send("exit").expect("login:");
    let took = host.until_admitted("alice", seconds(5));
    until("the record is gone", seconds(2), || host.recorded("alice") == 0);
    format!("next login through {:.1} s after the logout", took.as_secs_f64())
}

fn a_killed_login_program_frees_the_slot(host: &mut Host) -> String {
    host.limit("alice", 1);
    let _console = log_in(host, "alice");
    host.ssh("alice").is_refused();
    host.run("pkill -KILL -x login").ok();
    let took = host.until_admitted("alice", seconds(5));
    format!("next login through {:.1} s after the kill", took.as_secs_f64())
}
