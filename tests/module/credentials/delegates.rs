//! Another module that is missing, or is not what it should be: a line in the log, the outcome that the stack
//! asks for, and never a crash.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use testkit::{Host, code, example};

use super::{account_host, fail, write_stack};

/// Files that are not the module of Linux-PAM.
fn wrong_modules(host: &Host) -> Vec<PathBuf> {
    let text = host.path("text.so");
    fs::write(&text, "not a library\n").unwrap();
    let empty = host.path("empty.so");
    fs::write(&empty, "").unwrap();
    // Another architecture: the number of the machine in the header of ELF.
    let foreign = host.path("foreign.so");
    let mut bytes = fs::read(host.module()).unwrap();
    bytes[18] = 0xf7;
    fs::write(&foreign, bytes).unwrap();
    let fifo = host.path("fifo.so");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let directory = host.path("directory.so");
    fs::create_dir(&directory).unwrap();
    vec![
        host.path("missing.so"),
        text,
        empty,
        foreign,
        fifo,
        directory,
        // A library without hooks.
        example("libpreload_shim.so"),
    ]
}

#[test]
fn a_module_that_is_not_pam_faillock_locks_no_user_out_unless_the_stack_says_so() {
    let host = account_host("max_login_failure_count = 1", "");
    for module in wrong_modules(&host) {
        let name = module.display();
        for (control, expected) in
            [(super::AUTH, 0), ("[success=ignore ignore=ignore default=die]", code::MODULE_UNKNOWN)]
        {
            let text = format!(
                "auth {control} MODULE preauth FAILLOCK faillock={name}\nauth required pam_permit.so\n"
            );
            write_stack(&host, "login", &text, "");
            assert_eq!(host.login("login", "alice").auth(), expected, "{name}");
        }
    }
    assert_eq!(host.stderr(), "");
}

#[test]
fn a_module_that_is_not_pam_pwhistory_leaves_passwords_changeable() {
    let host = account_host("max_password_history_count = 5", "");
    for module in wrong_modules(&host) {
        let name = module.display();
        let text = format!(
            "password {} MODULE pwhistory={name}\npassword required pam_permit.so\n",
            super::PASSWORD
        );
        write_stack(&host, "passwd", &text, "");
        let mut passwd = host.login("passwd", "alice");
        passwd.will_answer("brand-new").will_answer("brand-new");
        assert_eq!(passwd.chauthtok(), 0, "{name}");
    }
    assert_eq!(host.stderr(), "");
}

#[test]
fn a_tally_that_cannot_be_written_is_pam_faillocks_to_answer() {
    let host = account_host("max_login_failure_count = 1", "");
    fs::remove_dir(host.path("tally")).unwrap();
    fs::write(host.path("tally"), "").unwrap();
    assert_eq!(fail(&host, "alice"), code::AUTH_ERR);
    assert_eq!(host.login("login", "alice").auth(), 0, "fails open");
}

#[test]
fn hooks_of_a_line_without_arguments_do_nothing() {
    let host = account_host("max_login_failure_count = 1", "");
    let module = host.module().display();
    fs::write(
        host.path("pam.d/login"),
        format!("auth [ignore=ignore default=die] {module}\nauth required pam_permit.so\n"),
    )
    .unwrap();
    assert_eq!(host.login("login", "alice").auth(), 0);
}
