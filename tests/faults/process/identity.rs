//! F9: reused PIDs, other namespaces, another boot, and wrong clocks.

use testkit::{Login, code};

use crate::{amount, figure, hex, host, rows};

#[test]
fn f9_a_pid_used_again_is_another_process() {
    let host = host();
    host.limit(1);
    let turns = amount(20, 200);
    let mut caller = host.application();
    let wrong = caller.tell(&format!("pid-reuse {} {} {turns}", hex("login"), hex("alice")));
    let &[(used_again, _)] = caller.results() else { panic!("no figures: {}", host.stderr()) };
    figure("F9", format!("{used_again} of {turns} leaders' PIDs used again: the slot was free"));
    assert_eq!(wrong, 0, "{}", host.stderr());
    assert_eq!(used_again, turns);
}

#[test]
fn f9_another_pid_namespace_is_counted_until_it_closes() {
    let host = host();
    host.limit(2);
    let mut inside = host.login("login", "alice");
    assert_eq!(inside.tell("new-pid-namespace"), 0);
    assert_eq!(inside.log_in(), 0);
    assert_eq!(rows(&host).len(), 1);
    let _outside = host.logged_in("login", "alice");
    assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED, "both are counted");
    assert_eq!(inside.close(), 0);
    assert_eq!(host.login("login", "alice").log_in(), 0);
    figure("F9", "a session of another pid namespace counts until it is closed");
}

#[test]
fn f9_a_new_boot_id_makes_every_row_stale() {
    let host = host();
    host.limit(1);
    let _first = host.logged_in("login", "alice");
    std::fs::write(host.path("boot_id"), "11111111-2222-3333-4444-555555555555\n").unwrap();
    let rebooted = |login: &mut Login| {
        let from = hex(host.path("boot_id").as_os_str().as_encoded_bytes());
        assert_eq!(
            login.tell(&format!("bind {from} {}", hex("/proc/sys/kernel/random/boot_id"))),
            0
        );
    };
    let mut second = host.login("login", "alice");
    rebooted(&mut second);
    assert_eq!(second.log_in(), 0, "what was open before the boot is not");
    let mut third = host.login("login", "alice");
    rebooted(&mut third);
    assert_eq!(third.log_in(), code::PERM_DENIED);
    assert_eq!(rows(&host).len(), 1);
    figure("F9", "a new boot id: the old rows are stale, the new ones count");
}

/// Ten years and more since boot, which the clock of a new time namespace shows: 2038 and 2106 lie
/// behind such numbers of seconds.
#[test]
fn f9_clocks_that_never_go_back_may_show_centuries() {
    for years in [1_i64, 10, 80, 140] {
        let host = host();
        host.limit(1);
        let seconds = years * 366 * 24 * 3600;
        let inside = || {
            let mut login = host.login("login", "alice");
            assert_eq!(login.tell(&format!("new-time-namespace {seconds}")), 0);
            login
        };
        // Their own namespace is one each, but with the same origin.
        let (mut first, mut second) = (inside(), inside());
        assert_eq!(first.log_in(), 0, "{years} years");
        assert_eq!(second.log_in(), code::PERM_DENIED, "{years} years");
        assert_eq!(first.close(), 0);
        assert_eq!(second.log_in(), 0, "{years} years");
    }
    figure("F9", "1, 10, 80 and 140 years since boot: counted as usual");
}

/// The wall clock is for display only; here it shows 1910 to 2200.
#[test]
fn f9_the_wall_clock_decides_nothing() {
    let shim = testkit::example("libpreload_shim.so");
    for years in [-60_i64, -10, 10, 12, 81, 174] {
        let host = host().with_environment("LD_PRELOAD", shim.to_str().unwrap());
        let host =
            host.with_environment("SHIM_CLOCK_OFFSET", &(years * 365 * 24 * 3600).to_string());
        host.limit(1);
        let mut first = host.logged_in("login", "alice");
        let since = rows(&host)[0].since;
        let now = session_limit_core::system::clock::epoch_seconds();
        assert!((since - now - years * 365 * 24 * 3600).abs() < 60, "the clock was moved");
        assert_eq!(host.login("login", "alice").log_in(), code::PERM_DENIED, "{years}");
        assert_eq!(first.close(), 0);
        assert_eq!(host.login("login", "alice").log_in(), 0, "{years}");
        drop(first);
    }
    figure("F9", "wall clock 60 years back to 174 ahead: counted as usual");
}
