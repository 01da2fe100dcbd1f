//! The reader of stacks beside the real libpam: for any stack and any results of its modules, what libpam
//! does is what the reader says can happen.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use session_limit_admin::status::HostFiles;
use session_limit_admin::status::stack::reach::{Reach, reach};
use session_limit_admin::status::stack::{self, Phase};
use testkit::libpam::{ConversationMode, Handle};

const SUCCESS: i32 = 0;
const NEW_AUTHTOK_REQD: i32 = 12;
/// What the line in question says, and no other: only libpam's answer tells whether it was called.
const ACCT_EXPIRED: i32 = 13;

/// A module of Linux-PAM that returns what it is told; `None` where it is not installed.
fn pam_debug() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    let mut paths = directories.map(|entry| entry.path().join("security/pam_debug.so"));
    let plain = ["/usr/lib64/security/pam_debug.so", "/usr/lib/security/pam_debug.so"];
    paths
        .find(|path| path.is_file())
        .or_else(|| plain.map(PathBuf::from).into_iter().find(|path| path.is_file()))
}

/// Runs the account phase of the service `x` in libpam.
fn run(directory: &Path) -> i32 {
    let mut handle =
        Handle::start(directory, c"x", Some(c"root"), ConversationMode::Scripted).unwrap();
    let result = handle.acct(0);
    handle.end(result);
    result
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["ignore", "ok", "done", "bad", "die", "reset", "1", "2", "3"])
}

fn result() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["success", "ignore", "auth_err", "new_authtok_reqd", "user_unknown"])
}

fn control() -> impl Strategy<Value = String> {
    let keyword = prop::sample::select(vec!["required", "requisite", "sufficient", "optional"]);
    let brackets = (prop::collection::vec((result(), action()), 1..4), prop::option::of(action()))
        .prop_map(|(named, default)| {
            let default = default.map(|action| ("default", action));
            let pairs = named.into_iter().chain(default);
            let text: Vec<String> =
                pairs.map(|(result, action)| format!("{result}={action}")).collect();
            format!("[{}]", text.join(" "))
        });
    prop_oneof![1 => keyword.prop_map(str::to_owned), 2 => brackets]
}

/// A line that calls a module, or includes one of the files `part0` to `part2`.
fn line(included: usize) -> impl Strategy<Value = String> {
    let module = (control(), result())
        .prop_map(|(control, result)| format!("account {control} pam_debug.so acct={result}"));
    let fixed = (control(), prop::sample::select(vec!["pam_permit.so", "pam_deny.so"]))
        .prop_map(|(control, module)| format!("account {control} {module}"));
    let include = (
        prop::sample::select(vec!["@include", "account include", "account substack"]),
        included..4,
    )
        .prop_map(|(word, file)| match file {
            // A missing file of @include lets libpam give the whole service up.
            3 => format!("{} missing", word.replace("@include", "account include")),
            file => format!("{word} part{file}"),
        });
    prop_oneof![6 => module, 2 => fixed, 2 => include]
}

fn lines(included: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(line(included), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn what_libpam_does_is_among_what_the_reader_says(
        before in lines(0), after in lines(0), part0 in lines(1), part1 in lines(2), part2 in lines(3),
    ) {
        let Some(pam_debug) = pam_debug() else {
            eprintln!("SKIPPED: needs pam_debug.so");
            return Ok(());
        };
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("etc/pam.d");
        fs::create_dir_all(&directory).unwrap();
        let own = root.path().join(stack::MODULE);
        std::os::unix::fs::symlink(pam_debug, &own).unwrap();
        let own = format!("account [default=die] {} acct=acct_expired", own.display());
        let main = [before, vec![own], after].concat();
        // Debian's libpam looks for included files in /etc/pam.d, wherever the service's own file is, unless
        // they are named by an absolute path.
        let for_libpam = root.path().join("for-libpam");
        fs::create_dir(&for_libpam).unwrap();
        let absolute = format!(" {}/part", for_libpam.display());
        for (name, lines) in [("x", &main), ("part0", &part0), ("part1", &part1), ("part2", &part2)] {
            let text = lines.join("\n") + "\n";
            fs::write(directory.join(name), &text).unwrap();
            fs::write(for_libpam.join(name), text.replace(" part", &absolute)).unwrap();
        }
        let host = HostFiles { root: root.path().to_owned(), ask_sshd: false };
        let said = reach(&stack::read(&host, "x", Phase::Account).entries, Phase::Account);
        let shown = || format!("{main:#?}\n{part0:#?}\n{part1:#?}\n{part2:#?}\n{said:?}");
        match run(&for_libpam) {
            SUCCESS | NEW_AUTHTOK_REQD => {
                prop_assert!(matches!(said, Reach::Bypassed { .. }), "passed by: {}", shown());
            }
            // Called, perhaps in a phase that fails all the same.
            ACCT_EXPIRED => prop_assert!(said != Reach::Missing, "called: {}", shown()),
            _ => {}
        }
    }
}
