//! SECURITY.md: every guarantee names a test, and every test that is named exists.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Names of tests are in backticks and have two underscores at least.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|name| {
        name.matches('_').count() >= 2
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && ![
                "pam_session_limit",
                "max_concurrent_sessions",
                "pam_open_session",
                "on_engine_down",
            ]
            .contains(name)
    })
}

#[test]
fn every_guarantee_is_backed_by_a_test_that_exists() {
    let page = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let mut files = Vec::new();
    for directory in ["src", "core", "admin", "session", "tests", "shell", "limitd", "fleet"] {
        sources(&root().join(directory), &mut files);
    }
    let code: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut named = 0;
    for name in names_in(&page) {
        assert!(code.contains(&format!("fn {name}(")), "SECURITY.md names {name}: no such test");
        named += 1;
    }
    assert!(named > 30, "{named} names");

    let mut backed = 0;
    for section in page.split("\n## ").filter(|text| text.starts_with("What is")) {
        for item in section.split("\n- ").skip(1) {
            let item = item.split("\n\n").next().unwrap();
            assert!(names_in(item).next().is_some(), "no test is named for: {item}");
            backed += 1;
        }
    }
    assert!(backed > 15, "{backed} guarantees");
}
