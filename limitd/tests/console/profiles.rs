//! Profiles: changed, reviewed, and changed by two at once.

use serde_json::json;

use crate::desk::{Desk, world};
use crate::world::{DEFAULT_PROFILE, PASSWORD};

#[test]
fn a_change_is_reviewed_saved_and_holds() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let held = [service.log_in("alice"), service.log_in("alice"), service.log_in("alice")];
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    browser.press("Profiles");
    browser.press("Default-User-Account-Profile");
    browser.find("#max_concurrent_sessions").fill("many");
    browser.press("Review the changes");
    browser.says("max_concurrent_sessions: `many`, expected a whole number");
    browser.find("#max_concurrent_sessions").fill("2");
    browser.press("Review the changes");
    browser.says("1 user of this profile holds more than 2 sessions now.");
    browser.says("alice: 3 sessions");
    assert!(!world.configuration().contains("max_concurrent_sessions = 2"), "saved too early");
    browser.press("Save");
    browser.says("The profile Default-User-Account-Profile is saved.");
    assert!(world.configuration().contains("max_concurrent_sessions = 2"));
    let refused = service.post_login(&json!({"username": "alice", "password": PASSWORD}));
    assert_eq!(refused.status, 403);
    drop(held);
}

#[test]
fn two_administrators_do_not_overwrite_each_other() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    let path = format!("/console/profiles/{DEFAULT_PROFILE}");
    for has_reviewed in [false, true] {
        desk.go(&path);
        browser.find("#max_concurrent_sessions").fill("3");
        if has_reviewed {
            browser.press("Review the changes");
            browser.says("After saving");
        }
        let other = service.log_in("root");
        let api = format!("/api/useraccountprofile/{DEFAULT_PROFILE}");
        let value = if has_reviewed { 9 } else { 8 };
        let patch = json!({"replace": {"max_concurrent_sessions": value}});
        assert_eq!(other.call("PATCH", &api, Some(&patch)).status, 200);
        browser.press(if has_reviewed { "Save" } else { "Review the changes" });
        browser.says("Somebody else has changed this profile since you opened it.");
        browser.says(&format!("Somebody has set it to {value}."));
        assert_eq!(browser.find("#max_concurrent_sessions").property("value"), "3");
        assert_eq!(other.ok(&api)["max_concurrent_sessions"], value);
    }
    browser.press("Review the changes");
    browser.press("Save");
    browser.says("is saved.");
    assert!(world.configuration().contains("max_concurrent_sessions = 3"));
}

#[test]
fn profiles_are_created_assigned_explained_and_deleted() {
    let Some(world) = world() else { return };
    let service = world.serve();
    let desk = Desk::of(&service, "admin");
    let browser = &desk.browser;
    desk.go("/console/profiles");
    browser.press("New profile");
    browser.find("#name").type_in("Contractors");
    browser.find("#max_concurrent_sessions").fill("4");
    browser.press("Create the profile");
    browser.says("The profile Contractors is saved.");
    browser.press("Users and groups");
    browser.find("#name").type_in("bob");
    browser.find("#profile option:nth-of-type(2)").click();
    browser.press("Assign");
    browser.says("The assignment is saved.");
    browser.find("#explain").type_in("bob");
    browser.find("#service").fill("session-limitd");
    browser.press("Explain");
    browser.says("Contractors, the user's own [[user]] entry");
    let bob = service.log_in("bob");
    assert_eq!(bob.ok("/api/useraccount")["max_concurrent_sessions"], 4);
    desk.go("/console/profiles");
    browser.press("Contractors");
    browser.press("Delete this profile");
    browser.says("is still assigned to user bob. Assign another profile to them first.");
    desk.go("/console/assignments");
    browser.press("Remove the assignment of user bob");
    browser.says("The assignment is removed.");
    desk.go("/console/profiles");
    browser.press("Contractors");
    browser.press("Delete this profile");
    browser.press("Delete the profile");
    browser.says("The profile is deleted.");
    assert!(!world.configuration().contains("Contractors"));
}
