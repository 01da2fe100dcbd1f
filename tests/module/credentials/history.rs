//! Old passwords are refused as often as the profile says; the lines behind work with every number.

use std::fs;

use testkit::{Host, code};

use super::{OLD_PASSWORD, PASSWORD, account_host, write_shadow, write_stack};

/// The stack of a change: `pam_unix use_authtok` would follow; `marker` fails as it does where nobody has asked
/// for the new password.
fn host_with(history: u32, arguments: &str) -> Host {
    let host = account_host(&format!("max_password_history_count = {history}"), "");
    write_shadow(&host, &[("alice", format!("{OLD_PASSWORD}:20000:0:99999:7:::"))]);
    fs::create_dir(host.path("etc/security")).unwrap();
    fs::write(host.path("etc/security/opasswd"), "").unwrap();
    passwd_stack(&host, PASSWORD, arguments);
    host
}

fn passwd_stack(host: &Host, control: &str, arguments: &str) {
    let text = format!(
        "password {control} MODULE {arguments}\n\
         password requisite pam_pwhistory.so remember=1 use_authtok\npassword required pam_permit.so\n"
    );
    write_stack(host, "passwd", &text, "");
}

/// Changes the password of alice as alice would; returns the code and how often something was asked.
fn change(host: &Host, answers: &[&str]) -> (i32, usize) {
    let mut passwd = host.login("passwd", "alice");
    for answer in answers {
        passwd.will_answer(answer);
    }
    let code = passwd.chauthtok();
    let prompts = passwd.said().iter().filter(|(style, _)| *style == 1).count();
    (code, prompts)
}

#[test]
fn with_and_without_history_the_lines_behind_find_the_new_password() {
    for history in [0, 1, 5, 24, u32::MAX] {
        let host = host_with(history, "");
        assert_eq!(change(&host, &["brand-new", "brand-new"]), (0, 2), "{history}");
    }
}

#[test]
fn two_different_entries_are_asked_for_again_without_history() {
    let host = host_with(0, "");
    assert_eq!(change(&host, &["brand-new", "brandnew", "other-one", "other-one"]), (0, 4));
    let (code, prompts) = change(&host, &[]);
    assert_ne!(code, 0, "an aborted change");
    assert_eq!(prompts, 1);
}

#[test]
fn where_a_line_before_has_to_ask_nothing_is_asked() {
    for history in [0, 5] {
        let host = host_with(history, "use_authtok");
        let (code, prompts) = change(&host, &["brand-new", "brand-new"]);
        assert_ne!(code, 0, "{history}");
        assert_eq!(prompts, 0, "{history}");
    }
}

#[test]
fn the_password_in_use_is_refused_for_a_user_and_named_to_root() {
    let host = host_with(5, "enforce_for_root");
    let mut passwd = host.login("passwd", "alice");
    passwd.will_answer("old-password").will_answer("old-password");
    assert_eq!(passwd.chauthtok(), code::MAXTRIES);
    let said: Vec<&str> = passwd.said().iter().map(|(_, text)| text.as_str()).collect();
    assert!(said.contains(&"Password has been already used. Choose another."), "{said:?}");

    passwd_stack(&host, PASSWORD, "");
    assert_eq!(change(&host, &["old-password", "old-password"]), (0, 2), "root may");
}

#[test]
fn a_file_of_old_passwords_that_is_missing_is_made_and_one_that_is_full_of_others_is_kept() {
    let host = host_with(5, "");
    fs::remove_file(host.path("etc/security/opasswd")).unwrap();
    assert_eq!(change(&host, &["brand-new", "brand-new"]).0, 0);
    let kept = fs::read_to_string(host.path("etc/security/opasswd")).unwrap();
    assert!(kept.contains(&format!("alice:4001:1:{OLD_PASSWORD}")), "{kept}");

    let others = "user:1:1:x\n".repeat(100_000);
    fs::write(host.path("etc/security/opasswd"), &others).unwrap();
    assert_eq!(change(&host, &["brand-new", "brand-new"]).0, 0);
    let kept = fs::read_to_string(host.path("etc/security/opasswd")).unwrap();
    assert_eq!(kept.lines().count(), 100_001);
}

#[test]
fn an_invalid_configuration_leaves_passwords_changeable() {
    let host = host_with(5, "");
    host.configure("nonsense");
    assert_eq!(change(&host, &["brand-new", "brand-new"]), (0, 2));
    passwd_stack(&host, "[success=ok ignore=ignore default=die]", "");
    assert_eq!(change(&host, &["brand-new", "brand-new"]).0, code::SERVICE_ERR, "fails closed");
}
