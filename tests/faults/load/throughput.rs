//! L1, L3, L4, L8: many logins, one after the other and at once.
//!
//! Times are printed. What is asserted of them leaves room for a slow machine that runs other tests at
//! the same time; `make soak` runs one test at a time and asserts the real bounds.

use session_limit_core::model::session::{Leader, Origin, Session, SessionState};
use session_limit_core::store::Store;
use session_limit_core::{process::HostIdentity, system};
use testkit::{FAIL_CLOSED, Login, Stack};

use crate::{add_users, alone, amount, figure, hex, host, rows};

/// Returns milliseconds in microseconds: what no login may take, however busy the machine is. How long logins do take is
/// printed, and measured in `benches/`.
fn bound(ms: i32) -> i32 {
    ms * 1000
}

fn times(caller: &Login) -> (i32, i32, i32, i32) {
    let &[(median, p99), (longest, count)] = caller.results() else { panic!("no figures") };
    (median, p99, longest, count)
}

fn ms(micros: i32) -> String {
    format!("{:.2} ms", f64::from(micros) / 1000.0)
}

#[test]
fn l1_logins_one_after_the_other_leave_nothing() {
    let count = amount(1_000, 100_000);
    let host = host();
    host.limit(3);
    let mut caller = host.application();
    let wrong = caller.tell(&format!("cycles {} {} {count}", hex("login"), hex("alice")));
    let (median, p99, longest, _) = times(&caller);
    figure(
        "L1",
        format!(
            "{count} whole cycles, fresh processes: median {}, p99 {}, max {}",
            ms(median),
            ms(p99),
            ms(longest)
        ),
    );
    assert_eq!(wrong, 0);
    assert_eq!(rows(&host), []);
    assert!(p99 < bound(500), "p99 {}", ms(p99));
}

#[test]
fn l3_thirty_two_processes_without_a_pause() {
    let _alone = alone();
    let cycles = amount(50, 3_000);
    let host = host();
    host.limit(3);
    host.stack("login", &Stack::both().control(FAIL_CLOSED));
    add_users(&host, "u", 32);
    let mut caller = host.application();
    let wrong = caller.tell(&format!("concurrent-logins {} u 32 {cycles}", hex("login")));
    let (median, p99, longest, count) = times(&caller);
    figure(
        "L3",
        format!(
            "{count} logins of 32 processes: median {}, p99 {}, max {}",
            ms(median),
            ms(p99),
            ms(longest)
        ),
    );
    assert_eq!(wrong, 0, "{}", host.stderr());
    assert_eq!(rows(&host), []);
    assert!(p99 < bound(3_000), "p99 {}", ms(p99));
}

#[test]
fn l4_five_hundred_users_at_once_all_get_in() {
    let _alone = alone();
    for herd in [32, 100, 200, 500] {
        let host = host();
        host.limit(1);
        host.stack("login", &Stack::both().control(FAIL_CLOSED));
        add_users(&host, "u", herd);
        let mut caller = host.application();
        let rounds = amount(2, 20);
        let (mut worst_median, mut worst_p99, mut worst) = (0, 0, 0);
        for _ in 0..rounds {
            let wrong = caller.tell(&format!("concurrent-logins {} u {herd} 1", hex("login")));
            let (median, p99, longest, _) = times(&caller);
            assert_eq!(wrong, 0, "{}", host.stderr());
            worst_median = worst_median.max(median);
            worst_p99 = worst_p99.max(p99);
            worst = worst.max(longest);
        }
        figure(
            "L4",
            format!(
                "{herd} at once, {rounds} rounds, no failure: worst round's median {}, p99 {}, max {}",
                ms(worst_median),
                ms(worst_p99),
                ms(worst)
            ),
        );
        assert_eq!(rows(&host), []);
        assert!(worst_p99 < bound(6_000), "p99 {}", ms(worst_p99));
    }
}

#[test]
fn l8_ten_thousand_live_rows() {
    let host = host();
    host.limit(5_000);
    let here = HostIdentity::current().unwrap();
    let (leader, _) = here.leader(system::own_pid()).unwrap();
    let store = Store::at(&host.state());
    store
        .transaction(|tx| {
            for id in 1..=10_000_u32 {
                // A tenth of them alice's.
                let uid = if id % 10 == 0 { 4001 } else { 5000 + id };
                tx.upsert(&live_session(i64::from(id), uid, leader.clone()))?;
            }
            Ok(())
        })
        .unwrap();
    let count = amount(100, 1_000);
    let mut caller = host.application();
    let wrong = caller.tell(&format!("cycles {} {} {count}", hex("login"), hex("alice")));
    let (median, p99, longest, _) = times(&caller);
    figure(
        "L8",
        format!(
            "{count} whole cycles beside 10,000 rows, 1,000 of them the user's: median {}, p99 {}, max {}",
            ms(median),
            ms(p99),
            ms(longest)
        ),
    );
    assert_eq!(wrong, 0);
    assert_eq!(rows(&host).len(), 10_000);
    assert!(p99 < bound(1_000), "p99 {}", ms(p99));
}

fn live_session(id: i64, uid: u32, leader: Leader) -> Session {
    Session {
        id,
        uid,
        user: "alice".into(),
        origin: Origin { service: "sshd".into(), tty: Some("ssh".into()), rhost: None },
        process_session: leader.pid,
        leader,
        audit_session: None,
        state: SessionState::Open,
        over_limit: false,
        since: 0,
    }
}
