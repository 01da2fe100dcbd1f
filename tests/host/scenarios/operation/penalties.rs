//! OpenSSH 9.8 and later hold a refused login against its address (PerSourcePenalties).

use std::time::Instant;

use crate::host::Host;
use crate::machine::root::Release;
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::wait::seconds;

group!("penalties":
    a_user_who_retries_at_once_is_told_the_reason_until_their_address_is_blocked,
    a_user_who_retries_every_five_seconds_is_never_blocked,
    with_the_address_exempt_no_user_is_blocked,
    with_a_smaller_penalty_a_user_is_told_the_reason_more_often,
);

/// What the test hosts switch off for all other scenarios, as OpenSSH ships it.
fn penalties(host: &Host, line: &str) -> bool {
    if host.release == Release::Debian12 {
        return false;
    }
    host.sshd(&format!("{line}\n"));
    host.run(
        "sed -i '/PerSourcePenalties/d' /etc/ssh/sshd_config.d/00-test.conf; systemctl restart ssh",
    )
    .ok();
    true
}

const NONE_THERE: &str = "no penalties in OpenSSH 9.2";

fn a_user_who_retries_at_once_is_told_the_reason_until_their_address_is_blocked(
    host: &mut Host,
) -> String {
    if !penalties(host, "") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    let begun = Instant::now();
    let told = told_before_the_door_closes(host);
    let after = begun.elapsed();
    let neighbour = host.ssh("bob");
    assert_ne!(neighbour.run("true").status, 0, "behind the same address");
    neighbour.clone().flag("-b").flag("127.0.0.2").is_admitted();
    let out = host.until_admitted("bob", seconds(120));
    format!(
        "told {told} times in {:.1} s, then the address is out for {:.0} s, the other users behind it too; \
         other addresses are not",
        after.as_secs_f64(),
        out.as_secs_f64()
    )
}

fn a_user_who_retries_every_five_seconds_is_never_blocked(host: &mut Host) -> String {
    if !penalties(host, "") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    const TRIES: u32 = 5;
    for _ in 0..TRIES {
        host.ssh("alice").is_refused();
        // The measure itself: as long as one penalty lasts.
        std::thread::sleep(seconds(5));
    }
    format!("{TRIES} tries, each told the reason")
}

fn with_the_address_exempt_no_user_is_blocked(host: &mut Host) -> String {
    if !penalties(host, "PerSourcePenaltyExemptList 127.0.0.1/32") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    for _ in 0..20 {
        host.ssh("alice").is_refused();
    }
    host.ssh("bob").is_admitted();
    "20 refusals at once, each with its reason".to_owned()
}

fn with_a_smaller_penalty_a_user_is_told_the_reason_more_often(host: &mut Host) -> String {
    if !penalties(host, "PerSourcePenalties authfail:1s") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    let told = told_before_the_door_closes(host);
    assert!(told > 10, "{told}");
    format!("told {told} times")
}

/// How often alice, who tries again and again without a pause, reads why.
fn told_before_the_door_closes(host: &Host) -> usize {
    let mut told = 0;
    while host.ssh("alice").run("true").stderr.contains(WARNING[0]) {
        told += 1;
        assert!(told < 60, "never shut out");
    }
    told
}
