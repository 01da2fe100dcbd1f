//! Lockout, history and age of passwords, with the distribution's own pam_faillock and pam_pwhistory.

mod audit;
mod delegates;
mod expiry;
mod history;
mod lockout;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use testkit::Host;

use crate::host;

/// The shipped control lists of the three kinds of lines.
const AUTH: &str =
    "[success=ignore ignore=ignore module_unknown=ignore auth_err=die default=ignore]";
const ACCOUNT: &str = "[success=ok new_authtok_reqd=ok ignore=ignore module_unknown=ignore \
                       auth_err=die perm_denied=die default=ignore]";
const PASSWORD: &str = "[success=ok ignore=ignore module_unknown=ignore maxtries=die authtok_err=die \
                        try_again=die default=ignore]";

/// The hash of `old-password`.
const OLD_PASSWORD: &str = "$5$rounds=1000$saltsalt$8GQ07ITHEYqRSECvgS6EG6FTYP/Xqgjdj8gQDA4mm76";

/// A scratch host with a directory for the tally. In the service `login` the right password is typed, in
/// `sshd` the wrong one, and in `cron` none is asked for; `more` are arguments of all lines.
fn account_host(profile: &str, more: &str) -> Host {
    let host = host();
    host.configure(&format!(
        "[[useraccountprofile]]\nname = \"P\"\n{profile}\n\
         [[user]]\nusername = \"alice\"\nuser_profile = \"P\"\n\
         [[user]]\nusername = \"root\"\nuser_profile = \"P\"\n"
    ));
    fs::create_dir(host.path("tally")).unwrap();
    for (service, checks) in [
        ("login", "auth required pam_permit.so"),
        ("sshd", "auth [default=ignore] MODULE authfail FAILLOCK\nauth requisite pam_deny.so"),
    ] {
        let text = format!(
            "auth {AUTH} MODULE preauth FAILLOCK\n{checks}\n\
             account {ACCOUNT} MODULE credentials FAILLOCK\naccount required pam_permit.so\n"
        );
        write_stack(&host, service, &text, more);
    }
    let key =
        format!("account {ACCOUNT} MODULE credentials FAILLOCK\naccount required pam_permit.so\n");
    write_stack(&host, "cockpit", &key, more);
    write_stack(&host, "cron", &key, more);
    host
}

fn write_stack(host: &Host, service: &str, text: &str, more: &str) {
    let module = format!("{} config={} {more}", host.module().display(), host.config().display());
    let faillock = format!("dir={} nodelay", host.path("tally").display());
    let text = text.replace("MODULE", &module).replace("FAILLOCK", &faillock);
    fs::write(host.path("pam.d").join(service), text).unwrap();
}

/// Gives users lines of shadow(5), a text of their own each.
fn write_shadow(host: &Host, lines: &[(&str, String)]) {
    let text: String = lines.iter().map(|(user, rest)| format!("{user}:{rest}\n")).collect();
    let path = host.path("etc/shadow");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Failures of the user that pam_faillock counts as valid.
fn failures(host: &Host, user: &str) -> usize {
    let records = fs::read(host.path("tally").join(user)).unwrap_or_default();
    records.chunks_exact(64).filter(|record| record[54] & 1 != 0).count()
}

fn fail(host: &Host, user: &str) -> i32 {
    host.login("sshd", user).auth()
}

fn succeed(host: &Host, user: &str) -> (i32, i32) {
    let mut login = host.login("login", user);
    let auth = login.auth();
    (auth, if auth == 0 { login.acct() } else { -1 })
}
