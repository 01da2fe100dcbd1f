//! A host in a directory, and what is said of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stack::Phase;
use super::stack::reach::{Reach, reach};
use super::*;

pub const FAIL_OPEN: &str = "[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore perm_denied=die default=ignore]";

/// The stacks of Debian 12 and Debian 13 as installed.
pub const RELEASES: [(&str, &[(&str, &str)]); 2] = [
    (
        "Debian 12",
        &[
            ("sshd", include_str!("testdata/debian12/sshd")),
            ("login", include_str!("testdata/debian12/login")),
            ("su", include_str!("testdata/debian12/su")),
            ("cockpit", include_str!("testdata/debian12/cockpit")),
            ("common-account", include_str!("testdata/debian12/common-account")),
            ("common-session", include_str!("testdata/debian12/common-session")),
        ],
    ),
    (
        "Debian 13",
        &[
            ("sshd", include_str!("testdata/debian13/sshd")),
            ("login", include_str!("testdata/debian13/login")),
            ("su", include_str!("testdata/debian13/su")),
            ("common-account", include_str!("testdata/debian13/common-account")),
            ("common-session", include_str!("testdata/debian13/common-session")),
        ],
    ),
];

/// A host whose root is a directory.
pub struct Scratch {
    _directory: tempfile::TempDir,
    pub host: HostFiles,
}

impl Scratch {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let host = HostFiles { root: directory.path().to_owned(), ask_sshd: true };
        Self { _directory: directory, host }
    }

    /// A host with the stacks of a release, and what they include.
    pub fn of(stacks: &[(&str, &str)]) -> Self {
        let scratch = Self::new();
        for (name, text) in stacks {
            scratch.stack(name, text);
        }
        scratch.stack("common-auth", "auth required pam_unix.so\n");
        scratch.stack("common-password", "password required pam_unix.so\n");
        scratch
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.host.at(Path::new(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn stack(&self, service: &str, text: &str) {
        self.write(&format!("/etc/pam.d/{service}"), text);
    }

    /// Puts the module's lines where pam-auth-update puts them.
    pub fn enable(&self) {
        for (file, phase, before) in [
            ("common-account", "account", "account\t[success=1"),
            ("common-session", "session", "session\trequired\tpam_unix.so"),
        ] {
            let path = self.host.at(&Path::new("/etc/pam.d").join(file));
            let text = fs::read_to_string(&path).unwrap();
            let line = format!("{phase}\t{FAIL_OPEN}\tpam_session_limit.so\n{before}");
            assert!(text.contains(before), "{file}: {text}");
            fs::write(&path, text.replacen(before, &line, 1)).unwrap();
        }
    }

    /// Installs an sshd that says so, and ends with this status.
    pub fn sshd(&self, script: &str) {
        let path = self.write("/usr/sbin/sshd", &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn reach(&self, service: &str, phase: Phase) -> Reach {
        reach(&stack::read(&self.host, service, phase).entries, phase)
    }

    pub fn service(&self, service: &str) -> Check {
        let stacks = services::ServiceStacks::read(&self.host, service);
        services::check(&stacks, &Config::default())
    }
}

fn assert_check(check: &Check, verdict: Verdict, words: &str) {
    assert_eq!(check.verdict, verdict, "{check:?}");
    assert!(check.message.contains(words), "{check:?}");
}

#[test]
fn the_stacks_of_debian_reach_the_module_once_it_is_enabled() {
    for (release, stacks) in RELEASES {
        let scratch = Scratch::of(stacks);
        for name in ["sshd", "login", "cockpit"] {
            if scratch.host.service_file(name).is_none() {
                continue;
            }
            let check = scratch.service(name);
            assert_check(&check, Verdict::Problem, "calls the module nowhere");
        }
        scratch.enable();
        for (name, _) in stacks.iter().filter(|(name, _)| !name.starts_with("common-")) {
            for phase in [Phase::Account, Phase::Session] {
                let reached = scratch.reach(name, phase);
                assert!(matches!(reached, Reach::Always(_)), "{release}: {name}: {reached:?}");
            }
        }
        let check = scratch.service("sshd");
        assert_check(&check, Verdict::Ok, "account line /etc/pam.d/common-account:1");
        assert_check(&check, Verdict::Ok, "session line /etc/pam.d/common-session:");
    }
}

#[test]
fn a_line_behind_one_that_ends_the_phase_is_a_warning_and_in_the_session_a_problem() {
    for (_, stacks) in RELEASES {
        let scratch = Scratch::of(stacks);
        scratch.enable();
        // Behind Debian's own lines: an expired password ends pam_unix's line.
        let account = stacks.iter().find(|(name, _)| *name == "common-account").unwrap().1;
        let behind = format!("{account}account {FAIL_OPEN} pam_session_limit.so\n");
        scratch.stack("common-account", &behind);
        let check = scratch.service("sshd");
        assert_check(
            &check,
            Verdict::Warning,
            "pam_unix.so (/etc/pam.d/common-account:1) can end the account phase before /etc/pam.d/common-account:4",
        );
        // As sssd writes it.
        scratch.enable_first("account sufficient pam_localuser.so\n", "common-account");
        assert_check(&scratch.service("sshd"), Verdict::Warning, "pam_localuser.so");
        scratch.enable_first("session sufficient pam_localuser.so\n", "common-session");
        assert_check(&scratch.service("sshd"), Verdict::Problem, "can end the session phase");
    }
}

impl Scratch {
    fn enable_first(&self, line: &str, file: &str) {
        let path = self.host.at(&Path::new("/etc/pam.d").join(file));
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{line}{text}")).unwrap();
    }
}

#[test]
fn a_refusal_must_count() {
    let scratch = Scratch::new();
    let own = |control: &str| {
        scratch.stack(
            "sshd",
            &format!(
                "account {control} pam_session_limit.so\nsession {control} pam_session_limit.so\n"
            ),
        );
        scratch.service("sshd")
    };
    for control in ["required", "requisite", FAIL_OPEN] {
        assert_check(&own(control), Verdict::Ok, "session line");
    }
    for control in ["optional", "sufficient", "[success=ok default=ignore]"] {
        assert_check(&own(control), Verdict::Problem, "a refusal has no effect");
    }
    assert_check(
        &own("[success=done default=die]"),
        Verdict::Warning,
        "skips the lines that follow",
    );
}

#[test]
fn one_line_alone_is_named() {
    let scratch = Scratch::new();
    scratch.stack("sshd", "account required pam_session_limit.so\nsession required pam_unix.so\n");
    assert_check(&scratch.service("sshd"), Verdict::Problem, "no session line");
    scratch.stack("sshd", "account required pam_unix.so\nsession required pam_session_limit.so\n");
    assert_check(&scratch.service("sshd"), Verdict::Warning, "no account line");
    scratch.stack(
        "login",
        "account required pam_session_limit.so\nsession optional pam_systemd.so\n\
         session required /usr/lib/security/pam_session_limit.so clear-sessions\n",
    );
    let check = scratch.service("login");
    assert_check(&check, Verdict::Warning, "a refusal leaves a logind session behind");
    assert_check(&check, Verdict::Warning, "argument clear-sessions skipped");
}

#[test]
fn a_file_that_is_not_there_to_include_fails_every_login() {
    let scratch = Scratch::new();
    for include in ["@include gone", "session include gone"] {
        scratch.stack(
            "sshd",
            &format!(
                "account required pam_session_limit.so\nsession required pam_session_limit.so\n{include}\n"
            ),
        );
        let check = scratch.service("sshd");
        assert_check(
            &check,
            Verdict::Problem,
            "every login fails at /etc/pam.d/sshd:3: there is no gone",
        );
    }
}

#[test]
fn clear_sessions_needs_both_lines() {
    let scratch = Scratch::new();
    let stack = |account: &str, session: &str| {
        scratch.stack(
            "sshd-clear-sessions",
            &format!(
                "account required pam_session_limit.so {account}\n\
                 session required pam_session_limit.so {session}\n"
            ),
        );
        scratch.service("sshd-clear-sessions")
    };
    let flag = "clear_sessions";
    assert_check(&stack(flag, flag), Verdict::Ok, "a login ends the user's other sessions");
    assert_check(&stack("", flag), Verdict::Problem, "missing on the account line");
    assert_check(&stack(flag, ""), Verdict::Warning, "missing on the session line");
}

#[test]
fn a_login_service_that_is_not_counted_is_named() {
    let scratch = Scratch::new();
    scratch.stack("sshd", "session required pam_unix.so\n");
    scratch.stack("su", "session required pam_unix.so\n");
    let config = Config::parse("[policy]\ncounted_services = [\"login\"]\n").unwrap();
    let services = services::examine_all(&scratch.host, &config);
    let checks: Vec<Check> =
        services.iter().map(|service| services::check(service, &config)).collect();
    assert_eq!(checks.len(), 1, "su is no login: {checks:?}");
    assert_check(&checks[0], Verdict::Warning, "not counted");
}

fn sshd_check(scratch: &Scratch) -> Check {
    sshd::check(&scratch.host, Path::new("/usr/sbin/sshd"), &Config::default())
}

#[test]
fn without_an_answer_the_files_of_sshd_are_read() {
    let mut scratch = Scratch::of(RELEASES[0].1);
    scratch.enable();
    scratch.host.ask_sshd = false;
    assert_check(&sshd_check(&scratch), Verdict::Warning, "could not be found out");
    scratch
        .write("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nusepam = yes # x\n");
    assert_check(&sshd_check(&scratch), Verdict::Ok, "uses PAM, as service sshd (read from");
    // The first value holds; what a Match block says is for some connections.
    scratch
        .write("/etc/ssh/sshd_config.d/10.conf", "Match User x\nUsePAM no\nPAMServiceName odd\n");
    assert_check(&sshd_check(&scratch), Verdict::Problem, "the service odd is not counted");
    scratch.write("/etc/ssh/sshd_config.d/10.conf", "UsePAM no\n");
    assert_check(&sshd_check(&scratch), Verdict::Problem, "does not use PAM (read from");
    scratch.write("/etc/ssh/sshd_config.d/10.conf", "Include sshd_config\n");
    assert_check(&sshd_check(&scratch), Verdict::Warning, "included too deep");
}

#[test]
fn sshd_itself_is_asked_and_not_waited_for_without_end() {
    if system_uid() != 0 {
        eprintln!("SKIPPED: needs root");
        return;
    }
    let scratch = Scratch::of(RELEASES[1].1);
    scratch.enable();
    scratch.write("/etc/ssh/sshd_config", "UsePAM yes\n");
    scratch.sshd("echo port 22; echo usepam yes; echo pamservicename sshd");
    assert_check(&sshd_check(&scratch), Verdict::Ok, "as service sshd (asked by sshd -T)");
    scratch.sshd("echo usepam no; test -z \"$HOME\"");
    assert_check(&sshd_check(&scratch), Verdict::Problem, "does not use PAM (asked by sshd -T)");
    scratch.sshd("echo usepam yes; echo pamservicename other-name");
    assert_check(&sshd_check(&scratch), Verdict::Problem, "other-name is not counted");
    scratch.sshd("echo no hostkeys available >&2; exit 1");
    let check = sshd_check(&scratch);
    assert_check(&check, Verdict::Ok, "sshd -T failed: no hostkeys available");
    let began = std::time::Instant::now();
    scratch.sshd("exec sleep 60");
    assert_check(&sshd_check(&scratch), Verdict::Ok, "did not end within 3 s");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

fn system_uid() -> u32 {
    session_limit_core::system::effective_uid()
}

/// An sshd from 9.8 on knows the option and names it in its answer.
const MODERN: &str = "case \"$*\" in *PAMServiceName=*) name=${*##*PAMServiceName=};; *) name=sshd;; esac; echo usepam yes; echo pamservicename $name";
/// An earlier one rejects it.
const OLD: &str = "case \"$*\" in *PAMServiceName*) echo Bad configuration option >&2; exit 255;; esac; echo usepam yes";

#[test]
fn the_second_sshd_clears_only_under_a_service_that_clears() {
    if system_uid() != 0 {
        eprintln!("SKIPPED: needs root");
        return;
    }
    let shipped = |path: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
    };
    let unit = shipped("packaging/sshd-clear-sessions.service");
    let unit_path = "/etc/systemd/system/sshd-clear-sessions.service";
    for (sshd, stacks) in [(OLD, RELEASES[0].1), (MODERN, RELEASES[1].1)] {
        let scratch = Scratch::of(stacks);
        scratch.enable();
        scratch.sshd(sshd);
        let check =
            || clearing::check(&scratch.host, Path::new("/usr/sbin/sshd"), &Config::default());
        assert_eq!(check(), None, "none is set up");
        scratch.write(
            "/etc/ssh/sshd_config.clear-sessions",
            &shipped("packaging/sshd_config.clear-sessions"),
        );
        assert_check(&check().unwrap(), Verdict::Problem, "sshd-clear-sessions.service is missing");
        scratch.write(unit_path, &unit);
        assert_check(
            &check().unwrap(),
            Verdict::Problem,
            "/etc/pam.d/sshd-clear-sessions is missing",
        );
        scratch.stack("sshd-clear-sessions", &shipped("pam.d/sshd-clear-sessions"));
        assert_check(
            &check().unwrap(),
            Verdict::Warning,
            "its logins clear, as PAM service sshd-clear-sessions",
        );
        assert_check(&check().unwrap(), Verdict::Warning, "not running");
        scratch.write("/run/sshd-clear-sessions/environment", "");
        assert_check(&check().unwrap(), Verdict::Ok, "its logins clear");
        // Started as plain sshd without the option, whatever the version.
        scratch.write(
            unit_path,
            "[Service]\nExecStart=/usr/sbin/sshd -D -f /etc/ssh/sshd_config.clear-sessions\n",
        );
        assert_check(&check().unwrap(), Verdict::Problem, "uses the PAM service sshd (");
        scratch.write(unit_path, &unit);
        scratch.stack("sshd-clear-sessions", "@include common-account\n@include common-session\n");
        assert_check(&check().unwrap(), Verdict::Problem, "do not set clear_sessions");
    }
}

#[test]
fn the_module_must_lie_where_libpam_looks() {
    let scratch = Scratch::new();
    let native = match std::env::consts::ARCH {
        "x86_64" => "x86_64-linux-gnu",
        "aarch64" => "aarch64-linux-gnu",
        other => panic!("add the directory of {other}"),
    };
    let home = format!("/usr/lib/{native}/security");
    let check = |services: &[services::ServiceStacks]| module_file::check(&scratch.host, services);
    assert_check(&check(&[]), Verdict::Problem, "was found nowhere");
    scratch.write("/usr/lib/m68k-linux-gnu/security/pam_permit.so", "\x7fELF");
    scratch.write(&format!("{home}/pam_permit.so"), "\x7fELF");
    assert_check(&check(&[]), Verdict::Problem, "is missing");
    scratch.write("/usr/lib/security/pam_session_limit.so", "\x7fELF");
    assert_check(
        &check(&[]),
        Verdict::Problem,
        "it lies in /usr/lib/security, but libpam looks in",
    );
    scratch.write(&format!("{home}/pam_session_limit.so"), "text");
    assert_check(&check(&[]), Verdict::Problem, "is not a shared object");
    scratch.write(&format!("{home}/pam_session_limit.so"), "\x7fELF...");
    assert_check(&check(&[]), Verdict::Ok, &home);
    scratch.stack("sshd", "session required /opt/pam_session_limit.so\n");
    let service = services::ServiceStacks::read(&scratch.host, "sshd");
    assert_check(
        &check(&[service]),
        Verdict::Problem,
        "/opt/pam_session_limit.so, which some lines name, is missing",
    );
}

#[test]
fn a_broken_configuration_is_one_line_and_the_rest_is_still_looked_at() {
    let scratch = Scratch::of(RELEASES[0].1);
    let config =
        scratch.write("/etc/session-limit/config.toml", "[policy]\non_limit = \"never\"\n");
    let store = scratch.host.root.join("no-such-directory/live-sessions.db");
    let checks = collect(&scratch.host, &ConfigFile::at(&config), &store);
    assert_check(&checks[0], Verdict::Problem, "config.toml:2:12: on_limit \"never\"");
    let of = |kind: &str, subject: &str| {
        let found = checks.iter().find(|one| one.check == kind && one.subject.contains(subject));
        found.unwrap_or_else(|| panic!("{kind} {subject}: {checks:?}")).clone()
    };
    assert_check(&of("limits", ""), Verdict::Warning, "no user is limited");
    assert_check(&of("store", ""), Verdict::Ok, "the first counted login makes it");
    assert_check(&of("service", "sshd"), Verdict::Problem, "pam-auth-update --enable");
    assert!(!store.parent().unwrap().exists());
}

#[test]
fn a_socket_is_as_it_should_be_where_a_process_listens() {
    let scratch = Scratch::new();
    assert_check(&sockets::shell(&scratch.host), Verdict::Warning, "cannot be found out");
    // As the kernel writes it: one that listens, and a connection of it.
    let table = |flags: &str| {
        format!(
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 10 /run/other.sock\n\
             0000000000000000: 00000003 00000000 {flags} 0001 03 11 {}\n",
            sockets::SHELL
        )
    };
    scratch.write("/proc/net/unix", &table("00000000"));
    assert_check(&sockets::shell(&scratch.host), Verdict::Warning, "session-limit-shell.socket");
    scratch.write("/proc/net/unix", &table("00010000"));
    assert_check(&sockets::shell(&scratch.host), Verdict::Ok, "without root");
}

#[test]
fn the_agent_is_looked_for_where_the_host_is_one_of_a_fleet() {
    let scratch = Scratch::new();
    scratch.write("/proc/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n");
    let store = Path::new("/run/session-limit/live-sessions.db");
    assert_eq!(sockets::fleet(&scratch.host, &Config::default(), store), None);
    let config = Config::parse("[fleet]\nendpoints = [\"http://localhost:2379\"]\n").unwrap();
    let check = sockets::fleet(&scratch.host, &config, store).unwrap();
    assert_eq!(check.subject, "/run/session-limit/fleet.sock");
    assert_check(&check, Verdict::Problem, "systemctl enable --now session-limit-agent");
}
