//! The web console in Chromium: what is done there holds for the logins of sshd.

use std::time::Instant;

use testkit::browser::{self, Browser, Manner};

use super::units::{START, STOP, call};
use crate::host::{Host, Rules};
use crate::scenario::group;
use crate::wait::{seconds, until};

group!("browser":
    a_limit_set_in_the_browser_holds_for_ssh_and_a_session_ended_there_is_over,
    a_user_at_the_limit_logs_in_by_clearing_the_ssh_session,
);

/// Starts the service and a browser in the network of the host, at the login screen.
fn at_the_login_screen(host: &Host) -> Browser {
    host.run(START).ok();
    until("it answers", seconds(20), || call(host, &[], "/healthz").0 == 200);
    let network_of = Some(host.machine().init());
    let browser = Browser::start(Manner { network_of, ..Manner::default() });
    browser.go("https://127.0.0.1:8443/");
    browser
}

fn log_in(browser: &Browser, user: &str) {
    browser.find("#username").fill(user);
    browser.find("#password").fill(&format!("password-of-{user}"));
    browser.press("Log in");
}

fn a_limit_set_in_the_browser_holds_for_ssh_and_a_session_ended_there_is_over(
    host: &mut Host,
) -> String {
    if !browser::is_there() {
        return "no Chromium here".to_owned();
    }
    host.ok("gpasswd -a carol operators");
    host.rules(Rules::default().user("alice", 5).policy("admin_groups = [\"operators\"]"));
    let browser = at_the_login_screen(host);
    log_in(&browser, "carol");
    browser.says("Logged in as carol");
    let _alice = host.ssh("alice").log_in();
    host.ssh("alice").is_admitted();

    browser.press("Profiles");
    browser.press("limit-of-alice");
    browser.find("#max_concurrent_sessions").fill("1");
    browser.press("Review the changes");
    browser.press("Save");
    browser.says("The profile limit-of-alice is saved.");
    host.ssh("alice").is_refused();

    browser.press("Sessions");
    let mut bob = host.ssh("bob").log_in();
    browser.says("3 sessions of 3 users.");
    let clicked = Instant::now();
    browser.press("End all of bob");
    browser.press("End 1 session");
    bob.sees_its_connection_close(seconds(10));
    let ended = clicked.elapsed();
    browser.says("1 session was ended.");
    host.ssh("bob").is_admitted();
    host.logs(&["cleared", "bob", "carol"]);

    // The administrator's own session is ended: the login screen covers the page, which is there again afterwards.
    browser.find("#q").type_in("half a wo");
    host.run("shell clear sessions carol").ok();
    let cleared = Instant::now();
    browser.find("dialog #username");
    let covered = cleared.elapsed();
    log_in(&browser, "carol");
    browser.wait("the page", || browser.find("#q").is_seen().then_some(()));
    assert_eq!(browser.find("#q").property("value"), "half a wo");
    drop(browser);
    host.run(STOP).ok();
    host.ok("gpasswd -d carol operators");
    format!(
        "alice 1 of 1 by ssh; bob's connection closed {:.1} s after the first click; login screen after {:.1} s",
        ended.as_secs_f64(),
        covered.as_secs_f64()
    )
}

fn a_user_at_the_limit_logs_in_by_clearing_the_ssh_session(host: &mut Host) -> String {
    if !browser::is_there() {
        return "no Chromium here".to_owned();
    }
    host.rules(Rules::default().user("alice", 1).policy("tell = \"sessions\""));
    let mut ssh = host.ssh("alice").log_in();
    let browser = at_the_login_screen(host);
    log_in(&browser, "alice");
    browser.says("WARNING: Maximum concurrent session count has been reached.");
    browser.says("1 of 1 sessions in use:");
    browser.says("sshd from 127.0.0.1");
    assert!(ssh.is_running());
    browser.find("#password").fill("password-of-alice");
    browser.press("Clear my other sessions and log in");
    browser.says("Sessions in use: 1 of 1");
    ssh.sees_its_connection_close(seconds(10));
    host.ssh("alice").is_refused();
    browser.press("Log out");
    browser.find("#username");
    host.until_admitted("alice", seconds(10));
    drop(browser);
    host.run(STOP).ok();
    "1 of 1: refused, let in by clearing, free again after `Log out`".to_owned()
}
