//! Linker arguments of the module (the cdylib only), and the unwinder, linked in.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for arg in [
        // A symbol that is missing must stop the build, not the first login.
        "-Wl,-z,defs",
        // libpam unloads modules at pam_end. A Rust library that is unmapped leaves
        // thread-local destructors behind and crashes hosts with threads.
        "-Wl,-z,nodelete",
        "-Wl,-z,relro",
        "-Wl,-z,now",
        "-Wl,-z,noexecstack",
    ] {
        // Under cargo-fuzz the fuzzer's symbols come with the program that the fuzzer builds.
        if arg == "-Wl,-z,defs" && std::env::var_os("CARGO_CFG_FUZZING").is_some() {
            continue;
        }
        println!("cargo::rustc-link-arg-cdylib={arg}");
    }
    link_unwinder_in();
    pack_relocations();
    begin_segments_on_pages();
    link_hot_functions_together();
    check_sqlite_options();
}

/// Has the functions that every login calls laid side by side, where the linker can (lld can): a login
/// then touches fewer pages of the module, each of which costs it a page fault.
fn link_hot_functions_together() {
    const LIST: &str = "packaging/hot-functions.txt";
    println!("cargo::rerun-if-changed={LIST}");
    let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let ordering = format!("-Wl,--symbol-ordering-file={folder}/{LIST}");
    // A name that this compiler or this SQLite does not have is no news.
    let arguments = [ordering.as_str(), "-Wl,--no-warn-symbol-ordering"];
    if linker_takes(&arguments) {
        for argument in arguments {
            println!("cargo::rustc-link-arg-cdylib={argument}");
        }
    }
}

/// Has relocations packed (DT_RELR), a thirtieth of the file, where this machine's own loader knows
/// them: glibc does from 2.36 on, and an older one would refuse the module.
fn pack_relocations() {
    const PACKED: &str = "-Wl,-z,pack-relative-relocs";
    let Ok(output) = Command::new("getconf").arg("GNU_LIBC_VERSION").output() else { return };
    let version = String::from_utf8_lossy(&output.stdout);
    let mut numbers = version.trim().trim_start_matches("glibc ").split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok::<u32, _>(minor))) = (numbers.next(), numbers.next()) else {
        return;
    };
    if is_native_gnu() && (major, minor) >= (2, 36) && linker_takes(&[PACKED]) {
        println!("cargo::rustc-link-arg-cdylib={PACKED}");
    }
}

/// Has what a process writes to begin where a page begins, where the linker can (lld can): each page that
/// is written to is copied for every login.
fn begin_segments_on_pages() {
    const ALIGNED: &str = "-Wl,-z,separate-loadable-segments";
    if linker_takes(&[ALIGNED]) {
        println!("cargo::rustc-link-arg-cdylib={ALIGNED}");
    }
}

/// Returns whether what is built is for this machine, with glibc.
fn is_native_gnu() -> bool {
    std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu")
        && std::env::var("HOST").ok() == std::env::var("TARGET").ok()
}

/// Returns whether an empty library can be linked so, by the linker that the module will be linked by.
fn linker_takes(arguments: &[&str]) -> bool {
    let out = std::env::var("OUT_DIR").unwrap_or_default();
    let source = format!("{out}/probe.rs");
    if std::fs::write(&source, "").is_err() {
        return false;
    }
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args([source.as_str(), "--crate-type", "cdylib", "--out-dir", &out]);
    rustc.args(["--target", &std::env::var("TARGET").unwrap_or_default()]);
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    rustc.output().is_ok_and(|output| output.status.success())
}

/// Refuses a build that did not see `.cargo/config.toml`, which has SQLite's options: the store relies
/// on them. Cargo reads it from the folder that it is started in, and those above.
fn check_sqlite_options() {
    println!("cargo::rerun-if-env-changed=LIBSQLITE3_FLAGS");
    let flags = std::env::var("LIBSQLITE3_FLAGS").unwrap_or_default();
    if !flags.contains("-DSQLITE_TEMP_STORE=3") {
        println!("cargo::error=SQLite's options are missing: start cargo inside the repository");
    }
}

/// Links the unwinder of GCC in, where its static library is at hand.
///
/// Rust would load libgcc_s.so.1 for it, which sshd and login(1) do not have: every login would
/// pay for a second library. Several unwinders in one process do not meet: no panic leaves ours.
fn link_unwinder_in() {
    println!("cargo::rerun-if-env-changed=CC");
    // Another target's compiler would have to be asked.
    if !is_native_gnu() {
        return;
    }
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let Ok(output) = Command::new(compiler).arg("-print-file-name=libgcc_eh.a").output() else {
        return;
    };
    let path = String::from_utf8_lossy(&output.stdout);
    // A compiler that does not find it prints the bare name.
    if let Some(folder) = Path::new(path.trim()).parent().filter(|folder| folder.is_absolute()) {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
