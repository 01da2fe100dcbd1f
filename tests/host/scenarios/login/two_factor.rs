//! sshd with two factors: the account phase may come before the last of them.

use crate::host::Host;
use crate::scenario::group;

group!("two factors":
    key_then_keyboard_interactive_counts_and_is_refused,
    keyboard_interactive_then_key_counts_and_is_refused,
    a_wrong_second_factor_takes_no_slot,
    a_missing_key_after_the_password_takes_no_slot,
    a_login_that_stalls_at_its_second_factor_locks_no_other_login_out,
);

const KEY_FIRST: &str = "AuthenticationMethods publickey,keyboard-interactive\n";
const KEY_LAST: &str = "AuthenticationMethods keyboard-interactive,publickey\n";
const BOTH: &str = "publickey,keyboard-interactive";

fn counts_and_is_refused(host: &Host, order: &str) -> String {
    host.sshd(order);
    host.limit("alice", 1);
    let both = host.ssh("alice").with_password(BOTH, "password-of-alice");
    let only = both.log_in();
    let refused = both.is_refused();
    only.log_out().ok();
    both.log_in();
    format!("1 of 1, exit status {}", refused.status)
}

fn key_then_keyboard_interactive_counts_and_is_refused(host: &mut Host) -> String {
    counts_and_is_refused(host, KEY_FIRST)
}

fn keyboard_interactive_then_key_counts_and_is_refused(host: &mut Host) -> String {
    counts_and_is_refused(host, KEY_LAST)
}

fn a_wrong_second_factor_takes_no_slot(host: &mut Host) -> String {
    host.sshd(KEY_FIRST);
    host.limit("alice", 1);
    for _ in 0..3 {
        let wrong = host.ssh("alice").with_password(BOTH, "wrong").run("true");
        assert!(wrong.stderr.contains("Permission denied"), "{wrong:#?}");
    }
    let both = host.ssh("alice").with_password(BOTH, "password-of-alice");
    let _only = both.log_in();
    both.is_refused();
    "in at once after 3 wrong ones".to_owned()
}

fn a_missing_key_after_the_password_takes_no_slot(host: &mut Host) -> String {
    host.sshd(KEY_LAST);
    host.limit("alice", 1);
    for _ in 0..3 {
        let without_key = host
            .ssh("alice")
            .by_keyboard()
            .option("IdentityFile=/dev/null")
            .option("IdentitiesOnly=yes")
            .run("true");
        assert!(without_key.stderr.contains("Permission denied"), "{without_key:#?}");
    }
    let both = host.ssh("alice").with_password(BOTH, "password-of-alice");
    let _only = both.log_in();
    both.is_refused();
    "in at once after 3 without a key".to_owned()
}

fn a_login_that_stalls_at_its_second_factor_locks_no_other_login_out(host: &mut Host) -> String {
    host.sshd("AuthenticationMethods keyboard-interactive,publickey\nLoginGraceTime 60\n");
    host.limit("alice", 1);
    // A key with a passphrase: the client has passed the first factor and waits for its owner.
    host.run("rm -f /root/slow*; cp /root/.ssh/id_ed25519 /root/slow; ssh-keygen -q -p -N passphrase -f /root/slow")
        .ok();
    let mut half = host
        .ssh("alice")
        .option("IdentityFile=/root/slow")
        .option("IdentitiesOnly=yes")
        .on_a_terminal(&[]);
    half.expect("Password:").send("password-of-alice");
    half.expect("Enter passphrase");
    let both = host.ssh("alice").with_password(BOTH, "password-of-alice");
    assert_eq!(both.run("true").status, 0, "a client that shows the password alone takes no slot");
    let _only = both.log_in();
    both.is_refused();
    "the user is in at once while another client stalls at the key".to_owned()
}
