//! OpenSSH 9.8 and later hold a refused login against its address (PerSourcePenalties).

use std::time::Instant;

use crate::host::{Host, Rules};
use crate::root::Release;
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("penalties":
    who_retries_at_his_limit_is_told_the_reason_until_sshd_shuts_his_address_out,
    who_retries_every_five_seconds_is_never_shut_out,
    neighbours_behind_the_same_address_are_shut_out_with_him_and_others_are_not,
    with_the_documented_lines_nobody_is_shut_out,
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

fn who_retries_at_his_limit_is_told_the_reason_until_sshd_shuts_his_address_out(
    host: &mut Host,
) -> String {
    if !penalties(host, "") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let only = host.ssh("alice").log_in();
    let mut told = 0;
    let begun = Instant::now();
    loop {
        let answer = host.ssh("alice").run("true");
        assert_ne!(answer.status, 0);
        if !answer.stderr.contains(crate::ssh::WARNING[0]) {
            break;
        }
        told += 1;
        assert!(told < 60, "never shut out");
    }
    let after = begun.elapsed();
    only.log_out().ok();
    let out = host.until_admitted("alice", seconds(120));
    format!(
        "told {told} times in {:.1} s, then shut out for {:.0} s",
        after.as_secs_f64(),
        out.as_secs_f64()
    )
}

fn who_retries_every_five_seconds_is_never_shut_out(host: &mut Host) -> String {
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

fn neighbours_behind_the_same_address_are_shut_out_with_him_and_others_are_not(
    host: &mut Host,
) -> String {
    if !penalties(host, "") {
        return NONE_THERE.to_owned();
    }
    host.rules(Rules::default().user("alice", 1));
    let _only = host.ssh("alice").log_in();
    let shut_out = || host.ssh("bob").run("true").status != 0;
    for _ in 0..60 {
        host.ssh("alice").run("true");
        if shut_out() {
            break;
        }
    }
    assert!(shut_out(), "the neighbour behind the same address");
    host.ssh("bob").flag("-b").flag("127.0.0.2").is_admitted();
    let out = until("the neighbour gets in again", seconds(120), || !shut_out());
    format!("a neighbour waits {:.0} s, another address not at all", out.as_secs_f64())
}

fn with_the_documented_lines_nobody_is_shut_out(host: &mut Host) -> String {
    if !penalties(host, "PerSourcePenaltyExemptList 127.0.0.1/32") {
        return NONE_THERE.to_owned();
    }
    host.limit("alice", 1);
    let _only = host.ssh("alice").log_in();
    for _ in 0..20 {
        host.ssh("alice").is_refused();
    }
    host.ssh("bob").is_admitted();
    "20 refusals, each with its reason".to_owned()
}
