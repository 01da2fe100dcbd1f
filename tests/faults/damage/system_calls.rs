//! F2, F3: death, and every error, at every single system call of account, opening and closing.

use testkit::{Host, IGNORED, example};

use crate::{amount, figure, hex, host, skipped};

const ERRORS: [(&str, i32); 8] = [
    ("EIO", libc::EIO),
    ("ENOSPC", libc::ENOSPC),
    ("EINTR", libc::EINTR),
    ("EAGAIN", libc::EAGAIN),
    ("EMFILE", libc::EMFILE),
    ("ENOMEM", libc::ENOMEM),
    ("EACCES", libc::EACCES),
    ("EROFS", libc::EROFS),
];

/// A host with one slot left, whose stack marks where the module begins and ends, and turns a
/// `PAM_IGNORE` of the module's into [`IGNORED`].
pub fn marked_host() -> Host {
    assert_eq!(IGNORED, 9, "authinfo_unavail");
    let host = host();
    host.limit(2);
    let (mark, module) = (example("libmarking_module.so"), host.module().to_owned());
    let mut stack = String::from("auth required pam_permit.so\n");
    for (kind, hooks) in [
        ("account", "acct=authinfo_unavail"),
        ("session", "open_session=authinfo_unavail close_session=authinfo_unavail"),
    ] {
        stack.push_str(&format!(
            "{kind} required {mark}\n\
             {kind} [success=1 ignore=ignore default=bad] {module} config={config} state={state}\n\
             {kind} required pam_debug.so {hooks}\n\
             {kind} required {mark}\n\
             {kind} required pam_permit.so\n",
            mark = mark.display(),
            module = module.display(),
            config = host.config().display(),
            state = host.state().display(),
        ));
    }
    std::fs::write(host.path("pam.d/marked"), stack).unwrap();
    host.configure(&format!(
        "{}[policy]\ncounted_services = [\"marked\"]\n",
        testkit::default_limit(2)
    ));
    host
}

/// What one kind of fault led to in all phases.
#[derive(Default)]
pub struct Figures {
    pub cases: i32,
    pub longest_ms: i32,
    pub aborted: i32,
    pub doubtful: i32,
}

/// Runs one kind of fault through all phases.
pub fn campaign(fault: &str, step: i32, first: i32) -> Figures {
    campaign_on(&marked_host(), fault, step, first)
}

/// The same on a host made by [`marked_host`].
pub fn campaign_on(host: &Host, fault: &str, step: i32, first: i32) -> Figures {
    let _other = host.logged_in("marked", "alice");
    let mut all = Figures::default();
    for phase in ["acct", "open", "confirm", "close"] {
        let mut caller = host.application();
        let command =
            format!("faults {} {} {phase} {fault} {step} {first}", hex("marked"), hex("alice"));
        let wrong = caller.tell(&command);
        assert_eq!(wrong, 0, "{fault}: {}{:?}", host.stderr(), crate::damaged_files(host));
        let &[(cases, calls), (took, ended), (doubtful, _)] = caller.results() else {
            panic!("no figures")
        };
        assert!(calls > 20 && cases >= calls / step - 1, "{phase}: {cases} cases in {calls} calls");
        all.cases += cases;
        all.longest_ms = all.longest_ms.max(took);
        all.aborted += ended;
        all.doubtful += doubtful;
    }
    assert_eq!(
        crate::damaged_files(host),
        Vec::<String>::new(),
        "{fault}: a valid store was moved aside"
    );
    all
}

#[test]
fn f2_killed_at_every_system_call() {
    if cfg!(not(target_arch = "x86_64")) {
        return skipped("F2", "system calls are traced on x86_64 only");
    }
    let rounds = amount(1, 5);
    let cases: i32 = (0..rounds).map(|_| campaign("kill", 1, 1).cases).sum();
    figure("F2", format!("{cases} deaths, one at each system call: every next login right"));
}

#[test]
fn f3_every_error_at_every_system_call() {
    if cfg!(not(target_arch = "x86_64")) {
        return skipped("F3", "system calls are traced on x86_64 only");
    }
    let step = amount(4, 1);
    for ((name, number), turn) in ERRORS.into_iter().zip(0..) {
        // In an ordinary run every call meets two of the errors.
        let all = campaign(&number.to_string(), step, 1 + turn % step);
        figure(
            "F3",
            format!(
                "{name} at {} system calls: let in exactly where a slot was recorded, nothing left \
                 behind; longest {} ms, {} ended by SIGABRT, {} refused in doubt",
                all.cases, all.longest_ms, all.aborted, all.doubtful
            ),
        );
        assert!(all.longest_ms < 10_000);
    }
}
