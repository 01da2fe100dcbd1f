//! S1: the module under valgrind, and in an application built with AddressSanitizer and UBSan.

use std::process::{Command, Output};

use testkit::{FAIL_CLOSED, Stack, code};

use crate::{amount, figure, host, rows, skipped};

/// Runs a program; prints that the row is skipped and returns `None` if it is not installed.
fn run(row: &str, program: &str, arguments: &[&str]) -> Option<Output> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(e) => {
            skipped(row, format!("{program}: {e}; see packaging/apt-test-deps.txt"));
            None
        }
    }
}

#[test]
fn s1_valgrind_finds_nothing() {
    if run("S1", "valgrind", &["--version"]).is_none() {
        return;
    }
    let host = host();
    let module = host.module().file_name().unwrap().to_str().unwrap().to_owned();
    let logs = host.path("valgrind");
    std::fs::create_dir(&logs).unwrap();
    let host = host.run_by(&format!(
        "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=none \
         --log-file={}/%p",
        logs.display()
    ));
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    let cycles = amount(10, 1_000);
    let mut login = host.application();
    for _ in 0..cycles {
        assert_eq!(login.start(b"login", Some(b"alice"), "scripted"), 0);
        login.item(4, Some(b"a\n\xff"));
        assert_eq!(login.log_in(), 0);
        assert_eq!(login.close(), 0);
        assert_eq!(login.end(0), 0);
    }
    let mut refused = host.application();
    assert_eq!(login.start(b"login", Some(b"alice"), "scripted"), 0);
    assert_eq!(login.log_in(), 0);
    assert_eq!(refused.start(b"login", Some(b"alice"), "scripted"), 0);
    assert_eq!(refused.log_in(), code::PERM_DENIED);
    login.close();
    login.end(0);
    refused.end(6);
    let ended = (login.quit(), refused.quit());
    assert_eq!(ended, (Some(0), Some(0)), "{}", all_of(&logs));
    let mut reports = 0;
    for log in std::fs::read_dir(&logs).unwrap() {
        let text = std::fs::read_to_string(log.unwrap().path()).unwrap();
        reports += 1;
        // Leaks of the application itself do not count.
        for block in text.split("== \n") {
            let lost = block.contains("definitely lost") && block.contains(&module);
            assert!(!lost && !block.contains("Invalid"), "{block}");
        }
    }
    assert_eq!(reports, 2);
    figure("S1", format!("valgrind, {cycles} cycles: no error, nothing lost"));
}

#[test]
fn s1_address_sanitizer_finds_nothing() {
    let host = host();
    host.limit(1);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    let driver = host.path("driver");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/process/driver.c");
    let build = [
        "-Wall",
        "-Wextra",
        "-g",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
        "-o",
        driver.to_str().unwrap(),
        source,
        "-lpam",
    ];
    let Some(built) = run("S1", "gcc", &build) else { return };
    if !built.status.success() {
        return skipped("S1", String::from_utf8_lossy(&built.stderr));
    }
    let cycles = amount(50, 1_000);
    let output = Command::new(&driver)
        .arg(host.path("pam.d"))
        .args(["login", "root", &cycles.to_string()])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{:?}: {errors}", output.status);
    assert_eq!(errors, "");
    assert_eq!(rows(&host), []);
    figure("S1", format!("AddressSanitizer and UBSan, {cycles} cycles: clean"));
}

fn all_of(directory: &std::path::Path) -> String {
    let logs = std::fs::read_dir(directory).unwrap();
    logs.map(|log| std::fs::read_to_string(log.unwrap().path()).unwrap()).collect()
}
