//! The programs and libraries in `examples/` that tests start and load.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the path of an example of this package: `pam_actor`, or `lib<name>.so` of a library.
///
/// Cargo builds a package's examples with that package's own tests only. The first call of a process
/// therefore builds them, in the profile and directory of the test that asks.
///
/// # Panics
///
/// If the examples cannot be built.
#[must_use]
pub fn example(file: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(built_examples).join(file)
}

fn built_examples() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/<profile>/deps/<test>
    let profile = test.ancestors().nth(2).unwrap();
    // A test that was not started by cargo uses what is there.
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build
            // The features of a whole run, so that nothing is compiled twice.
            .args(["build", "--quiet", "--locked", "--workspace", "--examples"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
            .arg("--target-dir")
            .arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().unwrap();
        assert!(status.success(), "the examples of testkit: {status}");
    }
    profile.join("examples")
}
