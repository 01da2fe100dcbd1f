//! Linker arguments of the module (the cdylib only).

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
}
