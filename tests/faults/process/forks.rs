//! F8: hosts that fork between the phases, with and without exec, and hosts with many threads.

use testkit::code;

use crate::{amount, figure, hex, host, rows};

#[test]
fn f8_a_host_that_forks_between_the_phases_keeps_its_row() {
    let rounds = amount(10, 125);
    let host = host();
    host.limit(1);
    for round in 0..rounds {
        for fork in ["fork-and-stay", "fork-and-exec"] {
            for at in 0..4 {
                let mut login = host.login("login", "alice");
                let fork_now = |login: &mut testkit::Login, here: i32| {
                    if here == at {
                        assert!(login.tell(fork) > 0);
                    }
                };
                fork_now(&mut login, 0);
                assert_eq!(login.acct(), 0, "{fork} {at}, round {round}");
                fork_now(&mut login, 1);
                assert_eq!(login.open(), 0);
                fork_now(&mut login, 2);
                // The copies of the handle end in a child, as login's and su's do.
                login.tell("end-in-child 0");
                login.tell("end-in-child 6");
                assert_eq!(rows(&host).len(), 1, "the row is the parent's");
                assert_eq!(host.login("login", "alice").acct(), code::PERM_DENIED);
                assert_eq!(login.close(), 0);
                fork_now(&mut login, 3);
                assert_eq!(rows(&host), []);
            }
        }
    }
    figure("F8", format!("{} logins of hosts that fork, with and without exec", rounds * 8));
}

#[test]
fn f8_a_fork_while_another_thread_has_the_lock_leaves_no_lock_behind() {
    let host = host();
    host.limit(100);
    let count = amount(200, 1_000);
    let mut caller = host.application();
    let wrong = caller.tell(&format!("forks {} {} {count}", hex("login"), hex("alice")));
    let &[(longest, children)] = caller.results() else { panic!("no figures") };
    figure(
        "F8",
        format!(
            "{children} forks beside four threads that log in: longest login {:.1} ms",
            f64::from(longest) / 1000.0
        ),
    );
    assert_eq!(wrong, 0, "{}", host.stderr());
    // A lock left to a child would cost the whole deadline and end in an error.
    assert!(u128::try_from(longest).unwrap() < session_limit_core::store::DEADLINE.as_micros());
    assert_eq!(rows(&host), []);
}

#[test]
fn f8_sixteen_threads_with_a_handle_each_that_load_and_unload_the_module() {
    let host = host();
    host.limit(100);
    let count = amount(640, 16_000);
    let mut caller = host.application();
    assert_eq!(caller.tell(&format!("reload {} {} {count} 16", hex("login"), hex("alice"))), 0);
    let &[(early_pages, early_fds), (late_pages, late_fds)] = caller.results() else { panic!() };
    figure(
        "F8",
        format!(
            "{count} transactions on 16 threads that end: {early_pages} pages early, {late_pages} \
             late; {early_fds} and {late_fds} descriptors"
        ),
    );
    assert_eq!(late_fds, early_fds);
    assert!(late_pages <= early_pages + 1024, "{early_pages} pages grew to {late_pages}");
    assert_eq!(host.stderr(), "");
    assert_eq!(rows(&host), []);
}
