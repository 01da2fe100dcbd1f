//! The command line on a whole host: the dialogue of the documentation, and the way in for users who
//! are locked out.

use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::ssh::WARNING;
use crate::terminal::Terminal;
use crate::wait::{seconds, until};

group!("shell":
    the_dialogue_of_the_documentation_works_word_for_word,
    clearing_a_session_of_shell_leaves_the_login_around_it,
    a_locked_out_user_gets_in_through_the_rescue_account,
    nothing_else_can_be_reached_from_the_rescue_account,
);

const EXAMPLES: &str = "/usr/share/doc/pam_session_limit/examples";
/// What the prompt ends with.
pub const PROMPT: &str = "]: > ";
const INSIDE: &str = "]: useraccountprofile> ";

/// `shell` on a terminal of root, at its first question.
fn shell(host: &Host, words: &[&str]) -> Terminal {
    let mut terminal = Terminal::run(host.machine(), &[&["shell"], words].concat());
    terminal.expect("Login: ");
    terminal
}

/// Answers the questions.
pub fn log_in<'t>(terminal: &'t mut Terminal, user: &str) -> &'t mut Terminal {
    terminal.send(user).expect("Password: ").send(&format!("password-of-{user}"))
}

/// Waits for the program to end.
pub fn exits(terminal: &mut Terminal) {
    until("the program ends", seconds(20), || !terminal.is_running());
}

fn the_dialogue_of_the_documentation_works_word_for_word(host: &mut Host) -> String {
    // Members of this group may configure; see admin_groups.
    host.ok("gpasswd -a carol sudo");
    let mut first = shell(host, &[]);
    log_in(&mut first, "carol").expect(PROMPT);
    first
        .send("configure useraccountprofile Default-User-Account-Profile")
        .expect("Updating an existing object. Currently, the object is:")
        .expect("| max_concurrent_sessions       | 0  ")
        .expect(INSIDE)
        .send("max_concurrent_sessions 5")
        .expect("Overwriting the previously entered value for max_concurrent_sessions")
        .expect(INSIDE)
        .send("save")
        .expect("| max_concurrent_sessions       | 5  ")
        .expect(PROMPT);

    let screen = first.text();

    // The prompt is one session; four connections make five.
    let mut others: Vec<_> = (0..4).map(|_| host.ssh("carol").log_in()).collect();
    assert_eq!(host.recorded("carol"), 5);

    let mut sixth = shell(host, &[]);
    log_in(&mut sixth, "carol").expect(&WARNING.join("\r\n"));
    exits(&mut sixth);

    let mut sixth = shell(host, &["--clear-sessions"]);
    log_in(&mut sixth, "carol").expect(PROMPT);
    assert_eq!(host.recorded("carol"), 1);
    for other in &mut others {
        other.sees_its_connection_close(seconds(5));
    }
    assert_eq!(host.connections("carol"), 0);

    // The cleared prompt has seen nothing, and its next command works as if nothing had happened.
    assert_eq!(first.text(), screen);
    first
        .send("show useractivity carol | grep concurrent_sessions")
        .expect("| concurrent_sessions     | 2  ")
        .expect(PROMPT);
    assert_eq!(first.text().matches("Password: ").count(), 1);
    host.ok("gpasswd -d carol sudo");
    "5 sessions, the sixth refused, 5 cleared, a cleared prompt went on".to_owned()
}

fn clearing_a_session_of_shell_leaves_the_login_around_it(host: &mut Host) -> String {
    host.limit("bob", 1);
    let mut around = host.ssh("alice").on_a_terminal(&["sudo", "shell"]);
    around.expect("Login: ");
    log_in(&mut around, "bob").expect(PROMPT);
    assert_eq!((host.recorded("alice"), host.recorded("bob")), (1, 1));

    assert_eq!(host.ok("shell clear sessions bob"), "1 session ended.");
    assert_eq!((host.recorded("alice"), host.recorded("bob")), (1, 0));
    around.send("show user | grep concurrent_sessions").expect("| 1  ").expect(PROMPT);
    assert_eq!((host.recorded("alice"), host.recorded("bob")), (1, 1));
    around.send("exit");
    exits(&mut around);
    "1 holder ended, the ssh login around it stayed".to_owned()
}

/// The recipe of shell(1), from the files that are shipped for it.
fn make_the_rescue_account(host: &Host) {
    host.rules(Rules::default().user("alice", 1).user("rescue", 0));
    host.ok(&format!(
        "id rescue 2>/dev/null || useradd --system --home-dir / --shell /usr/libexec/session-limit/rescue rescue
         echo rescue:password-of-rescue | chpasswd
         install -m 0440 {EXAMPLES}/sudoers.rescue /etc/sudoers.d/rescue && visudo -c -q -f /etc/sudoers.d/rescue"
    ));
    host.sshd(&host.read(&format!("{EXAMPLES}/sshd_config.rescue")));
}

fn a_locked_out_user_gets_in_through_the_rescue_account(host: &mut Host) -> String {
    make_the_rescue_account(host);
    let mut forgotten = host.ssh("alice").log_in();
    host.ssh("alice").is_refused();

    let mut rescue = host.ssh("rescue").on_a_terminal(&[]);
    rescue.expect("assword: ").send("password-of-rescue").expect("Login: ");
    log_in(&mut rescue, "alice").expect(PROMPT);
    let took = forgotten.sees_its_connection_close(seconds(5));
    rescue.send("exit");
    exits(&mut rescue);
    host.ssh("alice").is_admitted();
    format!("the forgotten session was over after {:.1} s", took.as_secs_f64())
}

fn nothing_else_can_be_reached_from_the_rescue_account(host: &mut Host) -> String {
    make_the_rescue_account(host);
    let rescue = || host.ssh("rescue").by_password();
    // Whatever is asked for, the one command runs; without a terminal it says so.
    for asked in ["id", "bash -i", "scp -f /etc/passwd", "shell show session", ""] {
        let ended = rescue().run(asked);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{asked}: {ended:#?}");
        assert!(ended.stderr.contains("a login needs a terminal"), "{asked}: {ended:#?}");
    }
    let sftp = rescue().flag("-s").run("sftp");
    assert_ne!(sftp.status, 0, "{sftp:#?}");
    // No port through it: the listener is the client's, the connection must fail.
    let mut forward = rescue()
        .option("ExitOnForwardFailure=yes")
        .flag("-L")
        .flag("2299:127.0.0.1:22")
        .start_without_command();
    if forward.gets_in() {
        let through = host.run("exec 3<>/dev/tcp/127.0.0.1/2299 && timeout 5 head -c 3 <&3");
        assert_eq!(through.stdout, "", "{through:#?}");
    }
    forward.kill();
    let remote =
        rescue().option("ExitOnForwardFailure=yes").flag("-R").flag("2298:127.0.0.1:22").run("");
    assert!(remote.stderr.contains("forwarding failed"), "{remote:#?}");

    // With a terminal: another command is not run, and the prompt leads nowhere else.
    let mut inside = host.ssh("rescue").on_a_terminal(&["bash", "-i"]);
    inside.expect("assword: ").send("password-of-rescue").expect("Login: ");
    inside.send("\u{1a}bob").expect("Password: ").send("password-of-bob").expect(PROMPT);
    for typed in
        ["bash", "!id", "show user | sh", "show user; id", "import limits /etc/shadow", "\u{1a}"]
    {
        inside.send(typed).expect(PROMPT);
    }
    let screen = inside.text();
    assert!(!screen.contains("uid=") && !screen.contains("root:"), "{screen}");
    assert!(screen.contains("unknown command `bash`"), "{screen}");
    // Another user with the account's password gets no shell by su, either.
    for asked in ["su - rescue", "su rescue", "su - rescue -c id", "su -s /bin/sh rescue -c id"] {
        let mut by_su = host.ssh("bob").on_a_terminal(&asked.split(' ').collect::<Vec<_>>());
        by_su.expect("assword: ").send("password-of-rescue").expect("Login: ").send("\u{3}");
        exits(&mut by_su);
        assert!(!by_su.text().contains("uid="), "{asked}: {}", by_su.text());
    }
    // Ctrl-C at the questions ends the connection, not only the program.
    let mut cut = host.ssh("rescue").on_a_terminal(&[]);
    cut.expect("assword: ").send("password-of-rescue").expect("Login: ").send("\u{3}");
    exits(&mut cut);
    host.ok("userdel rescue; rm -f /etc/sudoers.d/rescue");
    "5 commands, sftp, 2 forwardings, 4 ways by su, 6 ways out of the prompt: none leads anywhere"
        .to_owned()
}
