//! `status` and `explain`: what they say of a small host, to whom, and that they change nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use session_limit_admin::explain::{Decision, Explanation, SessionInUse};
use session_limit_admin::status::{Check, Verdict};
use shell::output::pipeline::Pipeline;
use shell::output::response::Format;
use shell::output::status as views;

use crate::world::{PASSWORD, World};

const LIMITED: &str = "\
[[useraccountprofile]]
name = \"Two\"
max_concurrent_sessions = 2
[[useraccountprofile]]
name = \"Ops\"
max_concurrent_sessions = 3
[[user]]
username = \"alice\"
user_profile = \"Two\"
[[group]]
name = \"ops\"
user_profile = \"Ops\"
";

/// Runs `status`, which ends with this code, and returns its results.
fn status(world: &World, code: i32) -> Vec<Value> {
    let output = world.run(&["-o", "json", "status"]);
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}{errors}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["kind"], "status");
    answer["results"].as_array().unwrap().clone()
}

fn find<'a>(results: &'a [Value], check: &str, subject: &str) -> &'a Value {
    let fits =
        |row: &&Value| row["check"] == check && row["subject"].as_str().unwrap().contains(subject);
    results.iter().find(fits).unwrap_or_else(|| panic!("{check} {subject}: {results:#?}"))
}

fn says(row: &Value, verdict: &str, words: &str) {
    let message = row["message"].as_str().unwrap();
    assert!(row["verdict"] == verdict && message.contains(words), "{row}");
}

type Files = BTreeMap<String, (Vec<u8>, std::time::SystemTime)>;

fn assert_unchanged(world: &World, before: &Files) {
    let now = files(world);
    let names = before.keys().chain(now.keys());
    let changed: Vec<&String> = names.filter(|name| before.get(*name) != now.get(*name)).collect();
    assert_eq!(changed, [""; 0]);
}

/// Every file below /etc and /run of the world, with its content and times.
fn files(world: &World) -> Files {
    fn walk(path: &Path, found: &mut Files) {
        let meta = fs::symlink_metadata(path).unwrap();
        let content = if meta.is_file() { fs::read(path).unwrap() } else { Vec::new() };
        found.insert(path.display().to_string(), (content, meta.modified().unwrap()));
        for entry in fs::read_dir(path).into_iter().flatten() {
            walk(&entry.unwrap().path(), found);
        }
    }
    let mut found = BTreeMap::new();
    for directory in ["etc", "run"] {
        walk(&world.path(directory), &mut found);
    }
    found
}

#[test]
fn status_tells_what_is_in_order_and_what_is_not_and_changes_nothing() {
    let Some(world) = World::with_installed_module() else { return };
    world.configure(LIMITED);
    // Entering the world leaves a trace of mount(8) in /run.
    world.ok(&["show", "session"]);
    let before = files(&world);
    let all = status(&world, 0);
    says(find(&all, "configuration", "config.toml"), "ok", "profiles 3, users 1, groups 1");
    says(find(&all, "limits", ""), "ok", "Two 2, Ops 3");
    says(find(&all, "store", "live-sessions.db"), "ok", "the first counted login makes it");
    says(find(&all, "service", "shell"), "ok", "account line /etc/pam.d/shell:");
    says(find(&all, "service", "shell-clear-sessions"), "ok", "clear_sessions");
    assert_unchanged(&world, &before);

    // The lines taken out of one stack.
    world.write("etc/pam.d/login", "auth required pam_deny.so\naccount required pam_unix.so\n");
    says(find(&status(&world, 1), "service", "login"), "problem", "pam-auth-update --enable");
    fs::remove_file(world.path("etc/pam.d/login")).unwrap();

    // A broken configuration is one line, and the rest is still told.
    world.configure("[policy]\non_limit = \"never\"\n");
    let all = status(&world, 1);
    says(find(&all, "configuration", ""), "problem", "config.toml:2:12: on_limit \"never\"");
    says(find(&all, "service", "shell"), "ok", "session line");
    let output = world.run(&["status"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "shell: 1 problem was found\n");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("+--"));
}

#[test]
fn status_tells_how_the_store_stands_and_leaves_it_so() {
    let Some(world) = World::with_installed_module() else { return };
    world.configure(LIMITED);
    let mut pty = world.logged_in("alice");
    says(find(&status(&world, 0), "store", ""), "ok", "version 7, records 1");
    pty.line("exit");
    pty.wait_for_code(0);
    world.write("run/session-limit/live-sessions.db", &"x".repeat(8192));
    let before = files(&world);
    says(find(&status(&world, 1), "store", ""), "problem", "damaged");
    let explained = world.run(&["explain", "alice", "shell"]);
    assert_eq!(explained.status.code(), Some(9), "{explained:?}");
    assert_unchanged(&world, &before);
}

#[test]
fn explain_names_the_profile_the_sessions_and_the_answer() {
    let Some(world) = World::with_installed_module() else { return };
    world.configure(LIMITED);
    let explain = |words: &[&str]| {
        let results = world.results(&[&["explain"], words].concat());
        assert_eq!(results.len(), 1);
        results[0].clone()
    };
    let alice = explain(&["alice", "shell"]);
    assert_eq!(
        (&alice["user_profile_ref"], &alice["assigned_by"], &alice["max_concurrent_sessions"]),
        (&"Two".into(), &"the user's own [[user]] entry".into(), &2.into())
    );
    assert_eq!(alice["next_login"], "admitted");
    assert_eq!(alice["reason"], "0 of 2 slots are in use");
    let bob = explain(&["bob", "shell"]);
    assert_eq!(
        (&bob["user_profile_ref"], &bob["assigned_by"]),
        (&"Ops".into(), &"the [[group]] entry `ops`".into())
    );
    let root = explain(&["root", "shell"]);
    assert_eq!(root["reason"], "the profile sets no limit");
    assert!(root["notes"].to_string().contains("root is limited like any other user"), "{root}");

    let _two = [world.logged_in("alice"), world.logged_in("alice")];
    let listed: Vec<Value> =
        world.results(&["show", "session", "alice"]).iter().map(|row| row["id"].clone()).collect();
    let before = files(&world);
    let alice = explain(&["alice", "shell"]);
    assert_unchanged(&world, &before);
    assert_eq!(
        (&alice["next_login"], &alice["reason"]),
        (&"refused".into(), &"2 of 2 slots are in use".into())
    );
    let sessions = alice["sessions"].as_array().unwrap();
    let ids: Vec<Value> = sessions.iter().map(|session| session["id"].clone()).collect();
    assert_eq!(ids, listed);
    // It is as it was said.
    let mut third = world.pty(&[]);
    third.log_in("alice", PASSWORD);
    third.wait_for_code(3);

    let clearing = explain(&["alice", "shell-clear-sessions"]);
    assert_eq!(clearing["next_login"], "admitted");
    assert!(clearing["reason"].as_str().unwrap().contains("2 open sessions are ended first"));
    for (service, reason) in [
        ("su", "counted_services does not name the service"),
        ("login", "the stack of the service calls the module nowhere"),
    ] {
        let unchecked = explain(&["alice", service]);
        assert_eq!(
            (&unchecked["next_login"], &unchecked["reason"]),
            (&"unchecked".into(), &reason.into())
        );
    }
    world.configure(&format!("{LIMITED}[policy]\non_limit = \"ask\"\n"));
    assert_eq!(explain(&["alice", "shell"])["next_login"], "asked");
    world.configure(&format!("{LIMITED}[policy]\non_limit = \"evict-oldest\"\n"));
    let evicting = explain(&["alice", "shell"]);
    assert_eq!(evicting["next_login"], "admitted");
    assert!(evicting["reason"].as_str().unwrap().contains("evict-oldest"), "{evicting}");
    world.configure(&format!("{LIMITED}[policy]\non_limit = \"log\"\n"));
    let observed = explain(&["alice", "shell"]);
    assert_eq!(observed["next_login"], "admitted");
    let reason = observed["reason"].as_str().unwrap();
    assert!(reason.contains("logged as one that would be refused"), "{observed}");
    let limits = find(&status(&world, 0), "limits", "").to_string();
    assert!(limits.contains("Two 2 (on_limit is log: no login is refused)"), "{limits}");
    world.configure(LIMITED);
}

#[test]
fn a_user_may_explain_their_own_login_and_an_administrator_all() {
    let Some(world) = World::with_installed_module() else { return };
    world.configure(LIMITED);
    let mut alice = world.logged_in("alice");
    let own = alice.command("alice", "explain alice shell | grep next_login");
    assert!(own.contains("| next_login"), "{own}");
    for (line, may) in [
        ("explain bob shell", "see other users"),
        ("explain no-such-user", "see other users"),
        ("status", "see the status of the host"),
    ] {
        let said = alice.command("alice", line);
        let refused = format!("only root and the members of admin_groups may {may}");
        assert!(said.contains(&refused), "{line}: {said}");
    }
    // Nor is a path a way to have root read a file.
    for path in ["/etc/shadow", "../shadow", "../../etc/shadow"] {
        let said = alice.command("alice", &format!("explain alice {path}"));
        assert!(said.contains("expected the name of a PAM service"), "{said}");
    }
    let mut admin = world.logged_in("admin");
    let said = admin.command("admin", "explain bob shell | grep assigned_by");
    assert!(said.contains("the [[group]] entry `ops`"), "{said}");
    let said = admin.command("admin", "status | grep config.toml");
    assert!(said.contains("| ok"), "{said}");
    // Without a configuration it is not known who else may.
    world.configure("[policy]\non_limit = \"never\"\n");
    let said = admin.command("admin", "status");
    assert!(said.contains("config.toml:2:12"), "{said}");
}

#[test]
fn the_answers_as_they_are() {
    let check = |check: &'static str, subject: &str, verdict, message: &str| Check {
        check: check.into(),
        subject: subject.to_owned(),
        verdict,
        message: message.to_owned(),
    };
    let checks = [
        check("store", "/s", Verdict::Ok, "fine\u{1b}"),
        check("sshd", "/usr/sbin/sshd", Verdict::Problem, "does not use PAM"),
    ];
    let response = views::status(&checks);
    assert_eq!(
        response.render(Format::Table, &Pipeline::default()),
        "\
+-------+----------------+---------+------------------+
| check | subject        | verdict | message          |
+-------+----------------+---------+------------------+
| store | /s             | ok      | fine\\u{1b}       |
| sshd  | /usr/sbin/sshd | problem | does not use PAM |
+-------+----------------+---------+------------------+
"
    );
    assert_eq!(response.failure().unwrap().message, "1 problem was found");
    assert_eq!(views::status(&checks[..1]).failure(), None);
    assert_eq!(
        views::status(&checks[..1]).render(Format::Json, &Pipeline::default()),
        "{\"count\":1,\"kind\":\"status\",\"results\":[{\"check\":\"store\",\"message\":\"fine\\u001b\",\"subject\":\"/s\",\"verdict\":\"ok\"}],\"schema_version\":1}\n"
    );
    let session = |id, uncounted| SessionInUse { id, service: "sshd".to_owned(), uncounted };
    let explained = Explanation {
        user: "alice".to_owned(),
        uid: 1000,
        service: "sshd".to_owned(),
        user_profile_ref: "C".to_owned(),
        assigned_by: "the [[group]] entry `g`".to_owned(),
        max_concurrent_sessions: 2,
        sessions: vec![session(7, None), session(8, Some("why".into())), session(9, None)],
        next_login: Decision::Refused,
        reason: "2 of 2 slots are in use".to_owned(),
        notes: vec!["more".to_owned()],
    };
    let response = views::explanation(&explained);
    assert_eq!(
        response.render(Format::Table, &Pipeline::default()),
        "\
+-------------------------+-------------------------+
| Field                   | Value                   |
+-------------------------+-------------------------+
| user                    | alice                   |
| uid                     | 1000                    |
| service                 | sshd                    |
| user_profile_ref        | C                       |
| assigned_by             | the [[group]] entry `g` |
| max_concurrent_sessions | 2                       |
| concurrent_sessions     | 2                       |
| session_ids             | 7, 9                    |
| not_counted             | 8: why                  |
| next_login              | refused                 |
| reason                  | 2 of 2 slots are in use |
| note                    | more                    |
+-------------------------+-------------------------+
"
    );
    assert_eq!(
        response.render(Format::Json, &Pipeline::default()),
        "{\"count\":1,\"kind\":\"explain\",\"results\":[{\"assigned_by\":\"the [[group]] entry `g`\",\"max_concurrent_sessions\":2,\"next_login\":\"refused\",\"notes\":[\"more\"],\"reason\":\"2 of 2 slots are in use\",\"service\":\"sshd\",\"sessions\":[{\"id\":7,\"service\":\"sshd\",\"uncounted\":null},{\"id\":8,\"service\":\"sshd\",\"uncounted\":\"why\"},{\"id\":9,\"service\":\"sshd\",\"uncounted\":null}],\"uid\":1000,\"user\":\"alice\",\"user_profile_ref\":\"C\"}],\"schema_version\":1}\n"
    );
}
