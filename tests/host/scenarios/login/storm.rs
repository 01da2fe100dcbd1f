//! Sixty logins at once.

use std::time::{Duration, Instant};

use crate::client::{Client, Ended};
use crate::host::Host;
use crate::scenario::group;
use crate::ssh::{Ssh, WARNING, assert_refused};
use crate::wait::{seconds, until};

group!("storm":
    of_sixty_logins_at_once_exactly_five_get_in,
    of_sixty_ssh_without_a_command_at_once_exactly_five_get_in_and_none_lingers,
    of_thirty_keyboard_interactive_logins_at_once_exactly_five_get_in,
);

const LIMIT: usize = 5;

fn of_sixty_logins_at_once_exactly_five_get_in(host: &mut Host) -> String {
    storm(host, 60, 5, |ssh| ssh.start(), assert_refused)
}

fn of_sixty_ssh_without_a_command_at_once_exactly_five_get_in_and_none_lingers(
    host: &mut Host,
) -> String {
    storm(host, 60, 5, |ssh| ssh.start_without_command(), assert_refused)
}

fn of_thirty_keyboard_interactive_logins_at_once_exactly_five_get_in(host: &mut Host) -> String {
    storm(host, 30, 2, |ssh| ssh.clone().by_keyboard().start(), assert_refused_in_either_phase)
}

/// The child that runs the account phase of keyboard-interactive logins reserves no slot that others
/// count: of those that pass it at the same time the opening refuses the ones over the limit. sshd then
/// shows the warning where the command would have written.
fn assert_refused_in_either_phase(ended: &Ended) {
    if ended.status == 254 {
        assert_eq!(ended.stdout, format!("{}\n", WARNING.join("\n")), "{ended:#?}");
    } else {
        assert_refused(ended);
    }
}

fn storm(
    host: &Host,
    count: usize,
    rounds: usize,
    start: fn(&Ssh) -> Client,
    refused: fn(&Ended),
) -> String {
    host.limit("alice", 5);
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        let begun = Instant::now();
        let ssh = host.ssh("alice");
        let clients: Vec<Client> = (0..count).map(|_| start(&ssh)).collect();
        let mut inside = Vec::new();
        for mut client in clients {
            if client.gets_in() {
                inside.push(client);
            } else {
                refused(&client.wait());
            }
        }
        slowest = slowest.max(begun.elapsed());
        assert_eq!(inside.len(), LIMIT, "round {round}");
        until("no refused connection lingers", seconds(5), || host.connections("alice") == LIMIT);
        assert_eq!(host.recorded("alice"), LIMIT, "round {round}");
        assert!(inside.iter_mut().all(Client::is_running));
        inside.iter_mut().for_each(Client::kill);
        until("every login is gone", seconds(10), || {
            host.connections("alice") == 0 && host.recorded("alice") == 0
        });
    }
    format!(
        "{LIMIT} of {count} in each of {rounds} rounds, last answer after {:.1} s at most",
        slowest.as_secs_f64()
    )
}
