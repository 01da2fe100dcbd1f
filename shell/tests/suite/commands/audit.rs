//! What administrators do, as it is sent to the audit trail.

use std::process::Stdio;

use testkit::audit;

use crate::world::{SHELL, World};

/// Returns a value as the audit trail has one with a space in it.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn a_change_of_the_configuration_and_a_cleared_session_are_recorded() {
    let Some(world) = World::new() else { return };
    world.configure("[[useraccountprofile]]\nname = \"C\"\n");
    let _alice = world.logged_in("alice");
    let trail = world.path("trail");
    let run = |line: &str| {
        let shim = testkit::example("libpreload_shim.so");
        let mut command = world.command(&[SHELL, "-c", line]);
        command.env("LD_PRELOAD", shim).env("SHIM_AUDIT_TRAIL", &trail).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("show useraccountprofile");
    assert_eq!(audit::sent(&trail), [], "looking is not recorded");
    run("configure useraccountprofile C max_concurrent_sessions 2");
    run("configure user alice user_profile_ref C");
    run("clear sessions alice");
    let records = audit::sent(&trail);
    let expected = [
        (1111, "session-limit-configure", encoded("useraccountprofile C")),
        (1111, "session-limit-configure", encoded("user alice")),
        (2203, "session-limit-clear", String::new()),
    ];
    assert_eq!(records.len(), expected.len(), "{records:#?}");
    for ((kind, text), (expected, operation, object)) in records.iter().zip(expected) {
        assert_eq!(*kind, expected, "{text}");
        let start = format!("op={operation} acct=\"root\" object={object}");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains(" by=\"root\" exe=") && text.ends_with(" res=success"), "{text}");
    }
}
