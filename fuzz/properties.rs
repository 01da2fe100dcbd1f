//! What must hold for every input, from a fuzzer, or the bounded run in the tests.

use session_limit_admin::config_edit::ConfigEditor;
use session_limit_core::config::{Config, SourceLocation};
use shell::command::completion::complete;
use shell::command::grammar::{Command, Mode, ObjectKind};
use shell::command::lexer::{quote, split};
use shell::command::parse;

const KINDS: [ObjectKind; 3] = [ObjectKind::Profile, ObjectKind::User, ObjectKind::Group];

/// Any line is a command or one line of complaint, and Tab offers words that begin as typed.
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
    match parse::command(&read.words) {
        Ok(Command::Configure(_, name, _) | Command::Delete(_, name)) => {
            assert!(read.words.contains(&name))
        }
        Ok(_) => {}
        Err(complaint) => {
            assert!(!complaint.is_empty() && !complaint.contains('\n'), "{complaint:?}")
        }
    }
    for kind in KINDS {
        if let Err(complaint) = parse::sub_command(kind, &read.words) {
            assert!(!complaint.is_empty() && !complaint.contains('\n'), "{complaint:?}");
        }
    }
}

/// Any text is a configuration or one line of complaint with a place inside the text.
pub fn config(text: &str) {
    match Config::parse(text) {
        Ok(config) => assert!(!config.profiles.is_empty()),
        Err(mistake) => {
            assert!(
                !mistake.message.is_empty() && !mistake.message.contains('\n'),
                "{:?}",
                mistake.message
            );
            if let Some(span) = mistake.span {
                assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
                let place = SourceLocation::of(text.as_bytes(), span.start);
                assert!(place.line <= text.lines().count().max(1) + 1);
            }
        }
    }
}

/// A good configuration stays good under changes, keeps its comments, and means what was said.
pub fn edit(text: &str, name: &str, value: u32) {
    let Ok(before) = Config::parse(text) else { return };
    let name_is_good = !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control);
    if !name_is_good {
        return;
    }
    let Ok(mut edit) = ConfigEditor::new(text.to_owned()) else {
        panic!("the reader takes what the writer does not: {text:?}");
    };
    let Ok(has) = edit.has(ObjectKind::Profile, name) else { return };
    if !has {
        edit.create(ObjectKind::Profile, name).unwrap();
    }
    edit.set(ObjectKind::Profile, name, "max_concurrent_sessions", i64::from(value)).unwrap();
    let now = Config::parse(edit.text())
        .unwrap_or_else(|mistake| panic!("{mistake:?} in {:?}", edit.text()));
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
