//! Tests of the file beside.

use std::fs;

use super::*;

fn file(text: &str) -> (tempfile::TempDir, ConfigFile) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    fs::write(&path, text).unwrap();
    (directory, ConfigFile::at(&path))
}

fn set(value: u32) -> Change {
    Change::Set(Field::MaxConcurrentSessions, value)
}

const P: &str = "[[useraccountprofile]]\nname = \"P\"\nuuid = \"useraccountprofile-00000000-0000-4000-8000-000000000000\"\nmax_concurrent_sessions = 1\n";

#[test]
fn a_value_set_before_is_overwritten_with_a_word() {
    let (_directory, file) = file(P);
    let config = file.read().unwrap();
    let mut known = ConfigDraft::begin(&config, ObjectKind::Profile, "P");
    assert_eq!(known.apply(&set(2)), Some("max_concurrent_sessions"));
    let mut new = ConfigDraft::begin(&config, ObjectKind::Profile, "N");
    assert_eq!(new.apply(&set(2)), None);
    assert_eq!(new.apply(&set(3)), Some("max_concurrent_sessions"));
    assert_eq!(new.apply(&Change::Unset(Field::MaxConcurrentSessions)), None);
    assert_eq!(new.apply(&set(4)), None);
}

#[test]
fn the_second_of_two_writers_is_told_and_loses_nothing() {
    let (_directory, file) = file(P);
    let config = file.read().unwrap();
    let mut first = ConfigDraft::begin(&config, ObjectKind::Profile, "P");
    let mut second = ConfigDraft::begin(&config, ObjectKind::Profile, "P");
    first.apply(&set(5));
    first.save(&file).unwrap();
    second.apply(&Change::Set(Field::AccountLockTimeout, 60));
    let Err(DraftError::Changed(difference)) = second.save(&file) else {
        panic!("not told");
    };
    assert_eq!(
        difference.to_string(),
        "useraccountprofile `P` changed since it was read; nothing was saved"
    );
    assert_eq!(difference.rows(), [("max_concurrent_sessions", "1".to_owned(), "5".to_owned())]);
    second.save(&file).unwrap();
    assert_eq!(
        fs::read_to_string(file.path()).unwrap(),
        P.replace("= 1\n", "= 5\naccount_lock_timeout = 60\n")
    );
}

#[test]
fn a_profiles_own_on_limit_is_written_changed_and_taken_back() {
    let (_directory, file) = file(P);
    let save = |on_limit| {
        let mut draft = ConfigDraft::begin(&file.read().unwrap(), ObjectKind::Profile, "P");
        let overwrites = draft.apply(&Change::OnLimit(on_limit));
        draft.save(&file).unwrap();
        overwrites
    };
    let text = || fs::read_to_string(file.path()).unwrap();
    assert_eq!(save(Some(OnLimit::Log)), None);
    assert_eq!(text(), format!("{P}on_limit = \"log\"\n"));
    assert_eq!(save(Some(OnLimit::EvictOldest)), Some("on_limit"));
    assert_eq!(text(), format!("{P}on_limit = \"evict-oldest\"\n"));
    assert_eq!(save(None), None);
    assert_eq!(text(), P);
}

#[test]
fn an_object_deleted_under_a_draft_is_told_and_can_be_made_again() {
    let (_directory, file) = file(P);
    let mut draft = ConfigDraft::begin(&file.read().unwrap(), ObjectKind::Profile, "P");
    draft.apply(&set(5));
    assert!(delete(&file, ObjectKind::Profile, "P").unwrap());
    let Err(DraftError::Changed(difference)) = draft.save(&file) else {
        panic!("not told");
    };
    assert!(difference.to_string().contains("was deleted"));
    draft.save(&file).unwrap();
    assert_eq!(file.read().unwrap().profile("P").unwrap().max_concurrent_sessions, 5);
}

#[test]
fn a_new_profile_gets_a_uuid_that_the_module_takes() {
    let (_directory, file) = file("");
    let mut draft = ConfigDraft::begin(&file.read().unwrap(), ObjectKind::Profile, "N");
    draft.save(&file).unwrap();
    let uuid = file.read().unwrap().profile("N").unwrap().uuid.clone().unwrap();
    assert_eq!(uuid.as_bytes()["useraccountprofile-xxxxxxxx-xxxx-".len()], b'4');
    assert_ne!(uuid, new_uuid());
}

#[test]
fn what_is_needed_is_not_deleted() {
    let (_directory, file) = file(&format!(
        "{P}[[user]]\nusername = \"a\"\nuser_profile = \"P\"\n[[group]]\nname = \"g\"\nuser_profile = \"P\"\n"
    ));
    for (name, why) in [
        (
            "P",
            "useraccountprofile `P`: is still assigned to user `a`, group `g`; assign another profile first",
        ),
        (
            DEFAULT_PROFILE,
            "useraccountprofile `Default-User-Account-Profile`: holds for every user who is not assigned another profile and cannot be deleted",
        ),
    ] {
        match delete(&file, ObjectKind::Profile, name) {
            Err(DraftError::Incomplete(text)) => assert_eq!(text, why),
            other => panic!("{other:?}"),
        }
    }
    assert!(!delete(&file, ObjectKind::Profile, "X").unwrap());
}

#[test]
fn an_assignment_needs_a_profile_that_exists() {
    let (_directory, file) = file(P);
    let mut draft = ConfigDraft::begin(&file.read().unwrap(), ObjectKind::User, "a");
    for (profile, why) in [
        (None, "user `a`: user_profile_ref is not set, expected the name of a profile"),
        (
            Some("X"),
            "user `a`: user_profile_ref: no profile `X`, expected one that `show useraccountprofile` lists",
        ),
    ] {
        if let Some(profile) = profile {
            draft.apply(&Change::Assign(profile.to_owned()));
        }
        match draft.save(&file) {
            Err(DraftError::Incomplete(text)) => assert_eq!(text, why),
            other => panic!("{other:?}"),
        }
    }
    draft.apply(&Change::Assign("P".to_owned()));
    draft.save(&file).unwrap();
    assert_eq!(file.read().unwrap().users[0].user_profile, "P");
}
