//! F10: whatever the stack around the module and the order of the phases, no row is left behind.

use testkit::{FAIL_CLOSED, FAIL_OPEN, Host, Login, Stack};

use crate::{figure, host, rows};

/// Phases as an application may run them; `end` and `fail` end the handle.
const ORDERS: [&[&str]; 12] = [
    &["end"],
    &["acct", "end"],
    &["acct", "fail"],
    &["open", "close", "end"],
    &["acct", "open", "close", "end"],
    &["acct", "open", "fail"],
    &["acct", "acct", "open", "open", "close", "close", "end"],
    &["close", "end"],
    &["close", "acct", "close", "open", "close", "end"],
    &["acct", "open", "close", "acct", "open", "close", "end"],
    &["open", "acct", "close", "end"],
    &["acct", "open", "close", "fail"],
];

/// Runs the phases; a handle ends with the last code, as in pam_end(3).
fn play(login: &mut Login, order: &[&str]) -> Vec<i32> {
    let mut last = 0;
    order
        .iter()
        .map(|phase| {
            last = match *phase {
                "acct" => login.acct(),
                "open" => login.open(),
                "close" => login.close(),
                "end" => login.end(last),
                _ => login.end(6),
            };
            last
        })
        .collect()
}

#[test]
fn f10_no_order_of_phases_and_no_neighbour_leaves_a_row() {
    let neighbours = [
        "",
        "account required pam_deny.so\n",
        "account requisite pam_deny.so\n",
        "account optional pam_deny.so\n",
        "account [default=die] pam_deny.so\n",
        "session required pam_deny.so\n",
        "session requisite pam_deny.so\n",
        "session optional pam_deny.so\n",
        "session [default=die] pam_deny.so\n",
        "session [success=ok default=die] pam_debug.so close_session=session_err\n",
    ];
    let controls = [FAIL_OPEN, FAIL_CLOSED, "required", "requisite", "optional", "sufficient"];
    let mut cases = 0;
    for neighbour in neighbours {
        let host = host();
        host.limit(1);
        for control in controls {
            host.stack("login", &Stack::both().control(control).followed_by(neighbour));
            for order in ORDERS {
                let mut login = host.login("login", "alice");
                let codes = play(&mut login, order);
                // A session that the application believes open stays: it did not say that it failed.
                let stays = order.ends_with(&["end"]) && is_left_open(order, &codes);
                let left = rows(&host);
                assert_eq!(
                    left.len(),
                    usize::from(stays),
                    "{neighbour}{control}: {order:?} {codes:?}"
                );
                login.kill();
                assert_eq!(in_use(&host), 0);
                cases += 1;
            }
        }
    }
    figure("F10", format!("{cases} stacks and orders of phases: no row left behind"));
}

/// Whether the last opening that worked was not closed.
fn is_left_open(order: &[&str], codes: &[i32]) -> bool {
    let mut open = false;
    for (phase, code) in order.iter().zip(codes) {
        match *phase {
            "open" if *code == 0 => open = true,
            "close" => open = false,
            _ => {}
        }
    }
    open
}

/// How many slots are taken, by rows whose leader is alive.
fn in_use(host: &Host) -> usize {
    let here = session_limit_core::process::HostIdentity::current().unwrap();
    let alive = session_limit_core::process::Liveness::Alive;
    rows(host).iter().filter(|row| here.liveness(&row.leader) == alive).count()
}

#[test]
fn f10_credentials_and_passwords_are_none_of_its_business() {
    let host = host();
    host.limit(1);
    let module = host.module().display();
    std::fs::write(
        host.path("pam.d/login"),
        format!(
            "auth required pam_permit.so\nauth optional {module}\naccount required pam_permit.so\n\
             password optional {module}\npassword required pam_permit.so\nsession required pam_permit.so\n"
        ),
    )
    .unwrap();
    assert_eq!(host.login("login", "alice").log_in(), 0);
    assert!(!host.state().exists(), "no store was made");
    figure("F10", "a stack without account and session lines: nothing is touched");
}
