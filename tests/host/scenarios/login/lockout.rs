//! Wrong passwords, by every way in: counted, locked by the user's profile, unlocked.

use crate::host::Host;
use crate::scenario::group;
use crate::scenarios::service::units;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("lockout":
    every_way_in_counts_and_each_profile_locks_at_its_own_number,
    a_storm_of_wrong_passwords_counts_exactly,
    without_pam_faillock_logins_go_on_and_the_log_says_why,
);

const CONFIG: &str = "/etc/session-limit/config.toml";

/// Gives alice, bob and carol profiles of these fields.
pub fn profiles(host: &Host, fields: [&str; 3]) {
    let mut text = String::new();
    for (user, fields) in ["alice", "bob", "carol"].into_iter().zip(fields) {
        text += &format!(
            "[[useraccountprofile]]\nname = \"of-{user}\"\n{fields}\n\
             [[user]]\nusername = \"{user}\"\nuser_profile = \"of-{user}\"\n"
        );
    }
    host.write(CONFIG, &text);
}

/// Puts the lines into the stacks and gives alice, bob and carol profiles of these fields.
pub fn enable(host: &Host, fields: [&str; 3]) {
    profiles(host, fields);
    host.run(
        "printf 'nodelay\\n' >/etc/security/faillock.conf
         pam-auth-update --enable session-limit-account session-limit-account-failures
         for user in root alice bob carol; do
             faillock --user $user --reset
             echo $user:password-of-$user | chpasswd
         done",
    )
    .ok();
}

/// Failures of the user that count, by the command of Linux-PAM.
pub fn failures(host: &Host, user: &str) -> usize {
    let listed = host.ok(&format!("faillock --user {user}"));
    listed.lines().filter(|line| line.trim_end().ends_with(" V")).count()
}

/// The same by ours.
fn shown(host: &Host, user: &str) -> String {
    host.ok(&format!("shell show useractivity {user} | grep -E 'failed_login|locked'"))
}

fn wrong(host: &Host, user: &str, method: &str) {
    let ended = host.ssh(user).with_password(method, "wrong").run("true");
    assert_ne!(ended.status, 0, "{ended:#?}");
}

fn every_way_in_counts_and_each_profile_locks_at_its_own_number(host: &mut Host) -> String {
    enable(
        host,
        [
            "max_login_failure_count = 2\naccount_lock_timeout = 1",
            "max_login_failure_count = 8\naccount_lock_timeout = 0",
            "max_login_failure_count = 0",
        ],
    );
    let counts = |host: &Host, what: &str, attempt: &dyn Fn()| {
        let before = failures(host, "bob");
        attempt();
        let after = failures(host, "bob");
        assert!(after > before, "{what}: {before} became {after}");
    };
    counts(host, "ssh, password", &|| wrong(host, "bob", "password"));
    counts(host, "ssh, keyboard-interactive", &|| wrong(host, "bob", "keyboard-interactive"));
    counts(host, "su", &|| {
        assert_ne!(host.run("echo wrong | runuser -u carol -- su bob -c true").status, 0);
    });
    counts(host, "sudo", &|| {
        assert_ne!(host.run("echo wrong | runuser -u bob -- sudo -k -S true").status, 0);
    });
    counts(host, "the console", &|| {
        let mut console = host.console();
        console.expect("login:").send("bob").expect("Password:").send("wrong");
        console.expect("Login incorrect");
        drop(console);
        // Its getty would come back on whatever gets the terminal's number next.
        host.run("systemctl stop 'container-getty@*'");
    });
    counts(host, "shell", &|| {
        let before = failures(host, "bob");
        let mut shell = Terminal::run(host.machine(), &["shell"]);
        shell.expect("Login: ").send("bob").expect("Password: ").send("wrong");
        until("shell has asked PAM", seconds(30), || failures(host, "bob") > before);
    });
    counts(host, "the API", &|| {
        host.run(units::START).ok();
        let body = "username=bob&password=wrong";
        assert_eq!(units::call(host, &["-d", body], "/login").0, 401);
    });
    while failures(host, "bob") < 8 {
        wrong(host, "bob", "password");
    }
    assert_ne!(host.ssh("bob").by_password().run("true").status, 0, "locked");
    assert!(shown(host, "bob").contains("| 8 "), "{}", shown(host, "bob"));
    assert!(shown(host, "bob").contains("| unlocked by an administrator "));

    wrong(host, "alice", "password");
    wrong(host, "alice", "keyboard-interactive");
    let locked = std::time::Instant::now();
    assert_eq!(failures(host, "alice"), 2);
    assert_ne!(host.ssh("alice").by_password().run("true").status, 0, "locked");
    let told = host.ssh("alice").by_keyboard().flag("-v").run("true");
    assert!(told.stderr.contains("account is locked due to 2 failed logins"), "{told:#?}");
    host.ssh("alice").is_admitted();
    assert_eq!(failures(host, "alice"), 2, "a key changes nothing");

    for _ in 0..3 {
        wrong(host, "carol", "password");
        wrong(host, "root", "password");
        wrong(host, "no-such-user", "password");
    }
    host.ssh("carol").by_password().run("true").ok();
    host.ssh("root").by_password().run("true").ok();
    assert_ne!(host.run("ls /run/faillock | grep -q no-such-user").status, 0);

    assert_eq!(host.ok("shell unlock user bob"), "8 failed logins of bob forgotten.");
    assert_eq!(failures(host, "bob"), 0);
    host.ssh("bob").by_password().run("true").ok();
    host.logs(&["shell:unlock", "8 failed logins of \"bob\" forgotten, by root"]);
    wrong(host, "bob", "password");
    host.ssh("bob").by_password().run("true").ok();
    assert_eq!(failures(host, "bob"), 0, "the right password forgets the wrong one");

    // Not tried meanwhile: sshd slows down a client that fails again and again.
    std::thread::sleep(seconds(64).saturating_sub(locked.elapsed()));
    let ended = host.ssh("alice").by_password().run("true");
    if ended.status != 0 {
        let journal = host.run("faillock --user alice; date; journalctl -n 30 --no-pager").stdout;
        panic!("{ended:#?}\n{journal}");
    }
    let lasted = locked.elapsed().as_secs();
    assert_eq!(failures(host, "alice"), 0);
    format!("7 ways; locked at 2 for {lasted} s, at 8 until unlocked, never; root never")
}

fn a_storm_of_wrong_passwords_counts_exactly(host: &mut Host) -> String {
    const DENY: usize = 120;
    let fields = format!("max_login_failure_count = {DENY}");
    enable(host, ["", "", &fields]);
    let storm = "for n in $(seq 200); do
            sshpass -p wrong ssh -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 \
                carol@127.0.0.1 true 2>/dev/null &
        done; wait";
    let status = host.machine().enter(&["bash", "-c", storm]).status().unwrap();
    assert!(status.success());
    assert_eq!(failures(host, "carol"), DENY);
    assert_ne!(host.ssh("carol").by_password().run("true").status, 0);
    host.run("faillock --user carol --reset").ok();
    assert_eq!(host.ssh("carol").by_password().run("true").status, 0);
    format!("200 at once, exactly {DENY} of {DENY} counted, then locked")
}

fn without_pam_faillock_logins_go_on_and_the_log_says_why(host: &mut Host) -> String {
    enable(host, ["max_login_failure_count = 1", "", ""]);
    let file = host.ok("ls /usr/lib/*/security/pam_faillock.so");
    for (replace, reason) in [
        (format!("mv {file} {file}.away"), "pam_faillock.so is missing"),
        (format!("echo text >{file}"), "pam_faillock.so: "),
    ] {
        host.run(&replace).ok();
        wrong(host, "alice", "password");
        assert_eq!(host.ssh("alice").by_password().run("true").status, 0, "{reason}");
        host.logs(&["pam_session_limit(sshd:auth): no failure locks an account", reason]);
    }
    host.run(&format!("mv {file}.away {file}; rm -rf /run/faillock")).ok();
    wrong(host, "alice", "password");
    assert_eq!(failures(host, "alice"), 1, "the directory is made again");
    assert_ne!(host.ssh("alice").by_password().run("true").status, 0);
    host.run("faillock --user alice --reset").ok();
    "missing and replaced by a text file: logins go on; /run/faillock is made again".to_owned()
}
