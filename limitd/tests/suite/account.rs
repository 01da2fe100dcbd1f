//! Accounts through the API: locked, unlocked, with a password that has expired.

use std::fs;

use serde_json::json;

use crate::world::{PASSWORD, Service, World};

const FAILED: &str = "auth_err=die default=ignore";

/// A host whose stacks lock accounts after three failures, and where the password of alice may be `days` old.
fn world(days: u32) -> Option<World> {
    let world = World::new()?;
    let module = testkit::module();
    let module = module.display();
    let auth = format!(
        "auth [success=ignore ignore=ignore {FAILED}] {module} preauth nodelay\n\
         auth [success=2 default=ignore] pam_unix.so nodelay\n\
         auth [default=ignore] {module} authfail nodelay\n\
         auth requisite pam_deny.so\nauth required pam_permit.so\n"
    );
    world.write("etc/pam.d/common-auth", &auth);
    let account = format!(
        "account [success=ok new_authtok_reqd=ok ignore=ignore {FAILED}] {module} credentials\n\
         account required pam_unix.so\n"
    );
    world.write("etc/pam.d/common-account", &account);
    let password = format!(
        "password [success=ok ignore=ignore maxtries=die authtok_err=die default=ignore] {module}\n\
         password required pam_unix.so use_authtok sha256 rounds=1000\n"
    );
    world.write("etc/pam.d/common-password", &password);
    fs::create_dir_all(world.path("etc/security")).unwrap();
    world.configure(5, "");
    let profile = format!(
        "[[useraccountprofile]]\nname = \"P\"\nmax_login_failure_count = 3\n\
         max_password_history_count = 3\ncredentials_timeout_threshold = {days}\n\
         [[user]]\nusername = \"alice\"\nuser_profile = \"P\"\n"
    );
    world.write("etc/session-limit/config.toml", &(world.configuration() + &profile));
    Some(world)
}

fn log_in(service: &Service, user: &str, password: &str) -> u16 {
    service.post_login(&json!({"username": user, "password": password})).status
}

#[test]
fn an_account_is_locked_and_an_administrator_unlocks_it() {
    let Some(world) = world(0) else { return };
    let service = world.serve();
    let admin = service.log_in("admin");
    for _ in 0..3 {
        assert_eq!(log_in(&service, "alice", "wrong"), 401);
    }
    assert_eq!(log_in(&service, "alice", PASSWORD), 401, "locked");
    let activity = &admin.ok("/api/useractivity?name=alice")["results"][0];
    assert_eq!(
        (&activity["failed_login_attempts"], &activity["locked"]),
        (&json!(3), &json!(true))
    );
    assert!(activity["locked_until"].is_string(), "{activity}");

    let unlock = |body| admin.call("POST", "/api/useractivity/unlock", Some(&body));
    assert_eq!(unlock(json!({"username": "nobody-of-that-name"})).status, 404);
    assert_eq!(unlock(json!({"user": "alice"})).body["field"], "user");
    let reply = unlock(json!({"username": "alice"}));
    assert_eq!(reply.body, json!({"username": "alice", "failed_login_attempts": 3}));
    let alice = service.log_in("alice");
    let own = json!({"username": "alice"});
    assert_eq!(alice.call("POST", "/api/useractivity/unlock", Some(&own)).status, 403);
    let activity = &admin.ok("/api/useractivity?name=alice")["results"][0];
    assert_eq!(
        (&activity["failed_login_attempts"], &activity["locked"]),
        (&json!(0), &json!(false))
    );
    assert!(activity["locked_until"].is_null());
}

#[test]
fn with_an_expired_password_only_the_change_of_it_is_left() {
    let Some(world) = world(30) else { return };
    let service = world.serve();
    let alice = service.log_in("alice");
    assert_eq!(alice.ok("/api/useraccount")["username"], "alice");
    for (method, path) in [
        ("GET", "/api/useractivity"),
        ("GET", "/api/usersession"),
        ("GET", "/api/user"),
        ("POST", "/api/usersession/clear"),
    ] {
        let reply = alice.call(method, path, Some(&json!({})));
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.error().starts_with("the password has expired"), "{path}: {}", reply.error());
    }
    let change = |old: &str, new: &str| {
        let body = json!({"old_password": old, "password": new});
        alice.call("PUT", "/api/useraccount", Some(&body))
    };
    let wrong = change("not-it", "a new horse");
    assert_eq!((wrong.status, &wrong.body["field"]), (400, &json!("old_password")));
    let same = change(PASSWORD, PASSWORD);
    assert_eq!((same.status, &same.body["field"]), (400, &json!("password")));
    assert!(same.error().contains("Password has been already used"), "{}", same.error());
    let reply = change(PASSWORD, "a new horse");
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(reply.body["username"], "alice");
    assert_eq!(alice.get("/api/usersession").status, 200, "every call again");

    assert_eq!(log_in(&service, "alice", PASSWORD), 401);
    assert_eq!(log_in(&service, "alice", "a new horse"), 200);
    let old = fs::read_to_string(world.path("etc/security/opasswd")).unwrap();
    assert!(old.starts_with("alice:3001:1:$6$"), "{old}");
    let back = change("a new horse", PASSWORD);
    assert_eq!(back.status, 400, "of the last three: {:?}", back.body);
    let shadow = fs::read_to_string(world.path("etc/shadow")).unwrap();
    assert!(!shadow.contains("alice:$6$"), "{shadow}");
}

#[test]
fn a_password_that_has_not_expired_can_be_changed_too() {
    let Some(world) = world(0) else { return };
    let service = world.serve();
    let bob = service.log_in("bob");
    for body in [json!({"password": "x"}), json!({"old_password": "a", "password": 5}), json!([])] {
        assert_eq!(bob.call("PUT", "/api/useraccount", Some(&body)).status, 400, "{body}");
    }
    let body = json!({"old_password": PASSWORD, "password": "quite another"});
    let reply = bob.call("PUT", "/api/useraccount", Some(&body));
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    assert_eq!(log_in(&service, "bob", "quite another"), 200);
}
