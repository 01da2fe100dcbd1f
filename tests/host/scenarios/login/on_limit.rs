//! What happens at the limit other than a refusal: the oldest goes, or the user is asked.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::wait::{seconds, until};

group!("at the limit":
    evict_oldest_ends_the_oldest_session_and_no_other,
    evict_oldest_needs_every_factor_first,
    a_storm_of_evicting_logins_never_exceeds_the_limit,
    asked_by_keyboard_interactive_a_number_ends_that_session,
    asked_by_keyboard_interactive_enter_refuses,
    asked_on_the_console_a_ends_all,
    a_user_who_logs_in_by_key_cannot_be_asked_and_is_refused,
);

fn evict_oldest_ends_the_oldest_session_and_no_other(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 2).policy("on_limit = \"evict-oldest\""));
    let mut oldest = host.ssh("alice").log_in();
    let mut second = host.ssh("alice").log_in();
    let mut third = host.ssh("alice").log_in();
    let took = oldest.sees_its_connection_close(seconds(3));
    assert!(second.is_running() && third.is_running());
    until("two are recorded", seconds(2), || host.recorded("alice") == 2);
    let _fourth = host.ssh("alice").by_keyboard().log_in();
    second.sees_its_connection_close(seconds(3));
    assert!(third.is_running());
    format!("the first, then the second, closed after {:.1} s", took.as_secs_f64())
}

fn evict_oldest_needs_every_factor_first(host: &mut Host) -> String {
    host.sshd("AuthenticationMethods keyboard-interactive,publickey\n");
    host.rules(Rules::default().user("alice", 1).policy("on_limit = \"evict-oldest\""));
    let both =
        host.ssh("alice").with_password("publickey,keyboard-interactive", "password-of-alice");
    let mut only = both.log_in();
    let half = host
        .ssh("alice")
        .by_keyboard()
        .option("IdentityFile=/dev/null")
        .option("IdentitiesOnly=yes")
        .run("true");
    assert_ne!(half.status, 0);
    assert!(only.is_running());
    let _new = both.log_in();
    only.sees_its_connection_close(seconds(3));
    "one factor ends nothing, two do".to_owned()
}

fn a_storm_of_evicting_logins_never_exceeds_the_limit(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 2).policy("on_limit = \"evict-oldest\""));
    let ssh = host.ssh("alice");
    let mut clients: Vec<_> = (0..12).map(|_| ssh.start()).collect();
    let mut most = 0;
    until("every client has an answer", seconds(60), || {
        most = most.max(host.recorded("alice"));
        clients.iter_mut().all(|client| client.shows("you-are-in") || !client.is_running())
    });
    until("two are left", seconds(10), || host.connections("alice") == 2);
    most = most.max(host.recorded("alice"));
    assert_eq!(most, 2);
    format!("12 at once, {most} recorded at most")
}

/// The end of every question.
const ENTER: &str = "Enter = none): ";

fn asked(host: &Host, limit: u32) -> crate::terminal::Terminal {
    host.rules(Rules::default().user("alice", limit).policy("on_limit = \"ask\""));
    let mut terminal = host
        .ssh("alice")
        .option("PreferredAuthentications=keyboard-interactive")
        .on_a_terminal(&[]);
    terminal.expect("Password:").send("password-of-alice").expect(WARNING[0]);
    terminal
}

fn asked_by_keyboard_interactive_a_number_ends_that_session(host: &mut Host) -> String {
    let mut stays = host.ssh("alice").log_in();
    let mut chosen = host.ssh("alice").log_in();
    let mut new = asked(host, 2);
    // Another factor may be missing: not from where.
    new.expect("1: sshd since ").expect(" UTC").expect("2: sshd since ").expect(ENTER).send("y");
    new.expect("Not a choice.").expect(ENTER).send("2");
    new.expect("$").send("echo in-as-$(id -un)").expect("in-as-alice");
    chosen.sees_its_connection_close(seconds(3));
    assert!(stays.is_running());
    until("two are recorded", seconds(2), || host.recorded("alice") == 2);
    "in, the second closed, the first stays".to_owned()
}

fn asked_by_keyboard_interactive_enter_refuses(host: &mut Host) -> String {
    let mut only = host.ssh("alice").log_in();
    let mut new = asked(host, 1);
    new.expect(ENTER).send("");
    until("the client gives up or asks again", seconds(10), || {
        !new.is_running() || new.text().matches("Password:").count() > 1
    });
    assert!(only.is_running());
    assert_eq!(host.recorded("alice"), 1);
    "refused, the other stays".to_owned()
}

fn asked_on_the_console_a_ends_all(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).policy("on_limit = \"ask\""));
    let mut only = host.ssh("alice").log_in();
    let mut console = host.console();
    console.expect("login:").send("alice").expect("Password:").send("password-of-alice");
    console.expect(WARNING[0]).expect("1: sshd from 127.0.0.1 since ").expect(ENTER).send("a");
    console.expect("$").send("echo in-as-$(id -un)").expect("in-as-alice");
    only.sees_its_connection_close(seconds(3));
    "in, the other closed".to_owned()
}

fn a_user_who_logs_in_by_key_cannot_be_asked_and_is_refused(host: &mut Host) -> String {
    host.rules(Rules::default().user("alice", 1).policy("on_limit = \"ask\""));
    let _only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    host.ssh("alice").by_password().is_refused();
    "key and password: refused".to_owned()
}
