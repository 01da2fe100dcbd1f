//! What an administrator reads.

use crate::host::Host;
use crate::scenario::group;

group!("journal":
    every_event_is_one_line_in_the_form_of_other_modules,
    a_name_from_outside_cannot_forge_a_line,
);

fn every_event_is_one_line_in_the_form_of_other_modules(host: &mut Host) -> String {
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();
    only.log_out().ok();
    let opened = host.logs(&["pam_session_limit(sshd:session): ", "alice", "1 of 1", "opened"]);
    let refused = host.logs(&["pam_session_limit(sshd:account): ", "alice", "127.0.0.1"]);
    // `Nov 21 17:00:00 host sshd[123]: pam_…`, as every other module has it.
    for line in [&opened, &refused] {
        let (head, _) = line.split_once(": ").unwrap();
        assert!(head.contains(" sshd") && head.ends_with(']'), "{line}");
    }
    // One line an event: a reservation is no event.
    let refusals = host
        .log()
        .iter()
        .filter(|line| line.contains("refused") || line.contains("account)"))
        .count();
    assert_eq!(refusals, 1, "{:#?}", host.log());
    let facility = host.ok("journalctl --quiet --no-pager -o verbose --grep=pam_session_limit -n 1 | grep SYSLOG_FACILITY");
    assert_eq!(facility, "SYSLOG_FACILITY=10", "authpriv");
    refused.split("]: ").nth(1).unwrap_or(&refused).to_owned()
}

fn a_name_from_outside_cannot_forge_a_line(host: &mut Host) -> String {
    // The last slot is logged.
    host.limit("alice", 1);
    // What a client may choose, such as the name of its address, with a line break in it.
    let rhost = "rhost=192.0.2.1\nNov 1 00:00:00 host sshd[1]: forged";
    host.run(&format!("pamtester -I $'{rhost}' sshd alice open_session close_session")).ok();
    // All of it on the line that the module began.
    let line = host.logs(&["session opened for user alice", "rhost 192.0.2.1", "forged"]);
    line.split("rhost ").nth(1).unwrap_or(&line).to_owned()
}
