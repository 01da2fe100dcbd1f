//! The configuration under writers that race, writers that are killed, and any sequence of commands.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use proptest::prelude::*;
use session_limit_admin::administration::Administration;
use session_limit_admin::config::draft::{ConfigDraft, DraftError, Object};
use session_limit_admin::config::field::Field;
use session_limit_admin::config::store::{ConfigFile, SaveError};
use session_limit_admin::sessions::Sessions;
use session_limit_core::config::Config;
use session_limit_core::model::profile::{DEFAULT_PROFILE, Profile};
use session_limit_core::system::users::User;
use shell::command::engine::Engine;
use shell::command::executor::Interpreter;
use shell::language::grammar::{Change, ObjectKind};
use shell::language::lexer::quote;
use shell::output::response::Format;
use shell::output::screen::NoScreen;

use crate::world::{SHELL, is_root};

const FILE: &str = "\
# The limits of this host.  (head)

[[useraccountprofile]]  # the default
name = \"Default-User-Account-Profile\"
max_login_failure_count = 20
  # minutes, not seconds
account_lock_timeout = 30              # half an hour
max_concurrent_sessions = 0            # 0 = the check is off

# Contractors come and go.
[[useraccountprofile]]
name = \"Contractors\"   # see the wiki
max_concurrent_sessions = 2
# max_concurrent_sessions = 3

[[user]]                               # Alice
username = \"alice\"
user_profile = \"Contractors\"          # until May

# the operators
[[group]]
name = \"operators\"
user_profile = \"Contractors\"

[policy]
on_limit = \"reject\"                    # reject | ask | evict-oldest
# the end
";

fn file(text: &str) -> (tempfile::TempDir, ConfigFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (directory, ConfigFile::at(&path))
}

#[test]
fn of_a_thousand_updates_by_two_writers_none_is_lost() {
    const EACH: u32 = 500;
    let (_folder, file) = file(FILE);
    let count = |file: &ConfigFile| {
        file.read().unwrap().profile("Contractors").unwrap().max_concurrent_sessions
    };
    let before = count(&file);
    let writer = || {
        let mut told = 0;
        for _ in 0..EACH {
            // A busy neighbour may change the object again and again: the told one starts over.
            while !increment(&file) {
                told += 1;
            }
        }
        told
    };
    let told = thread::scope(|scope| {
        let writers = [scope.spawn(writer), scope.spawn(writer)];
        writers.map(|writer| writer.join().unwrap()).iter().sum::<u32>()
    });
    assert_eq!(count(&file) - before, 2 * EACH);
    assert!(told > 0, "the writers never met: the test has tested nothing");
    assert_eq!(comments(&fs::read_to_string(file.path()).unwrap()), comments(FILE));
}

/// Adds one to a number; returns whether it was not told that another writer was faster.
fn increment(file: &ConfigFile) -> bool {
    let mut draft = ConfigDraft::begin(&file.read().unwrap(), ObjectKind::Profile, "Contractors");
    let Object::Profile(profile) = draft.current() else { panic!("no profile") };
    let next = profile.max_concurrent_sessions + 1;
    draft.apply(&Change::Set(Field::MaxConcurrentSessions, next));
    match draft.save(file) {
        Ok(_) => true,
        Err(DraftError::Changed(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn processes_that_add_objects_at_the_same_time_lose_none() {
    if !is_root() {
        return;
    }
    const EACH: usize = 40;
    let (_folder, file) = file(FILE);
    thread::scope(|scope| {
        for writer in ["a", "b"] {
            let path = file.path().to_str().unwrap();
            scope.spawn(move || {
                for n in 0..EACH {
                    let user = format!("{writer}{n}");
                    let words = [
                        "--config",
                        path,
                        "configure",
                        "user",
                        &user,
                        "user_profile_ref",
                        "Contractors",
                    ];
                    assert!(
                        Command::new(SHELL)
                            .args(words)
                            .stdout(Stdio::null())
                            .status()
                            .unwrap()
                            .success()
                    );
                }
            });
        }
    });
    assert_eq!(file.read().unwrap().users.len(), 1 + 2 * EACH);
}

#[test]
fn an_update_that_meets_another_in_the_prompt_is_told_how_the_object_changed() {
    let (directory, file) = file(FILE);
    let mut interpreter = interpreter(&file, directory.path());
    interpreter.line("configure useraccountprofile Contractors").unwrap();
    interpreter.line("account_lock_timeout 5").unwrap();
    assert!(increment(&file));
    let failure = interpreter.line("save").unwrap_err();
    assert_eq!(failure.exit.code(), 8);
    assert_eq!(
        failure.message,
        "useraccountprofile `Contractors` changed since it was read; nothing was saved"
    );
    let details = failure.details.unwrap();
    assert!(details.contains("| max_concurrent_sessions | 2   | 3 "), "{details}");
    interpreter.line("save").unwrap();
    let profile = file.read().unwrap().profile("Contractors").unwrap().clone();
    assert_eq!((profile.max_concurrent_sessions, profile.account_lock_timeout), (3, 5));
}

/// The system calls by which a save can go wrong, in the order strace counts them.
const TRACED: &str = "openat,open,flock,read,write,fchown,fchmod,fsync,rename,renameat,renameat2,unlink,unlinkat,statx,newfstatat,fstat,close,lseek,mkdir";

#[test]
fn a_save_killed_at_any_system_call_leaves_the_old_or_the_new_file() {
    if !is_root() {
        return;
    }
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: strace is not installed");
        return;
    }
    let (directory, file) = file(FILE);
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let log = directory.path().join("log");
    let save = |inject: &str, value: u32| {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(&log).args(["-e", &format!("trace={TRACED}")]);
        if !inject.is_empty() {
            command.args(["-e", inject]);
        }
        command.arg(SHELL).arg("--config").arg(file.path());
        command.args([
            "configure",
            "useraccountprofile",
            "Contractors",
            "max_concurrent_sessions",
            &value.to_string(),
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    };
    assert!(save("", 100).success());
    let text = fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = text.lines().map(name_of_call).collect();
    let first = text.lines().position(|call| call.contains(".config.toml.lock")).unwrap();
    assert!(
        calls.iter().any(|call| call.starts_with("rename")) && calls.len() - first > 15,
        "{text}"
    );

    let (mut old, mut new) = (0, 0);
    for call in first..calls.len() {
        let name = calls[call];
        // strace counts each system call by itself.
        let nth = calls[..=call].iter().filter(|other| **other == name).count();
        let before = fs::read_to_string(file.path()).unwrap();
        let value = 1000 + u32::try_from(call).unwrap();
        let status = save(&format!("inject={name}:signal=KILL:when={nth}"), value);
        assert!(!status.success(), "{name} {nth} was not reached");
        let now = fs::read_to_string(file.path()).unwrap();
        let wanted = before.replace(
            &format!("max_concurrent_sessions = {}\n", limit_in(&before)),
            &format!("max_concurrent_sessions = {value}\n"),
        );
        match now {
            now if now == before => old += 1,
            now if now == wanted => new += 1,
            now => panic!("killed at call {call}: {now}"),
        }
        assert_eq!(fs::metadata(file.path()).unwrap().permissions().mode() & 0o7777, 0o644);
    }
    assert!(old > 0 && new > 0, "old {old}, new {new}");
    // What the killed ones left is no hindrance, and goes.
    assert!(save("", 5).success());
    assert!(!directory.path().join(".config.toml.new").exists());
}

/// Returns the name of the system call in a line of strace: `PID NAME(...) = ...`.
fn name_of_call(line: &str) -> &str {
    let call = line.split_once(' ').map_or(line, |(_pid, call)| call.trim_start());
    call.split_once('(').map_or(call, |(name, _)| name)
}

fn limit_in(text: &str) -> u32 {
    Config::parse(text).unwrap().profile("Contractors").unwrap().max_concurrent_sessions
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    let (directory, file) = file(FILE);
    let device = directory.path().join("full");
    fs::create_dir(&device).unwrap();
    // A file system with room for the file and its lock, and not for a second file.
    let script = r#"mount -t tmpfs -o size=8k none "$1" && cp "$2" "$1/config.toml" && head -c 100000 /dev/zero > "$1/rest" 2>/dev/null
        "$3" --config "$1/config.toml" configure useraccountprofile Contractors max_concurrent_sessions 9; echo "exit $?"; cmp "$2" "$1/config.toml" && ls -A "$1""#;
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", script, "sh"])
        .args([&device, file.path(), Path::new(SHELL)])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    if printed.is_empty() {
        eprintln!("SKIPPED: needs root and `unshare -m`");
        return;
    }
    assert_eq!(printed, "exit 1\n.config.toml.lock\nconfig.toml\nrest\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.ends_with("config.toml: cannot write: No space left on device; nothing was saved\n"),
        "{said}"
    );
}

fn interpreter(file: &ConfigFile, directory: &Path) -> Interpreter<Vec<u8>> {
    let user = User { typed: c"root".to_owned(), name: c"root".to_owned(), uid: 0, gid: 0 };
    let sessions = Sessions::at(&directory.join("sessions.db"));
    let actor = "root".to_owned();
    let config = file.clone();
    let program = "shell";
    let admin = Administration { config, sessions, user, actor, holder: None, program };
    let engine = Engine { admin: admin.into() };
    Interpreter::new(engine, Format::Table, Vec::new(), Box::new(NoScreen))
}

/// Returns the comments of a text, in order; no value in these tests holds a `#`.
fn comments(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.split_once('#').map(|(_, comment)| comment.trim()))
        .collect()
}

const NAMES: [&str; 5] = [DEFAULT_PROFILE, "Contractors", "New", "Two words", "q\"uote\\"];
const WHO: [&str; 4] = ["alice", "bob", "operators", "DOMAIN\\user"];

/// One thing an administrator may do.
#[derive(Debug, Clone)]
enum Operation {
    Set(usize, Field, u32),
    Unset(usize, Field),
    Cancelled(usize, Field, u32),
    DeleteProfile(usize),
    Assign(ObjectKind, usize, usize),
    Detach(ObjectKind, usize),
}

fn operation() -> impl Strategy<Value = Operation> {
    let field = prop::sample::select(Field::ALL.to_vec());
    let kind = prop::sample::select(vec![ObjectKind::User, ObjectKind::Group]);
    let (name, who) = (0..NAMES.len(), 0..WHO.len());
    prop_oneof![
        (name.clone(), field.clone(), any::<u32>()).prop_map(|(n, f, v)| Operation::Set(n, f, v)),
        (name.clone(), field.clone()).prop_map(|(n, f)| Operation::Unset(n, f)),
        (name.clone(), field, any::<u32>()).prop_map(|(n, f, v)| Operation::Cancelled(n, f, v)),
        name.clone().prop_map(Operation::DeleteProfile),
        (kind.clone(), who.clone(), name).prop_map(|(k, w, n)| Operation::Assign(k, w, n)),
        (kind, who).prop_map(|(k, w)| Operation::Detach(k, w)),
    ]
}

/// What the file should mean, kept beside it.
#[derive(Debug, Default)]
struct Model {
    profiles: BTreeMap<String, Profile>,
    assigned: BTreeMap<(&'static str, String), String>,
}

impl Model {
    fn of(config: &Config) -> Self {
        let mut model = Self::default();
        for profile in &config.profiles {
            let profile = Profile { uuid: None, ..profile.clone() };
            model.profiles.insert(profile.name.clone(), profile);
        }
        for (kind, entries) in
            [(ObjectKind::User, &config.users), (ObjectKind::Group, &config.groups)]
        {
            for entry in entries {
                model
                    .assigned
                    .insert((kind.word(), entry.name.clone()), entry.user_profile.clone());
            }
        }
        model
    }

    fn value(&mut self, name: &str, field: Field, value: u32) {
        let profile = self
            .profiles
            .entry(name.to_owned())
            .or_insert_with(|| Profile { uuid: None, ..Profile::built_in(name) });
        *field.of_mut(profile) = value;
    }

    /// Carries an operation out here; returns the lines that carry it out there, and whether they succeed.
    fn apply(&mut self, operation: &Operation) -> (Vec<String>, bool) {
        match operation {
            Operation::Set(n, field, value) => {
                self.value(NAMES[*n], *field, *value);
                (
                    vec![
                        configure(NAMES[*n]),
                        format!("{field} {value}"),
                        "where".into(),
                        "save".into(),
                    ],
                    true,
                )
            }
            Operation::Unset(n, field) => {
                self.value(NAMES[*n], *field, field.default_value());
                (
                    vec![
                        configure(NAMES[*n]),
                        format!("{field} 77"),
                        format!("no {field}"),
                        "exit".into(),
                    ],
                    true,
                )
            }
            Operation::Cancelled(n, field, value) => {
                (vec![configure(NAMES[*n]), format!("{field} {value}"), "cancel".into()], true)
            }
            Operation::DeleteProfile(n) => {
                let name = NAMES[*n];
                let line = format!("delete useraccountprofile {}", quote(name));
                let possible = name != DEFAULT_PROFILE
                    && self.profiles.contains_key(name)
                    && !self.assigned.values().any(|profile| profile == name);
                if possible {
                    self.profiles.remove(name);
                }
                (vec![line], possible)
            }
            Operation::Assign(kind, who, n) => {
                let line = format!(
                    "configure {} {} user_profile_ref {}",
                    kind.word(),
                    quote(WHO[*who]),
                    quote(NAMES[*n])
                );
                let possible = self.profiles.contains_key(NAMES[*n]);
                if possible {
                    self.assigned.insert((kind.word(), WHO[*who].to_owned()), NAMES[*n].to_owned());
                }
                (vec![line], possible)
            }
            Operation::Detach(kind, who) => {
                let line = format!("delete {} {}", kind.word(), quote(WHO[*who]));
                let possible = self.assigned.remove(&(kind.word(), WHO[*who].to_owned())).is_some();
                (vec![line], possible)
            }
        }
    }
}

fn configure(name: &str) -> String {
    format!("configure useraccountprofile {}", quote(name))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_keeps_the_file_good_and_the_comments_in_place(
        operations in prop::collection::vec(operation(), 1..16),
        from_nothing in prop::bool::weighted(0.2),
    ) {
        let begin = if from_nothing { "# nothing yet" } else { FILE };
        let (directory, file) = file(begin);
        let mut interpreter = interpreter(&file, directory.path());
        let mut model = Model::of(&file.read().unwrap());
        for operation in &operations {
            let (lines, succeeds) = model.apply(operation);
            let result = lines.iter().try_for_each(|line| interpreter.line(line).map(drop));
            prop_assert_eq!(result.is_ok(), succeeds, "{:?}: {:?}", operation, result);
            let text = fs::read_to_string(file.path()).unwrap();
            prop_assert_eq!(comments(&text), comments(begin), "{:?}:\n{}", operation, text);
            let now = Model::of(&file.read().unwrap());
            prop_assert_eq!(&now.profiles, &model.profiles, "{:?}:\n{}", operation, text);
            prop_assert_eq!(&now.assigned, &model.assigned, "{:?}:\n{}", operation, text);
        }
    }

    /// Whatever is changed in a text by a value that is refused, the file stays as it was.
    #[test]
    fn what_is_refused_changes_nothing(name in "\\PC{0,300}", value in any::<i64>()) {
        let (_folder, file) = file(FILE);
        let _ = file.update(|edit, _| {
            if !edit.has(ObjectKind::Profile, &name).unwrap() {
                edit.create(ObjectKind::Profile, &name).unwrap();
            }
            edit.set(ObjectKind::Profile, &name, "max_concurrent_sessions", value).unwrap();
            Ok::<_, SaveError>(())
        });
        let text = fs::read_to_string(file.path()).unwrap();
        prop_assert!(Config::parse(&text).is_ok());
        prop_assert_eq!(text == FILE, u32::try_from(value).is_err() || name.is_empty() || name.len() > 256);
    }
}
