//! Linker arguments of the module, and the unwinder, linked in.

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
        println!("cargo::rustc-link-arg-cdylib={arg}");
    }
    link_unwinder_in();
}

/// Links the unwinder of GCC in, where its static library is at hand.
///
/// Rust would load libgcc_s.so.1 for it, which sshd and login(1) do not have: every login would
/// pay for a second library. Several unwinders in one process do not meet: no panic leaves ours.
fn link_unwinder_in() {
    println!("cargo::rerun-if-env-changed=CC");
    // Another target's compiler would have to be asked.
    let is_native = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    if !is_native || !std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        return;
    }
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let Ok(output) = Command::new(compiler).arg("-print-file-name=libgcc_eh.a").output() else {
        return;
    };
    let path = String::from_utf8_lossy(&output.stdout);
    // A compiler that does not find it prints the bare name.
    if let Some(directory) = Path::new(path.trim()).parent().filter(|path| path.is_absolute()) {
        println!("cargo::rustc-link-search=native={}", directory.display());
        println!("cargo::rustc-link-lib=static:-bundle=gcc_eh");
    }
}
