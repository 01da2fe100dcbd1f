//! The form of a profile: what was typed, what is wrong with it, and what it would change.

use maud::{Markup, html};
use serde_json::{Map, Value, json};
use session_limit_admin::api::objects::UserAccountProfile;
use session_limit_admin::field::{self, Field};

use super::form::Form;
use super::page::hidden;

/// The key under which an object's version is sent.
pub const VERSION: &str = "_last_modified";

/// Returns the value of a field.
pub fn value(profile: &UserAccountProfile, field: Field) -> u32 {
    match field {
        Field::MaxPasswordHistoryCount => profile.max_password_history_count,
        Field::MaxLoginFailureCount => profile.max_login_failure_count,
        Field::AccountLockTimeout => profile.account_lock_timeout,
        Field::MaxConcurrentSessions => profile.max_concurrent_sessions,
        Field::CredentialsTimeoutThreshold => profile.credentials_timeout_threshold,
    }
}

/// What was typed into the form of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// The name of a new profile.
    pub name: String,
    /// The fields as typed, in the order of [`Field::ALL`].
    pub fields: Vec<(Field, String)>,
    /// The version that the user has seen.
    pub version: String,
    /// What is wrong, by the name of the field.
    pub mistakes: Vec<(String, String)>,
}

impl Typed {
    /// Returns the form as a new profile begins.
    pub fn defaults() -> Self {
        let fields = Field::ALL.map(|field| (field, field.default_value().to_string())).to_vec();
        Self { fields, ..Self::default() }
    }

    /// Returns the form of a profile as it is.
    pub fn of(profile: &UserAccountProfile) -> Self {
        let fields = Field::ALL.map(|field| (field, value(profile, field).to_string())).to_vec();
        let version = profile.last_modified.clone();
        Self { name: profile.name.clone(), fields, version, mistakes: Vec::new() }
    }

    /// Reads what a browser sends, and notes what is wrong with it.
    pub fn read(form: &Form) -> Self {
        let fields =
            Field::ALL.map(|field| (field, form.get(field.name()).trim().to_owned())).to_vec();
        let mut mistakes = Vec::new();
        for (field, typed) in &fields {
            if let Err(mistake) = field::value(*field, typed) {
                mistakes.push((field.name().to_owned(), mistake));
            }
        }
        let (name, version) = (form.get("name").trim().to_owned(), form.get(VERSION).to_owned());
        Self { name, fields, version, mistakes }
    }

    /// Returns the number in a field; nothing where it is none.
    pub fn number(&self, field: Field) -> Option<u32> {
        let typed = self.fields.iter().find(|(other, _)| *other == field);
        typed.and_then(|(_, typed)| field::value(field, typed).ok())
    }

    /// Returns the fields that differ from a profile, with both values.
    pub fn changes(&self, profile: &UserAccountProfile) -> Vec<(Field, u32, u32)> {
        let changed = |field: Field| {
            let (now, wanted) = (value(profile, field), self.number(field)?);
            (now != wanted).then_some((field, now, wanted))
        };
        Field::ALL.into_iter().filter_map(changed).collect()
    }

    /// Returns all values as the API takes them for a new profile.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        for field in Field::ALL {
            body.insert(field.name().to_owned(), json!(self.number(field)));
        }
        Value::Object(body)
    }

    /// Returns the changes as the API takes them.
    pub fn patch(&self, profile: &UserAccountProfile) -> Value {
        let mut body = Map::new();
        for (field, _, wanted) in self.changes(profile) {
            body.insert(field.name().to_owned(), json!(wanted));
        }
        body.insert(VERSION.to_owned(), json!(self.version));
        json!({ "replace": body })
    }

    /// What was typed, as fields that are not seen.
    pub fn hidden(&self) -> Markup {
        html! {
            (hidden(VERSION, &self.version))
            @for (field, typed) in &self.fields { (hidden(field.name(), typed)) }
        }
    }

    /// The fields of the form; beside each what another user has made of it meanwhile.
    pub fn inputs(&self, now: Option<&UserAccountProfile>) -> Markup {
        html! {
            (hidden(VERSION, &self.version))
            @for (field, typed) in &self.fields {
                @let name = field.name();
                @let mistake = self.mistake(name);
                @let current = now.map(|now| value(now, *field).to_string()).filter(|now| now != typed);
                @let described = described(name, mistake.is_some(), current.is_some());
                p.field {
                    label for=(name) { (name) }
                    input id=(name) name=(name) value=(typed) inputmode="numeric" required
                        autocomplete="off" aria-describedby=(described)
                        aria-invalid=[mistake.map(|_| "true")];
                    span.help id={ (name) "-help" } { (field.help()) ". A whole number from 0 to " (u32::MAX) "." }
                    @if let Some(mistake) = mistake {
                        span.mistake id={ (name) "-mistake" } { (mistake) }
                    }
                    @if let Some(current) = current {
                        span.now id={ (name) "-now" } { "Somebody has set it to " strong { (current) } "." }
                    }
                }
            }
        }
    }

    /// Returns what is wrong with a field.
    pub fn mistake(&self, name: &str) -> Option<&str> {
        self.mistakes.iter().find(|(field, _)| field == name).map(|(_, mistake)| mistake.as_str())
    }
}

fn described(name: &str, is_wrong: bool, has_changed: bool) -> String {
    let mut ids = format!("{name}-help");
    if is_wrong {
        ids.push_str(&format!(" {name}-mistake"));
    }
    if has_changed {
        ids.push_str(&format!(" {name}-now"));
    }
    ids
}

#[cfg(test)]
mod tests {
    use session_limit_core::model::profile::Profile;

    use super::*;

    fn profile() -> UserAccountProfile {
        UserAccountProfile::new(&Profile::built_in("p"))
    }

    #[test]
    fn only_what_differs_is_sent() {
        let mut typed = Typed::of(&profile());
        assert_eq!(typed.changes(&profile()), []);
        for (field, text) in &mut typed.fields {
            if *field == Field::MaxConcurrentSessions {
                *text = "7".to_owned();
            }
        }
        let sent = typed.patch(&profile());
        let replaced = json!({"max_concurrent_sessions": 7, VERSION: profile().last_modified});
        assert_eq!(sent, json!({ "replace": replaced }));
    }

    #[test]
    fn what_is_wrong_is_shown_beside_the_field() {
        let form = Form(vec![("max_concurrent_sessions".to_owned(), "<b>".to_owned())]);
        let typed = Typed::read(&form);
        assert!(typed.mistake("max_concurrent_sessions").unwrap().contains("whole number"));
        let shown = typed.inputs(None).into_string();
        assert!(shown.contains("aria-invalid=\"true\"") && !shown.contains("<b>"), "{shown}");
    }
}
