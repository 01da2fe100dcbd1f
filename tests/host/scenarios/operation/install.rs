//! `make install`, `pam-auth-update`, `make uninstall`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::host::Host;
use crate::scenario::group;
use crate::wait::seconds;

group!("installation":
    enabling_and_removing_leaves_the_stacks_byte_for_byte_as_they_were,
    the_lines_stand_before_all_that_can_end_the_account_phase_and_before_logind,
    installing_again_keeps_the_edited_configuration,
    a_module_replaced_under_open_sessions_goes_on_counting,
    the_shipped_configuration_is_accepted_and_lets_every_user_in,
    uninstalling_takes_the_lines_out_and_keeps_the_configuration,
);

type Stacks = BTreeMap<String, Vec<u8>>;

fn stacks(directory: &Path) -> Stacks {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
        })
        .collect()
}

fn stacks_of(host: &Host) -> Stacks {
    stacks(&host.machine().path("/etc/pam.d"))
}

/// The stacks of the root this host is a copy of: Debian's, untouched.
fn untouched(host: &Host) -> Stacks {
    stacks(&host.root.join("etc/pam.d"))
}

fn assert_untouched(host: &Host) {
    let mut left = stacks_of(host);
    // The stacks of `shell` and of the service are files of their own.
    left.retain(|name, _| !name.starts_with("shell") && !name.starts_with("session-limitd"));
    assert_eq!(left, untouched(host));
}

fn lines_of(host: &Host) -> usize {
    host.ok("cat /etc/pam.d/common-* | grep -c pam_session_limit.so || true").parse().unwrap()
}

fn enabling_and_removing_leaves_the_stacks_byte_for_byte_as_they_were(host: &mut Host) -> String {
    let enabled = stacks_of(host);
    let lines = lines_of(host);
    assert_eq!(lines, 3, "account, session, session-noninteractive");
    host.run("pam-auth-update --remove session-limit").ok();
    assert_untouched(host);
    host.run("pam-auth-update --enable session-limit").ok();
    assert_eq!(stacks_of(host), enabled, "enabled again");
    host.run("pam-auth-update --disable session-limit").ok();
    assert_untouched(host);
    host.run("pam-auth-update --enable session-limit").ok();
    assert_eq!(stacks_of(host), enabled, "enabled after a --disable");
    format!("{lines} lines in, 0 left, every file as before")
}

fn the_lines_stand_before_all_that_can_end_the_account_phase_and_before_logind(
    host: &mut Host,
) -> String {
    let modules = |file: &str| {
        let script = format!("grep -v '^#' /etc/pam.d/{file} | grep -o 'pam_[a-z_]*\\.so'");
        host.ok(&script).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let account = modules("common-account");
    assert_eq!(account.first().map(String::as_str), Some("pam_session_limit.so"), "{account:?}");
    let session = modules("common-session");
    let at = |module: &str| session.iter().position(|name| name == module).unwrap();
    assert!(at("pam_session_limit.so") < at("pam_unix.so"), "{session:?}");
    assert!(at("pam_session_limit.so") < at("pam_systemd.so"), "{session:?}");
    format!(
        "account: first of {}; session: {} of {}",
        account.len(),
        at("pam_session_limit.so") + 1,
        session.len()
    )
}

fn installing_again_keeps_the_edited_configuration(host: &mut Host) -> String {
    host.limit("alice", 7);
    let edited = host.read("/etc/session-limit/config.toml");
    host.install_again();
    assert_eq!(host.read("/etc/session-limit/config.toml"), edited);
    "config.toml unchanged".to_owned()
}

fn a_module_replaced_under_open_sessions_goes_on_counting(host: &mut Host) -> String {
    host.limit("alice", 2);
    let (first, _second) = (host.ssh("alice").log_in(), host.ssh("alice").log_in());
    host.install_again();
    host.ssh("alice").is_refused();
    first.log_out().ok();
    let took = host.until_admitted("alice", seconds(5));
    format!("2 of 2 before and after, a logout frees in {:.1} s", took.as_secs_f64())
}

fn the_shipped_configuration_is_accepted_and_lets_every_user_in(host: &mut Host) -> String {
    host.run("rm /etc/session-limit/config.toml").ok();
    host.install_again();
    let _many: Vec<_> =
        ["alice", "alice", "root", "root"].map(|user| host.ssh(user).log_in()).into();
    assert_eq!(host.recorded("alice"), 2);
    host.logs(&["sshd:session", "alice"]);
    let config = host.read("/etc/session-limit/config.toml");
    host.write(
        "/etc/session-limit/config.toml",
        &config.replace("max_concurrent_sessions = 0", "max_concurrent_sessions = 2"),
    );
    host.ssh("alice").is_refused();
    "no limit as shipped; holds as soon as a number is written".to_owned()
}

fn uninstalling_takes_the_lines_out_and_keeps_the_configuration(host: &mut Host) -> String {
    let makefile =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/install.mk"))
            .unwrap();
    host.write("/root/install.mk", &makefile);
    host.run("make -f /root/install.mk uninstall").ok();
    assert_untouched(host);
    let left = host.ok("find /usr /run -xdev \\( -name '*session[-_]limit*' \\) -not -path '/run/session-limit*' -not -path '*/proc/*'");
    assert_eq!(left, "");
    assert_ne!(host.run("test -e /usr/bin/shell").status, 0);
    host.read("/etc/session-limit/config.toml");
    host.ssh("alice").is_admitted();
    host.install_again();
    host.run("pam-auth-update --enable session-limit").ok();
    "stacks as before, no file left but the configuration".to_owned()
}
