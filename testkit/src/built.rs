//! What the tests load and start: the module, and the programs and libraries in `examples/`.
//!
//! Cargo builds neither for the integration tests of another package, so the first call of a process
//! builds them, in the profile and directory of the running test. A test that was not started by cargo
//! uses what is there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

/// Returns the module under test: the one that `PAM_SESSION_LIMIT_MODULE` names, as in `make test`,
/// otherwise one that is built with the profile of the running test.
///
/// # Panics
///
/// If the module cannot be built.
#[must_use]
pub fn module() -> PathBuf {
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    let find = || match std::env::var_os("PAM_SESSION_LIMIT_MODULE") {
        Some(shipped) => shipped.into(),
        None => build(&["--package", "pam_session_limit", "--lib"]).join("libpam_session_limit.so"),
    };
    MODULE.get_or_init(find).clone()
}

/// Copies a program, to run the copy.
///
/// Another process does it: a child that another thread of the test begins would have a descriptor of this one open
/// for writing until its exec, and a program that is open for writing cannot be run (ETXTBSY).
///
/// # Panics
///
/// If it cannot be copied.
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let copied = Command::new("cp").args([from.as_ref(), to.as_ref()]).status();
    assert!(copied.unwrap().success(), "cp {:?}", from.as_ref());
}

/// Returns the path of a program of another package of the workspace, such as `session-limit-session`.
///
/// # Panics
///
/// If it cannot be built.
#[must_use]
pub fn program(package: &str, name: &str) -> PathBuf {
    static PROGRAMS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut programs = PROGRAMS.lock().unwrap();
    let build = || build(&["--package", package, "--bin", name]).join(name);
    programs.entry(name.to_owned()).or_insert_with(build).clone()
}

/// Returns the path of an example of this package: `pam_actor`, or `lib<name>.so` of a library.
///
/// # Panics
///
/// If the examples cannot be built.
#[must_use]
pub fn example(file: &str) -> PathBuf {
    static EXAMPLES: OnceLock<PathBuf> = OnceLock::new();
    // The whole workspace, for the features of a whole run: nothing is compiled twice.
    let build = || build(&["--workspace", "--examples"]).join("examples");
    EXAMPLES.get_or_init(build).join(file)
}

/// Builds `what` beside the running test; returns `target/<profile>`.
fn build(what: &[&str]) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).unwrap();
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut command = Command::new(cargo);
        command
            .args(["build", "--quiet", "--locked"])
            .args(what)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .arg("--target-dir")
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            command.arg("--release");
        }
        let status = command.status().unwrap();
        assert!(status.success(), "{command:?}: {status}");
    }
    profile.to_owned()
}
