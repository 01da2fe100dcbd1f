//! Every table and every JSON answer, as they are.

use session_limit_admin::lockout::{FailedLogins, Lock};
use session_limit_admin::sessions::{SessionStatus, SessionView};
use session_limit_admin::user_overview::UserOverview;
use session_limit_core::admission::clear::ClearSummary;
use session_limit_core::model::policy::OnLimit;
use session_limit_core::model::profile::{DEFAULT_PROFILE, Profile, ProfileAssignment};
use session_limit_core::model::refusal::Refusal;
use session_limit_core::model::session::{EvictionRequest, Leader, Origin, Session, SessionState};
use session_limit_core::refusals::Recorded;
use session_limit_core::store::last_login::LastLogin;
use shell::language::grammar::ObjectKind;
use shell::output::pipeline::Pipeline;
use shell::output::response::{Format, Response};
use shell::output::views::{self, ActivityRow, UserRow};

fn check(reply: &Response, table: &str, json: &str) {
    assert_eq!(reply.render(Format::Table, &Pipeline::default()), table);
    assert_eq!(reply.render(Format::Json, &Pipeline::default()), format!("{json}\n"));
}

fn session(
    id: i64,
    service: &str,
    rhost: Option<&str>,
    state: SessionState,
    since: i64,
) -> Session {
    let origin = Origin {
        service: service.to_owned(),
        tty: Some("ssh".to_owned()),
        rhost: rhost.map(str::to_owned),
    };
    let leader = Leader { pid: 4242, start_time: 1, pid_ns: 1, boot_id: String::new() };
    Session {
        id,
        uid: 1000,
        user: "alice".to_owned(),
        origin,
        leader,
        process_session: 1,
        audit_session: None,
        state,
        over_limit: false,
        since,
    }
}

fn seen() -> Vec<SessionView> {
    let reserved =
        SessionState::Reserved { until: 0, eviction: EvictionRequest::None, by_child: false };
    let all = [
        (
            session(17, "sshd", Some("192.0.2.7"), SessionState::Open, 1_795_281_573),
            SessionStatus::Open,
        ),
        (
            session(18, "sshd", Some("192.0.2.8"), SessionState::Open, 1_795_281_600),
            SessionStatus::Stale,
        ),
        (session(19, "login", None, reserved, 1_795_281_601), SessionStatus::Reserved),
        (session(20, "shell", None, SessionState::Open, 1_795_281_500), SessionStatus::Elsewhere),
    ];
    all.map(|(session, status)| SessionView { session, status }).to_vec()
}

fn alice() -> UserOverview {
    let profile = Profile { max_concurrent_sessions: 5, ..Profile::built_in("C") };
    UserOverview {
        name: "alice".to_owned(),
        uid: 1000,
        profile: Some(profile),
        sessions: seen(),
        sessions_elsewhere: 0,
        kept: None,
        failed: FailedLogins { count: 3, lock: Lock::Until(1_795_281_573 + 1800) },
    }
}

#[test]
fn a_profile() {
    check(
        &views::profile(&Profile::built_in(DEFAULT_PROFILE)),
        "\
+-------------------------------+---------------------------------------------------------+
| Field                         | Value                                                   |
+-------------------------------+---------------------------------------------------------+
| uuid                          | useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4 |
| name                          | Default-User-Account-Profile                            |
| max_password_history_count    | 0                                                       |
| max_login_failure_count       | 20                                                      |
| account_lock_timeout          | 30                                                      |
| max_concurrent_sessions       | 0                                                       |
| credentials_timeout_threshold | 0                                                       |
+-------------------------------+---------------------------------------------------------+
",
        r#"{"count":1,"kind":"useraccountprofile","results":[{"account_lock_timeout":30,"credentials_timeout_threshold":0,"max_concurrent_sessions":0,"max_login_failure_count":20,"max_password_history_count":0,"name":"Default-User-Account-Profile","uuid":"useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4"}],"schema_version":1}"#,
    );
}

#[test]
fn the_profiles() {
    let profiles = [
        Profile::built_in(DEFAULT_PROFILE),
        Profile { max_concurrent_sessions: 2, ..Profile::built_in("C\u{1b}") },
    ];
    check(
        &views::profiles(&profiles.iter().collect::<Vec<_>>()),
        "\
+------------------------------+-------------------------+---------------------------------------------------------+
| name                         | max_concurrent_sessions | uuid                                                    |
+------------------------------+-------------------------+---------------------------------------------------------+
| Default-User-Account-Profile | 0                       | useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4 |
| C\\u{1b}                      | 2                       |                                                         |
+------------------------------+-------------------------+---------------------------------------------------------+
",
        r#"{"count":2,"kind":"useraccountprofile","results":[{"account_lock_timeout":30,"credentials_timeout_threshold":0,"max_concurrent_sessions":0,"max_login_failure_count":20,"max_password_history_count":0,"name":"Default-User-Account-Profile","uuid":"useraccountprofile-6753548e-7ac5-4601-939b-ad4394405db4"},{"account_lock_timeout":30,"credentials_timeout_threshold":0,"max_concurrent_sessions":2,"max_login_failure_count":20,"max_password_history_count":0,"name":"C\u001b","uuid":null}],"schema_version":1}"#,
    );
}

#[test]
fn assignments() {
    let entries = ["operators", "opreators"].map(|name| ProfileAssignment {
        name: name.to_owned(),
        user_profile: "Contractors".to_owned(),
    });
    check(
        &views::assignments(ObjectKind::Group, &entries, |name| name == "operators"),
        "\
+-----------+------------------+----------------------+
| name      | user_profile_ref | known                |
+-----------+------------------+----------------------+
| operators | Contractors      | yes                  |
| opreators | Contractors      | no, not on this host |
+-----------+------------------+----------------------+
",
        r#"{"count":2,"kind":"group","results":[{"known":true,"name":"operators","user_profile_ref":"Contractors"},{"known":false,"name":"opreators","user_profile_ref":"Contractors"}],"schema_version":1}"#,
    );
    check(
        &views::assignment(ObjectKind::User, &entries[0]),
        "\
+------------------+-------------+
| Field            | Value       |
+------------------+-------------+
| name             | operators   |
| user_profile_ref | Contractors |
+------------------+-------------+
",
        r#"{"count":1,"kind":"user","results":[{"name":"operators","user_profile_ref":"Contractors"}],"schema_version":1}"#,
    );
    check(
        &views::assignments(ObjectKind::User, &[], |_| true),
        "\
+------+------------------+-------+
| name | user_profile_ref | known |
+------+------------------+-------+
",
        r#"{"count":0,"kind":"user","results":[],"schema_version":1}"#,
    );
}

#[test]
fn a_user() {
    check(
        &views::user(&UserRow::new(&alice())),
        "\
+-------------------------+-------+
| Field                   | Value |
+-------------------------+-------+
| name                    | alice |
| uid                     | 1000  |
| user_profile_ref        | C     |
| max_concurrent_sessions | 5     |
| concurrent_sessions     | 2     |
+-------------------------+-------+
",
        r#"{"count":1,"kind":"user","results":[{"concurrent_sessions":2,"max_concurrent_sessions":5,"name":"alice","uid":1000,"user_profile_ref":"C"}],"schema_version":1}"#,
    );
}

#[test]
fn the_sessions() {
    check(
        &views::sessions(&seen()),
        "\
+----+-------+---------+-----+-----------+------+----------------------+-----------+
| id | user  | service | tty | rhost     | pid  | since                | state     |
+----+-------+---------+-----+-----------+------+----------------------+-----------+
| 17 | alice | sshd    | ssh | 192.0.2.7 | 4242 | 2026-11-21T17:19:33Z | open      |
| 18 | alice | sshd    | ssh | 192.0.2.8 | 4242 | 2026-11-21T17:20:00Z | stale     |
| 19 | alice | login   | ssh |           | 4242 | 2026-11-21T17:20:01Z | reserved  |
| 20 | alice | shell   | ssh |           | 4242 | 2026-11-21T17:18:20Z | elsewhere |
+----+-------+---------+-----+-----------+------+----------------------+-----------+
",
        r#"{"count":4,"kind":"session","results":[{"id":17,"pid":4242,"rhost":"192.0.2.7","service":"sshd","since":"2026-11-21T17:19:33Z","state":"open","tty":"ssh","uid":1000,"user":"alice"},{"id":18,"pid":4242,"rhost":"192.0.2.8","service":"sshd","since":"2026-11-21T17:20:00Z","state":"stale","tty":"ssh","uid":1000,"user":"alice"},{"id":19,"pid":4242,"rhost":null,"service":"login","since":"2026-11-21T17:20:01Z","state":"reserved","tty":"ssh","uid":1000,"user":"alice"},{"id":20,"pid":4242,"rhost":null,"service":"shell","since":"2026-11-21T17:18:20Z","state":"elsewhere","tty":"ssh","uid":1000,"user":"alice"}],"schema_version":1}"#,
    );
}

#[test]
fn sessions_that_were_let_in_above_the_limit_are_marked() {
    let over = SessionView {
        session: Session { over_limit: true, ..seen().remove(0).session },
        status: SessionStatus::Open,
    };
    check(
        &views::sessions(&[over]),
        "\
+----+-------+---------+-----+-----------+------+----------------------+----------------------+
| id | user  | service | tty | rhost     | pid  | since                | state                |
+----+-------+---------+-----+-----------+------+----------------------+----------------------+
| 17 | alice | sshd    | ssh | 192.0.2.7 | 4242 | 2026-11-21T17:19:33Z | open, over the limit |
+----+-------+---------+-----+-----------+------+----------------------+----------------------+
",
        r#"{"count":1,"kind":"session","results":[{"id":17,"over_limit":true,"pid":4242,"rhost":"192.0.2.7","service":"sshd","since":"2026-11-21T17:19:33Z","state":"open","tty":"ssh","uid":1000,"user":"alice"}],"schema_version":1}"#,
    );
}

#[test]
fn refusals_of_hostile_origin_and_of_logins_that_were_let_in() {
    let origin = Origin {
        service: "sshd".to_owned(),
        tty: Some("ssh".to_owned()),
        rhost: Some("\\u{1b}]0;evil".to_owned()),
    };
    let refused = Refusal {
        time: 1_795_281_573,
        uid: 1000,
        user: "alice".to_owned(),
        origin,
        limit: 2,
        held: 2,
        held_by: "2 sshd from 192.0.2.7".to_owned(),
        admitted: false,
    };
    let let_in = Refusal { admitted: true, ..refused.clone() };
    let all = [Recorded { id: 2, refusal: let_in }, Recorded { id: 1, refusal: refused }];
    check(
        &views::refusals(&all),
        "\
+----------------------+-------+---------+-----+---------------+-------+-----------------------+------------------------+
| time                 | user  | service | tty | rhost         | limit | held_by               | login                  |
+----------------------+-------+---------+-----+---------------+-------+-----------------------+------------------------+
| 2026-11-21T17:19:33Z | alice | sshd    | ssh | \\u{1b}]0;evil | 2     | 2 sshd from 192.0.2.7 | let in, over the limit |
| 2026-11-21T17:19:33Z | alice | sshd    | ssh | \\u{1b}]0;evil | 2     | 2 sshd from 192.0.2.7 | refused                |
+----------------------+-------+---------+-----+---------------+-------+-----------------------+------------------------+
",
        r#"{"count":2,"kind":"refusal","results":[{"admitted":true,"held":2,"held_by":"2 sshd from 192.0.2.7","id":2,"limit":2,"rhost":"\\u{1b}]0;evil","service":"sshd","time":"2026-11-21T17:19:33Z","tty":"ssh","uid":1000,"user":"alice"},{"held":2,"held_by":"2 sshd from 192.0.2.7","id":1,"limit":2,"rhost":"\\u{1b}]0;evil","service":"sshd","time":"2026-11-21T17:19:33Z","tty":"ssh","uid":1000,"user":"alice"}],"schema_version":1}"#,
    );
}

#[test]
fn a_profile_with_an_on_limit_of_its_own() {
    let profile = Profile { on_limit: Some(OnLimit::Log), ..Profile::built_in("C") };
    let shown = views::profile(&profile);
    let text = shown.text();
    assert!(text.contains("| on_limit                      | log "), "{text}");
}

#[test]
fn activities() {
    let row = ActivityRow::new(&alice());
    check(
        &views::activity(&row),
        "\
+-------------------------+----------------------+
| Field                   | Value                |
+-------------------------+----------------------+
| name                    | alice                |
| concurrent_sessions     | 2                    |
| max_concurrent_sessions | 5                    |
| logged_in               | true                 |
| last_login_ip           | 192.0.2.7            |
| last_login_timestamp    | 2026-11-21T17:19:33Z |
| failed_login_attempts   | 3                    |
| locked_until            | 2026-11-21T17:49:33Z |
+-------------------------+----------------------+
",
        r#"{"count":1,"kind":"useractivity","results":[{"concurrent_sessions":2,"failed_login_attempts":3,"last_login_ip":"192.0.2.7","last_login_timestamp":"2026-11-21T17:19:33Z","locked":true,"locked_until":"2026-11-21T17:49:33Z","logged_in":true,"max_concurrent_sessions":5,"name":"alice"}],"schema_version":1}"#,
    );
    let origin =
        Origin { service: "sshd".to_owned(), tty: None, rhost: Some("192.0.2.9".to_owned()) };
    let name = "gone".to_owned();
    let kept = LastLogin { uid: 4242, user: name.clone(), time: 1_795_281_500, origin };
    let gone = UserOverview {
        name,
        uid: 4242,
        profile: None,
        sessions: Vec::new(),
        sessions_elsewhere: 0,
        kept: Some(kept),
        failed: FailedLogins::default(),
    };
    check(
        &views::activities(&[row, ActivityRow::new(&gone)]),
        "\
+-------+---------------------+-------------------------+-----------+---------------+----------------------+-----------------------+----------------------+
| name  | concurrent_sessions | max_concurrent_sessions | logged_in | last_login_ip | last_login_timestamp | failed_login_attempts | locked_until         |
+-------+---------------------+-------------------------+-----------+---------------+----------------------+-----------------------+----------------------+
| alice | 2                   | 5                       | true      | 192.0.2.7     | 2026-11-21T17:19:33Z | 3                     | 2026-11-21T17:49:33Z |
| gone  | 0                   |                         | false     | 192.0.2.9     | 2026-11-21T17:18:20Z | 0                     |                      |
+-------+---------------------+-------------------------+-----------+---------------+----------------------+-----------------------+----------------------+
",
        r#"{"count":2,"kind":"useractivity","results":[{"concurrent_sessions":2,"failed_login_attempts":3,"last_login_ip":"192.0.2.7","last_login_timestamp":"2026-11-21T17:19:33Z","locked":true,"locked_until":"2026-11-21T17:49:33Z","logged_in":true,"max_concurrent_sessions":5,"name":"alice"},{"concurrent_sessions":0,"failed_login_attempts":0,"last_login_ip":"192.0.2.9","last_login_timestamp":"2026-11-21T17:18:20Z","locked":false,"locked_until":null,"logged_in":false,"max_concurrent_sessions":null,"name":"gone"}],"schema_version":1}"#,
    );
}

#[test]
fn what_was_cleared() {
    let cleared =
        ClearSummary { terminated: 2, killed: 1, skipped_own: 1, ..ClearSummary::default() };
    check(
        &views::cleared(&cleared),
        "3 sessions ended, 1 by SIGKILL, 1 left alone (this login runs inside it).\n",
        r#"{"count":1,"kind":"clear","results":[{"ended":2,"forgotten":0,"killed":1,"spared":1}],"schema_version":1}"#,
    );
}
