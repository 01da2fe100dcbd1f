//! The dialogue of the original documentation, from end to end.

use crate::world::pty::{plain, prompt};
use crate::world::{PASSWORD, WARNING, World};

const PROFILE: &str = "Default-User-Account-Profile";

#[test]
fn the_dialogue_of_the_documentation() {
    let Some(world) = World::new() else { return };
    world.configure(
        "[[useraccountprofile]]\nname = \"Default-User-Account-Profile\"\nmax_concurrent_sessions = 0\n",
    );
    let mut admin = world.logged_in("admin");
    let table = |limit: &str| {
        format!(
            "\
+-------------------------------+---------------------------------------------------------+
| Field                         | Value                                                   |
+-------------------------------+---------------------------------------------------------+
| uuid                          | useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4 |
| name                          | Default-User-Account-Profile                            |
| max_password_history_count    | 0                                                       |
| max_login_failure_count       | 20                                                      |
| account_lock_timeout          | 30                                                      |
| max_concurrent_sessions       | {limit}                                                       |
| credentials_timeout_threshold | 0                                                       |
+-------------------------------+---------------------------------------------------------+
"
        )
    };
    let inside = prompt("admin", "useraccountprofile");
    admin.line(&format!("configure useraccountprofile {PROFILE}"));
    admin.expect("\n");
    assert_eq!(
        plain(&admin.expect(&inside)),
        format!("Updating an existing object. Currently, the object is:\n{}", table("0"))
    );
    admin.line("max_concurrent_sessions 5");
    admin.expect("\n");
    assert_eq!(
        plain(&admin.expect(&inside)),
        "Overwriting the previously entered value for max_concurrent_sessions\n"
    );
    assert_eq!(admin.command("admin", "save"), table("5"));
    assert_eq!(admin.command("admin", &format!("show useraccountprofile {PROFILE}")), table("5"));

    // Five sessions: the one that configured, and four more.
    let mut others: Vec<_> = (0..4).map(|_| world.logged_in("admin")).collect();
    let before = world.holders("admin");
    assert_eq!(before.len(), 5);

    let mut sixth = world.pty(&[]);
    sixth.log_in("admin", PASSWORD);
    sixth.wait_for_code(3);
    sixth.expect(WARNING);

    let mut sixth = world.pty(&["--clear-sessions"]);
    sixth.log_in("admin", PASSWORD);
    assert_eq!(plain(&sixth.expect_prompt("admin")), "\n");
    let now = world.holders("admin");
    assert_eq!(now.len(), 1);
    assert!(!before.contains(&now[0]));

    // The next command of a cleared prompt works as if nothing had happened.
    let answer = admin.command("admin", &format!("show useraccountprofile {PROFILE}"));
    assert_eq!(answer, table("5"));
    let answer = others[3].command("admin", "show useractivity admin | grep concurrent_sessions");
    assert!(answer.starts_with("| concurrent_sessions     | 3 "), "{answer}");
    assert_eq!(others[3].screen().matches("Password: ").count(), 1);
}
