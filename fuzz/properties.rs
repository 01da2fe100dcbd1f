//! What must hold for every input, from a fuzzer, or the bounded run in the tests.

use session_limit_admin::config::edit::ConfigEditor;
use session_limit_core::config::{Config, SourceLocation};
use shell::language::completion::complete;
use shell::language::grammar::{self, Command, Mode, ObjectKind};
use shell::language::lexer::{quote, split};

const KINDS: [ObjectKind; 3] = [ObjectKind::Profile, ObjectKind::User, ObjectKind::Group];

/// Any line is a command or a one-line error, and Tab offers words that begin as typed.
pub fn grammar(line: &str) {
    for mode in [Mode::Top].into_iter().chain(KINDS.map(Mode::Configure)) {
        let (start, candidates) = complete(mode, line, |_| vec!["a name".to_owned()]);
        let partial = &line[start..];
        assert!(candidates.iter().all(|candidate| candidate.word.starts_with(partial)));
    }
    let Ok(read) = split(line) else { return };
    // What was read once reads the same again.
    let again: Vec<String> = read.words.iter().map(|word| quote(word)).collect();
    assert_eq!(split(&again.join(" ")).map(|line| line.words).as_ref(), Ok(&read.words));
    match grammar::command(&read.words) {
        Ok(Command::Configure(_, name, _) | Command::Delete(_, name)) => {
            assert!(read.words.contains(&name))
        }
        Ok(_) => {}
        Err(problem) => {
            assert!(!problem.is_empty() && !problem.contains('\n'), "{problem:?}")
        }
    }
    for kind in KINDS {
        if let Err(problem) = grammar::sub_command(kind, &read.words) {
            assert!(!problem.is_empty() && !problem.contains('\n'), "{problem:?}");
        }
    }
}

/// Any text is a configuration or a one-line error with a position inside the text.
pub fn config(text: &str) {
    match Config::parse(text) {
        Ok(config) => assert!(!config.profiles.is_empty()),
        Err(problem) => {
            assert!(
                !problem.message.is_empty() && !problem.message.contains('\n'),
                "{:?}",
                problem.message
            );
            if let Some(span) = problem.span {
                assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
                let location = SourceLocation::of(text.as_bytes(), span.start);
                assert!(location.line <= text.lines().count().max(1) + 1);
            }
        }
    }
}

/// A valid configuration stays valid under edits, keeps its comments, and has the value that was set.
pub fn edit(text: &str, name: &str, value: u32) {
    let Ok(before) = Config::parse(text) else { return };
    let is_valid_name =
        !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control);
    if !is_valid_name {
        return;
    }
    let Ok(mut edit) = ConfigEditor::new(text.to_owned()) else {
        panic!("the parser accepts what the editor does not: {text:?}");
    };
    let Ok(has) = edit.has(ObjectKind::Profile, name) else { return };
    if !has {
        edit.create(ObjectKind::Profile, name).unwrap();
    }
    edit.set(ObjectKind::Profile, name, "max_concurrent_sessions", i64::from(value)).unwrap();
    let now = Config::parse(edit.text())
        .unwrap_or_else(|problem| panic!("{problem:?} in {:?}", edit.text()));
    assert_eq!(now.profile(name).map(|profile| profile.max_concurrent_sessions), Some(value));
    assert_eq!(
        (&now.users, &now.groups, &now.policy),
        (&before.users, &before.groups, &before.policy)
    );
    if !has {
        edit.delete(ObjectKind::Profile, name).unwrap();
        let after = Config::parse(edit.text()).unwrap();
        assert_eq!(after, before, "{:?}", edit.text());
        // Every line of the text is still there, in its order.
        let mut lines = edit.text().lines();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            assert!(lines.any(|other| other == line), "{line:?} is gone from {:?}", edit.text());
        }
    }
}
