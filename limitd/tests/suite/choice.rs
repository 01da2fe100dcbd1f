//! The choice at the limit: what a refused login is told, and which sessions it may end.

use serde_json::{Value, json};

use crate::world::{PASSWORD, Service, WARNING, World};

const ASK: &str = "\n[policy]\non_limit = \"ask\"\n";

fn log_in(service: &Service, more: &Value) -> crate::world::Reply {
    let mut body = json!({"username": "alice", "password": PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    service.post_login(&body)
}

fn ids(told: &Value) -> Vec<i64> {
    told["sessions"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[test]
fn a_refused_login_learns_what_it_may_end_and_ends_that_alone() {
    let Some(world) = World::new() else { return };
    world.configure(2, ASK);
    let service = world.serve();
    let (first, second) = (service.log_in("alice"), service.log_in("alice"));
    service.log_in("bob");
    let refused = log_in(&service, &json!({}));
    assert_eq!((refused.status, refused.error()), (403, WARNING));
    let told = &refused.body["at_limit"];
    assert_eq!(
        (&told["concurrent_sessions"], &told["max_concurrent_sessions"], &told["end_session"]),
        (&json!(2), &json!(2), &json!(true))
    );
    assert_eq!(told["sessions_to_end"], 1);
    let listed = first.ok("/api/usersession?sort=id")["results"].clone();
    let own: Vec<i64> =
        listed.as_array().unwrap().iter().map(|s| s["id"].as_i64().unwrap()).collect();
    assert_eq!(ids(told), own);
    assert_eq!(told["sessions"][0]["rhost"], "127.0.0.1");

    // One that is over, or of another user, is passed over; a session of alice's own is ended.
    let others = log_in(&service, &json!({"end_session": [own[1] + 1, 999_999]}));
    assert_eq!((others.status, others.error()), (403, WARNING));
    let third = log_in(&service, &json!({"end_session": [999_999, own[0]]}));
    assert_eq!(third.status, 200, "{:?}", third.body);
    let third = service.client(&third);
    let statuses = [&first, &second, &third].map(|client| client.get("/api/useraccount").status);
    assert_eq!(statuses, [401, 200, 200]);

    // Several, the second beyond what the login needs; as a form.
    let left = ids(&log_in(&service, &json!({})).body["at_limit"]);
    let fourth = log_in(&service, &json!({"end_session": left}));
    assert_eq!(fourth.status, 200, "{:?}", fourth.body);
    let fourth = service.client(&fourth);
    assert_eq!(fourth.ok("/api/usersession")["count"], 1);
    // Below the limit the choice means nothing.
    let only = fourth.ok("/api/usersession")["results"][0]["id"].clone();
    assert_eq!(log_in(&service, &json!({"end_session": only})).status, 200);
    assert_eq!(fourth.ok("/api/usersession")["count"], 2);
}

#[test]
fn where_more_than_one_must_end_all_can_be_chosen() {
    let Some(world) = World::new() else { return };
    let service = world.serve();
    let old: Vec<_> = (0..3).map(|_| service.log_in("alice")).collect();
    world.configure(1, ASK);
    let refused = log_in(&service, &json!({}));
    let told = &refused.body["at_limit"];
    assert_eq!((refused.status, &told["sessions_to_end"]), (403, &json!(3)));
    let all = ids(told);
    let too_few = log_in(&service, &json!({"end_session": all[..2]}));
    assert_eq!((too_few.status, too_few.error()), (403, WARNING));
    assert!(old.iter().all(|client| client.get("/api/useraccount").status == 200));
    assert_eq!(log_in(&service, &json!({"end_session": all})).status, 200);
    assert!(old.iter().all(|client| client.get("/api/useraccount").status == 401));
}

#[test]
fn the_policy_says_what_is_told_and_a_wrong_password_tells_nothing() {
    let Some(world) = World::new() else { return };
    world.configure(1, "");
    let service = world.serve();
    let holder = service.log_in("alice");
    let id = holder.ok("/api/usersession")["results"][0]["id"].clone();
    let refused = log_in(&service, &json!({}));
    assert_eq!((refused.status, refused.body), (403, json!({"error": WARNING})));
    // Where the module does not ask, nothing is ended.
    let refused = log_in(&service, &json!({"end_session": id}));
    assert_eq!((refused.status, refused.body), (403, json!({"error": WARNING})));
    holder.ok("/api/useraccount");

    world.configure(1, "\n[policy]\ntell = \"count\"\n");
    let refused = log_in(&service, &json!({}));
    assert_eq!(refused.error(), format!("{WARNING}\n1 of 1 sessions in use"));
    let told = &refused.body["at_limit"];
    assert_eq!((&told["concurrent_sessions"], &told["sessions"]), (&json!(1), &Value::Null));

    world.configure(1, "\n[policy]\ntell = \"sessions\"\non_limit = \"ask\"\n");
    let refused = log_in(&service, &json!({}));
    assert!(refused.error().starts_with(WARNING), "{}", refused.error());
    assert_eq!(refused.body["at_limit"]["sessions"][0]["id"], id);
    let wrong =
        service.post_login(&json!({"username": "alice", "password": "wrong", "end_session": id}));
    assert_eq!((wrong.status, wrong.body), (401, json!({"error": "Invalid credentials"})));
    holder.ok("/api/useraccount");
}
