//! One-shot commands and scripts: what they print where, and how they end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::process::{Command, Output, Stdio};

use session_limit_core::store::Store;

use crate::world::pty::Pty;
use crate::world::{SHELL, World, is_root};

/// A directory with a configuration, and `shell` on it.
struct Scratch(tempfile::TempDir);

const FILE: &str = "[[useraccountprofile]]\nname = \"C\"\nuuid = \"useraccountprofile-00000000-0000-4000-8000-000000000000\"\nmax_concurrent_sessions = 2\n";

impl Scratch {
    fn new(text: &str) -> Self {
        let scratch = Self(tempfile::tempdir().unwrap());
        fs::write(scratch.0.path().join("config.toml"), text).unwrap();
        // An empty store, as the first login makes it.
        if is_root() {
            let store = Store::at(&scratch.0.path().join("run/sessions.db"));
            fs::DirBuilder::new().mode(0o700).create(scratch.0.path().join("run")).unwrap();
            store.transaction(|_| Ok(())).unwrap();
        }
        scratch
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SHELL);
        command.arg("--config").arg(self.0.path().join("config.toml"));
        command.arg("--state").arg(self.0.path().join("run/sessions.db"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    fn script(&self, arguments: &[&str], text: &str) -> Output {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may leave before it has read all.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must end so and say this, with the directory's path as DIR.
    fn fails(&self, arguments: &[&str], code: i32, message: &str) {
        let output = self.run(arguments);
        let said = text(&output.stderr).replace(self.0.path().to_str().unwrap(), "DIR");
        assert_eq!((output.status.code(), said.as_str()), (Some(code), message), "{arguments:?}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn each_kind_of_failure_has_its_code_and_one_line() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    let plain = |arguments: &[&str], code, message: &str| scratch.fails(arguments, code, message);
    plain(
        &["show", "useraccountprofile", "X"],
        1,
        "shell: useraccountprofile `X`: there is none, expected one that `show useraccountprofile` lists\n",
    );
    plain(
        &["show", "user", "no-such-user"],
        1,
        "shell: user `no-such-user` is not known to this host\n",
    );
    plain(
        &["clear", "session", "7"],
        1,
        "shell: session 7: there is none, expected an id that `show session` lists\n",
    );
    plain(
        &["delete", "group", "g"],
        1,
        "shell: group `g`: there is none, expected one that `show group` lists\n",
    );
    plain(
        &["import", "limits", "/nonexistent"],
        1,
        "shell: /nonexistent: cannot be read: No such file or directory\n",
    );
    plain(
        &["shew"],
        2,
        "shell: unknown command `shew`, expected one of: show, watch, status, explain, check, configure, delete, clear, unlock, import, export, help, ?, history, exit, quit, logout\n",
    );
    plain(&["-c", "show user 'x"], 2, "shell: a quote is not closed, expected another '\n");
    plain(
        &["configure", "useraccountprofile", "C"],
        2,
        "shell: `configure useraccountprofile C` is not complete, expected FIELD VALUE\n",
    );
    plain(
        &["configure", "useraccountprofile", "C", "max_concurrent_sessions", "-1"],
        2,
        "shell: max_concurrent_sessions: `-1`, expected a whole number from 0 to 4294967295\n",
    );
    plain(
        &["configure", "user", "a", "user_profile_ref", "X"],
        7,
        "shell: user `a`: user_profile_ref: no profile `X`, expected one that `show useraccountprofile` lists\n",
    );
    plain(
        &["-c", "configure useraccountprofile C | grep zzz"],
        2,
        "shell: -c ends inside `configure`, expected save, exit or cancel; nothing was saved\n",
    );

    fs::write(scratch.0.path().join("config.toml"), "[policy]\non_limit = \"never\"\n").unwrap();
    plain(
        &["show", "useraccountprofile"],
        7,
        "shell: DIR/config.toml:2:12: on_limit \"never\", expected \"reject\" or \"ask\" or \"evict-oldest\" or \"log\"\n",
    );
    plain(
        &["delete", "user", "a"],
        7,
        "shell: DIR/config.toml:2:12: on_limit \"never\", expected \"reject\" or \"ask\" or \"evict-oldest\" or \"log\"\n",
    );
    fs::remove_file(scratch.0.path().join("config.toml")).unwrap();
    plain(
        &["show", "group"],
        7,
        "shell: DIR/config.toml: no such file, expected the configuration named by config=\n",
    );

    let scratch = Scratch::new(FILE);
    fs::set_permissions(scratch.0.path().join("run"), fs::Permissions::from_mode(0o777)).unwrap();
    let output = scratch.run(&["show", "session"]);
    assert_eq!(output.status.code(), Some(9));
    assert!(text(&output.stderr).contains("run"), "{}", text(&output.stderr));
}

#[test]
fn an_unknown_option_is_named() {
    let output = Command::new(SHELL).arg("--nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: unexpected argument '--nonsense' found\n"));
}

#[test]
fn version_and_help_are_printed() {
    let version = Command::new(SHELL).arg("--version").output().unwrap();
    assert_eq!(text(&version.stdout), format!("shell {}\n", env!("CARGO_PKG_VERSION")));
    let help = Command::new(SHELL).arg("--help").output().unwrap();
    assert!(text(&help.stdout).contains("Examples:") && help.status.success());
}

#[test]
fn an_en_dash_gets_a_hint() {
    let output = Command::new(SHELL).arg("\u{2013}clear-sessions").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "shell: unknown command `\u{2013}clear-sessions`: it begins with a dash that is no hyphen, expected `--clear-sessions`\n"
    );
}

#[test]
fn an_ordinary_user_is_told_to_use_sudo() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    fs::set_permissions(scratch.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The target directory may not be reachable for others: run a copy.
    let program = scratch.0.path().join("shell");
    testkit::copy_program(SHELL, &program);
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
        command.args(arguments).stdin(Stdio::null()).output().unwrap()
    };
    for arguments in [&["show", "session"][..], &["-c", "show user"], &[]] {
        let output = as_nobody(&[&["--socket", "/no/such.sock"], arguments].concat());
        assert_eq!(output.status.code(), Some(5), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.starts_with("shell: /no/such.sock: No such file or directory; "), "{said}");
    }
    // What explains the program, or looks at a file only, needs no root.
    for arguments in [&["help"][..], &["?"], &["show", "?"], &["help", "sh"], &["--version"]] {
        let output = as_nobody(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}");
    }
    let file = scratch.0.path().join("config.toml");
    let output = as_nobody(&["--check-config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_script_ends_with_its_first_failure_and_names_the_line() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    let good = scratch.script(&[], "# two changes\nconfigure useraccountprofile C\n  max_concurrent_sessions 7 # more\n\nsave\nshow useraccountprofile C | grep max_c\n");
    assert_eq!((good.status.code(), text(&good.stderr)), (Some(0), String::new()));
    assert!(text(&good.stdout).ends_with("| max_concurrent_sessions       | 7                                                       |\n"));
    let bad = scratch.script(&[], "show user root | grep uid\nshow nonsense\nshow user root\n");
    assert_eq!(bad.status.code(), Some(2));
    assert_eq!(text(&bad.stdout).lines().count(), 1);
    assert_eq!(
        text(&bad.stderr),
        "shell: line 2: `nonsense` after `show`, expected one of: useraccountprofile, user, group, useractivity, session, fleet, refusal\n"
    );
    let open = scratch.script(&[], "configure useraccountprofile C\nmax_concurrent_sessions 9\n");
    assert_eq!(
        (open.status.code(), text(&open.stderr).as_str()),
        (
            Some(2),
            "shell: the script ends inside `configure`, expected save, exit or cancel; nothing was saved\n"
        )
    );
    let long = scratch.script(&[], &"x".repeat(1_000_000));
    assert_eq!(
        (long.status.code(), text(&long.stderr).as_str()),
        (Some(2), "shell: line 1: the line is too long, expected at most 4096 bytes\n")
    );
    let early = scratch.script(&[], "exit\nshow nonsense\n");
    assert_eq!(early.status.code(), Some(0));
    assert!(
        fs::read_to_string(scratch.0.path().join("config.toml")).unwrap().contains("sessions = 7")
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    let mut command = scratch.command();
    command.args(["-c", "help", "-c", "help"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn looking_at_sessions_makes_no_store() {
    let Some(world) = World::new() else { return };
    world.configure(FILE);
    assert_eq!(world.results(&["show", "session"]).len(), 0);
    assert!(!world.path("run/session-limit").exists());
    // A file that was named, but is not there, was named by mistake.
    let output = world.run(&["--state", "/run/nothing.db", "show", "session"]);
    assert_eq!(output.status.code(), Some(9));
    assert_eq!(text(&output.stderr), "shell: /run/nothing.db: there is no store of sessions\n");
}

#[test]
fn a_damaged_store_makes_room_and_is_kept() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    let directory = scratch.0.path().join("run");
    fs::write(directory.join("sessions.db"), "no database at all").unwrap();
    fs::set_permissions(directory.join("sessions.db"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = scratch.run(&["-o", "json", "show", "session"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let kept = |name: &str| name.contains(".damaged-") && !name.ends_with("-journal");
    let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| kept(&name.to_string_lossy())).count(), 1);
}

#[test]
fn failures_are_json_too() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new(FILE);
    scratch.fails(
        &["-o", "json", "show", "group", "g"],
        1,
        "{\"code\":1,\"kind\":\"error\",\"message\":\"group `g`: there is none, expected one that `show group` lists\",\"schema_version\":1}\n",
    );
    // A mistake in the arguments is told in JSON, too.
    let output = Command::new(SHELL).args(["--json", "--nonsense"]).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (
            Some(2),
            "{\"code\":2,\"kind\":\"error\",\"message\":\"unexpected argument '--nonsense' found\",\"schema_version\":1}\n"
        )
    );
    let help = Command::new(SHELL).args(["--json", "help", "clear"]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&help.stdout).unwrap();
    assert_eq!(answer["results"][0]["command"], "clear session ID");
}

#[test]
fn a_configuration_is_checked_in_one_line_for_programs() {
    let scratch = Scratch::new("[[user]]\nusername = \"alice\"\nuser_profile = \"X\"\n");
    let file = scratch.0.path().join("config.toml");
    let check = || Command::new(SHELL).arg("--check-config").arg(&file).output().unwrap();
    let bad = check();
    assert_eq!(bad.status.code(), Some(7));
    assert_eq!(
        text(&bad.stderr),
        format!(
            "shell: {}:3:16: unknown profile \"X\", expected the name of a [[useraccountprofile]]\n",
            file.display()
        )
    );
    fs::write(&file, FILE).unwrap();
    let good = check();
    assert_eq!(
        text(&good.stdout),
        format!("{}: valid: 2 profiles, 0 users, 0 groups\n", file.display())
    );
    assert_eq!(good.status.code(), Some(0));
}

#[test]
fn a_configuration_is_checked_with_a_drawing_for_people() {
    let scratch = Scratch::new("[[user]]\nusername = \"alice\"\nuser_profile = \"X\" # soon\n");
    let mut command = Command::new(SHELL);
    command.arg("--check-config").arg(scratch.0.path().join("config.toml"));
    let mut pty = Pty::start(command);
    pty.wait_for_code(7);
    pty.expect("unknown profile \"X\", expected the name of a [[useraccountprofile]]\r\n");
    pty.expect("3 | user_profile = \"X\" # soon\r\n  |                ^^^\r\n");
}

const LIMITS: &str = "\
# limits.conf
*        soft  nofile     1024
*        hard  maxlogins  10
alice    -     maxlogins  3     # Alice
alice    -     maxlogins  4
bob      hard  maxlogins  0
carol    -     maxlogins  -
@ops     hard  maxlogins  4
@devs    hard  maxlogins  6
%dbas    hard  maxlogins  2
1000:    hard  maxlogins  2
*        -     maxsyslogins 50
dave     -
";

#[test]
fn limits_of_pam_limits_are_proposed_and_written() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("# ours\n");
    let limits = scratch.0.path().join("limits.conf");
    fs::write(&limits, LIMITS).unwrap();
    let import = |more: &[&str]| {
        let output = scratch.run(&[&["import", "limits", limits.to_str().unwrap()], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).replace(limits.to_str().unwrap(), "F")
    };
    let proposed = import(&[]);
    let rows: Vec<Vec<String>> = proposed
        .lines()
        .filter(|line| line.starts_with("| F"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    let proposals: Vec<(&str, &str)> =
        rows.iter().map(|row| (row[0].as_str(), row[2].as_str())).collect();
    assert_eq!(
        proposals,
        [
            ("F:3", "Default-User-Account-Profile: max_concurrent_sessions 10"),
            ("F:4", "overridden by a later line"),
            ("F:5", "user alice: Limits-4"),
            (
                "F:6",
                "not carried over: 0 lets no user in there and every user here; lock the account instead"
            ),
            ("F:7", "user carol: Limits-Unlimited"),
            ("F:8", "group ops: Limits-4"),
            ("F:9", "group devs: Limits-6"),
            (
                "F:10",
                "not carried over: a limit for all members of a group together: there is none here"
            ),
            ("F:11", "not carried over: a range of ids: assign the users or a group by name"),
            ("F:12", "not carried over: a limit for the whole host: there is none here"),
            ("F:13", "user dave: Limits-Unlimited"),
        ]
    );
    let file = scratch.0.path().join("config.toml");
    assert_eq!(fs::read_to_string(&file).unwrap(), "# ours\n");

    import(&["--apply"]);
    let config = session_limit_core::config::Config::load(&file).unwrap();
    let assigned = |list: &[session_limit_core::model::profile::ProfileAssignment]| -> Vec<String> {
        list.iter().map(|entry| format!("{} {}", entry.name, entry.user_profile)).collect()
    };
    let mut users = assigned(&config.users);
    users.sort();
    assert_eq!(users, ["alice Limits-4", "carol Limits-Unlimited", "dave Limits-Unlimited"]);
    // There the last line of a user's groups holds, here the first entry.
    assert_eq!(assigned(&config.groups), ["devs Limits-6", "ops Limits-4"]);
    let limit = |name: &str| config.profile(name).unwrap().max_concurrent_sessions;
    assert_eq!(
        ["Default-User-Account-Profile", "Limits-4", "Limits-6", "Limits-Unlimited"].map(limit),
        [10, 4, 6, 0]
    );
    assert!(fs::read_to_string(&file).unwrap().starts_with("# ours\n"));

    // And back: no number below ours.
    let exported = text(&scratch.run(&["export", "limits"]).stdout);
    let mut lines: Vec<&str> = exported.lines().collect();
    assert_eq!(lines.remove(0), "* hard maxlogins 10");
    assert_eq!(&lines[..2], ["@ops hard maxlogins 4", "@devs hard maxlogins 6"]);
    assert!(
        lines.contains(&"alice hard maxlogins 4")
            && lines.contains(&"carol hard maxlogins unlimited")
    );
    // A second import changes nothing.
    let before = fs::read_to_string(&file).unwrap();
    import(&["--apply"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
}
