use std::fs;

use serde_json::{Value, json};
use session_limit_core::system::users::User;

use super::*;
use crate::config::store::ConfigFile;
use crate::sessions::Sessions;

const PROFILE: &str = "useraccountprofile-11111111-2222-4333-8444-555555555555";

struct Host {
    directory: tempfile::TempDir,
    admin: Administration,
}

impl Host {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        let text = format!(
            "[[useraccountprofile]]\nname = \"Contractors\"\nuuid = \"{PROFILE}\"\nmax_concurrent_sessions = 2\n\n[[user]]\nusername = \"nobody\"\nuser_profile = \"Contractors\"\n"
        );
        fs::write(&path, text).unwrap();
        let name = c"root".to_owned();
        let admin = Administration {
            config: ConfigFile::at(&path),
            sessions: Sessions::at(&directory.path().join("run/live-sessions.db")),
            user: User { typed: name.clone(), name, uid: 0, gid: 0 },
            actor: "root".to_owned(),
            holder: None,
            program: "test",
        };
        Self { directory, admin }
    }

    fn ask(&self, request: Request) -> Result<Value, AdminError> {
        answer(&self.admin, request).map(|answer| answer.body)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.directory.path().join("config.toml")).unwrap()
    }
}

fn id(object: &Value) -> String {
    object["uuid"].as_str().unwrap().to_owned()
}

use Resource::{User as Users, UserAccountProfile as Profiles, UserGroup as Groups};

#[test]
fn a_profile_is_created_read_changed_and_deleted() {
    let host = Host::new();
    let body = json!({"name": "Staff", "max_concurrent_sessions": 5});
    let wished = "useraccountprofile-aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee".to_owned();
    let created = host.ask(Request::Create(Profiles, Some(wished.clone()), body.clone())).unwrap();
    assert_eq!((id(&created), &created["max_login_failure_count"]), (wished.clone(), &json!(20)));
    let again = host.ask(Request::Create(Profiles, None, body)).unwrap_err();
    assert_eq!(again.kind, AdminErrorKind::InUse);

    // What was read can be handed back, and a field left out takes its default.
    let mut changed = created.clone();
    changed["account_lock_timeout"] = json!(7);
    let replaced = host.ask(Request::Replace(Profiles, wished.clone(), changed)).unwrap();
    assert_eq!(replaced["account_lock_timeout"], 7);
    let short = json!({"name": "Staff", "max_login_failure_count": 3});
    let replaced = host.ask(Request::Replace(Profiles, wished.clone(), short)).unwrap();
    assert_eq!(replaced["account_lock_timeout"], 30);
    assert_eq!(replaced["max_concurrent_sessions"], 0);

    let verbs = json!({"replace": {"max_concurrent_sessions": 4}, "delete": {"max_login_failure_count": null}});
    let patched = host.ask(Request::Patch(Profiles, wished.clone(), verbs)).unwrap();
    let values = [&patched["max_concurrent_sessions"], &patched["max_login_failure_count"]];
    assert_eq!(values, [4, 20]);
    assert_eq!(
        host.ask(Request::Get(Profiles, wished.clone(), ListQuery::default())).unwrap(),
        patched
    );

    host.ask(Request::Delete(Profiles, wished.clone())).unwrap();
    let gone = host.ask(Request::Delete(Profiles, wished)).unwrap_err();
    assert_eq!(gone.kind, AdminErrorKind::NotFound);
    assert_eq!(host.text(), Host::new().text(), "nothing else was touched");
}

#[test]
fn a_write_against_something_that_changed_saves_nothing() {
    let host = Host::new();
    let read = host.ask(Request::Get(Profiles, PROFILE.to_owned(), ListQuery::default())).unwrap();
    let verbs = json!({"replace": {"max_concurrent_sessions": 9}});
    host.ask(Request::Patch(Profiles, PROFILE.to_owned(), verbs)).unwrap();
    let before = host.text();
    let error = host.ask(Request::Replace(Profiles, PROFILE.to_owned(), read.clone())).unwrap_err();
    assert_eq!(error.kind, AdminErrorKind::Conflict);
    let verbs =
        json!({"replace": {"_last_modified": read["_last_modified"], "account_lock_timeout": 1}});
    let error = host.ask(Request::Patch(Profiles, PROFILE.to_owned(), verbs)).unwrap_err();
    assert_eq!(error.kind, AdminErrorKind::Conflict);
    assert_eq!(host.text(), before);
}

#[test]
fn what_is_not_valid_is_named_and_not_saved() {
    let host = Host::new();
    let before = host.text();
    for (body, field) in [
        (json!({"name": "X", "color": 1}), "color"),
        (json!({"name": "X", "max_concurrent_sessions": -1}), "max_concurrent_sessions"),
        (json!({"name": "X", "max_concurrent_sessions": "5"}), "max_concurrent_sessions"),
        (json!({"name": "X", "max_concurrent_sessions": 1.5}), "max_concurrent_sessions"),
        (json!({"name": "X", "account_lock_timeout": 4_294_967_296_u64}), "account_lock_timeout"),
        (json!({"name": ""}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"name": 5}), "name"),
        (json!({}), "name"),
        (json!({"name": "X", "uuid": "x"}), "uuid"),
        (json!({"name": "X", "user_profile_ref": "/api/useraccountprofile/x"}), "user_profile_ref"),
    ] {
        let error = host.ask(Request::Create(Profiles, None, body.clone())).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field), "{body}");
    }
    for body in [json!({"name": "X\nY"}), json!({"uuid": "other"})] {
        let error = host.ask(Request::Replace(Profiles, PROFILE.to_owned(), body)).unwrap_err();
        assert_eq!(error.kind, AdminErrorKind::Invalid);
    }
    for body in [json!({"insert": {}}), json!({}), json!([]), json!({"replace": 1})] {
        let error = host.ask(Request::Patch(Profiles, PROFILE.to_owned(), body)).unwrap_err();
        assert_eq!(error.kind, AdminErrorKind::Invalid);
    }
    let user = json!({"username": "daemon", "user_profile_ref": "/api/useraccountprofile/none"});
    let error = host.ask(Request::Create(Users, None, user)).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("user_profile_ref"));
    let error = host.ask(Request::Create(Users, None, json!({"username": "daemon"}))).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("user_profile_ref"));
    assert_eq!(host.text(), before);
}

#[test]
fn users_and_groups_are_assigned_by_reference() {
    let host = Host::new();
    let path = format!("/api/useraccountprofile/{PROFILE}");
    for (resource, key) in [(Users, "username"), (Groups, "name")] {
        let body =
            json!({key: "daemon", "user_profile_ref": format!("https://h{path}#Contractors")});
        let created = host.ask(Request::Create(resource, None, body)).unwrap();
        assert_eq!(created["user_profile_ref"], path.as_str());
        let uuid = id(&created);
        let query = ListQuery { include_name: true, ..ListQuery::default() };
        let read = host.ask(Request::Get(resource, uuid.clone(), query)).unwrap();
        assert_eq!(read["user_profile_ref"], format!("{path}#Contractors"));
        let to_default = json!({"replace": {"user_profile_ref":
            "/api/useraccountprofile?name=Default-User-Account-Profile"}});
        let patched = host.ask(Request::Patch(resource, uuid.clone(), to_default)).unwrap();
        assert_ne!(patched["user_profile_ref"], path.as_str());
        let list = host.ask(Request::List(resource, ListQuery::default())).unwrap();
        assert_eq!(list["count"], if resource == Users { 2 } else { 1 });
        host.ask(Request::Delete(resource, uuid)).unwrap();
    }
    let in_use = host.ask(Request::Delete(Profiles, PROFILE.to_owned())).unwrap_err();
    assert_eq!(in_use.kind, AdminErrorKind::InUse);
}

#[test]
fn without_rights_there_is_oneself_and_nothing_to_change() {
    let mut host = Host::new();
    let name = c"nobody".to_owned();
    host.admin.user = User { typed: name.clone(), name, uid: 65534, gid: 65534 };
    let list = host.ask(Request::List(Profiles, ListQuery::default())).unwrap();
    assert_eq!((&list["count"], &list["results"][0]["name"]), (&json!(1), &json!("Contractors")));
    let account = host.ask(Request::Account).unwrap();
    assert_eq!(
        (&account["username"], &account["is_administrator"]),
        (&json!("nobody"), &json!(false))
    );
    let query = ListQuery { name: Some("root".to_owned()), ..ListQuery::default() };
    let verbs = json!({"replace": {"max_concurrent_sessions": 0}});
    let default = session_limit_core::model::profile::DEFAULT_PROFILE_UUID.to_owned();
    for (request, kind) in [
        (Request::Create(Profiles, None, json!({"name": "X"})), AdminErrorKind::Forbidden),
        (Request::Patch(Profiles, PROFILE.to_owned(), verbs), AdminErrorKind::Forbidden),
        (Request::Delete(Profiles, PROFILE.to_owned()), AdminErrorKind::Forbidden),
        (Request::List(Users, query), AdminErrorKind::Forbidden),
        (Request::List(Groups, ListQuery::default()), AdminErrorKind::Forbidden),
        (Request::Get(Profiles, default, ListQuery::default()), AdminErrorKind::NotFound),
        (Request::Clear(json!({"username": "root"})), AdminErrorKind::Forbidden),
    ] {
        assert_eq!(host.ask(request.clone()).unwrap_err().kind, kind, "{request:?}");
    }
}

#[test]
fn a_clear_takes_known_fields_only() {
    let host = Host::new();
    for (body, field) in [
        (json!({"user": "x"}), "user"),
        (json!({"username": 5}), "username"),
        (json!({"except_current": "no"}), "except_current"),
    ] {
        let error = host.ask(Request::Clear(body)).unwrap_err();
        assert_eq!(error.field.as_deref(), Some(field));
    }
}
