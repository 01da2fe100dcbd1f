//! Every line of the table.

use std::path::PathBuf;

use session_limit_core::admission::{LoginSettings, SessionToken, Slot};
use session_limit_core::config::ConfigError;
use session_limit_core::model::policy::{OnClear, OnLimit, Tell};
use session_limit_core::model::profile::Limit;
use session_limit_core::model::session::{Leader, Origin, SessionState};
use session_limit_core::store;
use session_limit_core::system::users::User;

use super::*;

const ORIGIN: &str = "service sshd, tty ssh, rhost 192.0.2.7";

fn origin(service: &str) -> Origin {
    let (tty, rhost) = (Some("ssh".into()), Some("192.0.2.7".into()));
    Origin { service: service.into(), tty, rhost }
}

fn request(service: &str) -> LoginRequest {
    LoginRequest {
        user: c"al\nice".to_owned(),
        origin: origin(service),
        config: None,
        state: PathBuf::from(store::DEFAULT_PATH),
        clear_sessions: false,
        on_limit: None,
        answer: None,
    }
}

fn leader() -> Leader {
    Leader { pid: 1, start_time: 2, pid_ns: 3, boot_id: "b".into() }
}

fn token(warnings: &[&str]) -> SessionToken {
    let name = c"alice".to_owned();
    SessionToken {
        settings: LoginSettings {
            user: User { typed: name.clone(), name, uid: 1000, gid: 1000 },
            service: "sshd".into(),
            config: None,
            limit: Limit::AtMost(5),
            on_limit: OnLimit::Reject,
            on_clear: OnClear::Terminate,
            tell: Tell::Nothing,
            hint: None,
            notice: false,
            fleet: None,
            read_at: 0,
            warnings: warnings.iter().map(|&text| text.to_owned()).collect(),
        },
        slot: Some(Slot {
            id: 7,
            leader: leader(),
            open: true,
            state: PathBuf::from("/s"),
            fleet: None,
        }),
    }
}

fn blocking_session() -> Session {
    Session {
        id: 1,
        uid: 1000,
        user: "alice".into(),
        origin: origin("sshd"),
        leader: leader(),
        process_session: 1,
        audit_session: None,
        state: SessionState::Open,
        over_limit: false,
        since: 0,
    }
}

type Row = (Result<Outcome, AdmissionError>, PamResultCode, bool, Vec<(Level, String)>);

fn row(outcome: Outcome, code: PamResultCode, refuses: bool, lines: &[(Level, &str)]) -> Row {
    let lines = lines.iter().map(|(level, text)| (*level, text.replace("{origin}", ORIGIN)));
    (Ok(outcome), code, refuses, lines.collect())
}

fn error(error: AdmissionError, code: PamResultCode, level: Level, text: &str) -> Row {
    (Err(error), code, false, vec![(level, text.to_owned())])
}

fn table() -> Vec<Row> {
    use AdmissionError as E;
    use PamResultCode::*;
    let cleared = ClearSummary { terminated: 2, killed: 1, ..ClearSummary::default() };
    let none = ClearSummary::default();
    let config = ConfigError { path: "/c".into(), location: None, message: "bad".into() };
    let store = |error: fn(String) -> StoreError| E::Store(error("/s: x".into()));
    vec![
        row(Outcome::NotCounted("no"), PAM_IGNORE, false, &[(Level::Debug, "user al\\nice: no")]),
        row(
            Outcome::Unlimited { token: token(&["group database: x"]) },
            PAM_SUCCESS,
            false,
            &[
                (Level::Warning, "group database: x"),
                (Level::Debug, "user al\\nice: the check is off"),
            ],
        ),
        row(
            Outcome::Reserved {
                token: token(&[]),
                held: 2,
                limit: 5,
                eviction: EvictionRequest::None,
            },
            PAM_SUCCESS,
            false,
            &[(Level::Debug, "slot reserved for user al\\nice: 2 of 5, {origin}")],
        ),
        row(
            Outcome::Opened {
                token: token(&["w"]),
                held: 1,
                limit: 5,
                over_limit: None,
                cleared: none.clone(),
            },
            PAM_SUCCESS,
            false,
            &[
                (Level::Warning, "w"),
                (Level::Info, "session opened for user al\\nice: 1 of 5, {origin}"),
            ],
        ),
        row(
            Outcome::Opened {
                token: token(&[]),
                held: 6,
                limit: 5,
                over_limit: Some(refusal(5, 5)),
                cleared: none.clone(),
            },
            PAM_SUCCESS,
            false,
            &[
                (Level::Notice, "session would be refused for user al\\nice: 5 of 5, {origin}"),
                (Level::Info, "session opened for user al\\nice: 6 of 5, {origin}"),
            ],
        ),
        row(
            Outcome::Opened {
                token: token(&[]),
                held: 1,
                limit: 0,
                over_limit: None,
                cleared: cleared.clone(),
            },
            PAM_SUCCESS,
            false,
            &[
                (
                    Level::Notice,
                    "sessions of user al\\nice cleared: 3 sessions ended, 1 by SIGKILL, {origin}",
                ),
                (Level::Info, "session opened for user al\\nice: 1, the check is off, {origin}"),
            ],
        ),
        row(
            Outcome::Nested { cleared },
            PAM_SUCCESS,
            false,
            &[
                (
                    Level::Notice,
                    "sessions of user al\\nice cleared: 3 sessions ended, 1 by SIGKILL, {origin}",
                ),
                (
                    Level::Debug,
                    "user al\\nice: the session is part of the login that it was opened in",
                ),
            ],
        ),
        row(
            Outcome::AlreadyOpen,
            PAM_SUCCESS,
            false,
            &[(Level::Debug, "user al\\nice: the session is open already")],
        ),
        row(
            Outcome::Ask(Question {
                choices: vec![],
                more: 2,
                open: vec![],
                one_is_enough: true,
                elsewhere: None,
            }),
            PAM_PERM_DENIED,
            true,
            &[(Level::Notice, "session refused for user al\\nice: 2 open, {origin}")],
        ),
        row(
            Outcome::Refused {
                refusal: refusal(5, 5),
                cleared: none,
                blocked_by: Vec::new(),
                told: vec![],
                fleet: None,
            },
            PAM_PERM_DENIED,
            true,
            &[(Level::Notice, "session refused for user al\\nice: 5 of 5, {origin}")],
        ),
        row(
            Outcome::Unrecorded(store(StoreError::Broken)),
            PAM_SUCCESS,
            false,
            &[(Level::Error, "session of user al\\nice is not recorded, the check is off: /s: x")],
        ),
        error(
            E::UnknownUser,
            PAM_USER_UNKNOWN,
            Level::Notice,
            "the user is not known to this host",
        ),
        error(E::Config(config), PAM_SERVICE_ERR, Level::Error, "/c: bad"),
        error(store(StoreError::Broken), PAM_SYSTEM_ERR, Level::Error, "/s: x"),
        error(store(StoreError::Newer), PAM_SYSTEM_ERR, Level::Error, "/s: x"),
        error(store(StoreError::NotPermitted), PAM_IGNORE, Level::Debug, "/s: x"),
        error(store(StoreError::ReadOnly), PAM_IGNORE, Level::Warning, "/s: x"),
        error(E::System("/proc: x".into()), PAM_SYSTEM_ERR, Level::Error, "/proc: x"),
    ]
}

fn refusal(held: u32, limit: u32) -> Box<Refusal> {
    Box::new(Refusal {
        time: 0,
        uid: 1000,
        user: "alice".into(),
        origin: Origin::default(),
        limit,
        held,
        held_by: String::new(),
        admitted: false,
    })
}

#[test]
fn every_outcome_has_its_code_lines_and_message() {
    for (decided, code, refuses, lines) in table() {
        let response = PamResponse::to(&decided, &request("sshd"), |_| true);
        let message = refuses.then(|| WARNING.join("\n"));
        assert_eq!(response, PamResponse { code, lines, message, notice: None }, "{decided:?}");
        let quiet = PamResponse::to(&decided, &request("sshd"), |level| level != Level::Debug);
        let not_debug = response.lines.into_iter().filter(|(level, _)| *level != Level::Debug);
        assert_eq!(quiet.lines, not_debug.collect::<Vec<_>>(), "{decided:?}");
    }
}

#[test]
fn callers_that_want_one_line_get_one() {
    let refused = Ok(Outcome::Refused {
        refusal: refusal(1, 1),
        cleared: ClearSummary::default(),
        blocked_by: vec![],
        told: vec![],
        fleet: None,
    });
    let message = PamResponse::to(&refused, &request("cockpit"), |_| true).message.unwrap();
    assert_eq!(
        message,
        "WARNING: Maximum concurrent session count has been reached. Please clear the sessions \
         using shell --clear-sessions"
    );
}

#[test]
fn where_clearing_makes_no_room_the_user_reads_what_holds_the_slot() {
    let refused = Ok(Outcome::Refused {
        refusal: refusal(1, 1),
        cleared: ClearSummary::default(),
        blocked_by: vec![blocking_session()],
        told: vec![],
        fleet: None,
    });
    let response = PamResponse::to(&refused, &request("shell-clear-sessions"), |_| true);
    let blocker = format!("A slot is held by a session that cannot be ended: {ORIGIN}.");
    assert_eq!(response.message.unwrap(), format!("{}\n{blocker}", WARNING.join("\n")));
    assert_eq!(response.lines[1], (Level::Notice, format!("user al\\nice: {blocker}")));
}

#[test]
fn what_the_policy_tells_follows_the_warning() {
    let told: Vec<String> = vec!["2 of 2 sessions in use".into(), "Call 4711.".into()];
    let refused = Ok(Outcome::Refused {
        refusal: refusal(2, 2),
        cleared: ClearSummary::default(),
        blocked_by: vec![],
        told,
        fleet: None,
    });
    let message = |service| PamResponse::to(&refused, &request(service), |_| true).message.unwrap();
    assert_eq!(
        message("sshd"),
        format!("{}\n2 of 2 sessions in use\nCall 4711.", WARNING.join("\n"))
    );
    assert_eq!(
        message("cockpit"),
        format!("{}. 2 of 2 sessions in use. Call 4711.", WARNING.join(" "))
    );
}

#[test]
fn the_manual_has_the_line_of_a_login_that_would_be_refused() {
    let opened = Ok(Outcome::Opened {
        token: token(&[]),
        held: 3,
        limit: 2,
        over_limit: Some(refusal(2, 2)),
        cleared: ClearSummary::default(),
    });
    let request = LoginRequest { user: c"alice".to_owned(), ..request("sshd") };
    let (level, line) = PamResponse::to(&opened, &request, |_| true).lines.remove(0);
    assert_eq!(level, Level::Notice);
    let page = include_str!("../../man/session-limit.5");
    assert!(page.contains(&format!("-literal -offset indent\n{line}\n.Ed")), "{line}");
}

#[test]
fn where_a_fleet_decides_the_log_names_hosts_and_counts() {
    let refused = Ok(Outcome::Refused {
        refusal: refusal(2, 2),
        cleared: ClearSummary::default(),
        blocked_by: vec![],
        told: vec![],
        fleet: Some(HostCounts(vec![("web1".into(), 0), ("web2".into(), 2)])),
    });
    let response = PamResponse::to(&refused, &request("sshd"), |_| true);
    assert_eq!(response.message.unwrap(), WARNING.join("\n"));
    let line = format!(
        "session refused for user al\\nice: 2 of 2 over the fleet (web1 0, web2 2), {ORIGIN}"
    );
    assert_eq!(response.lines, [(Level::Notice, line)]);

    let down = |why: Option<&str>| {
        let outcome = Ok(Outcome::FleetDown { why: why.map(str::to_owned) });
        PamResponse::to(&outcome, &request("sshd"), |_| true)
    };
    let once = down(Some("no answer"));
    assert_eq!((once.code, once.lines.len()), (PamResultCode::PAM_PERM_DENIED, 2));
    assert_eq!(once.lines[0].0, Level::Warning);
    assert_eq!(down(None).lines, once.lines[1..]);
    assert!(down(None).message.unwrap().starts_with("Sessions cannot be counted"));
}
