//! The form of a profile: what was typed, what is wrong with it, and what it would change.

use maud::{Markup, html};
use serde_json::{Map, Value, json};
use session_limit_admin::api::objects::UserAccountProfile;
use session_limit_admin::config::field::{self, Field};
use session_limit_admin::config::object::ON_LIMIT;
use session_limit_core::model::policy::OnLimit;

use crate::console::parts::Form;
use crate::console::parts::page::hidden;

/// What stands for a profile that leaves `on_limit` to the policy.
const POLICY: &str = "as the policy says";

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
    /// The name.
    pub name: String,
    /// What happens at the limit; empty where the policy says it.
    pub on_limit: String,
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
        let on_limit = profile.on_limit.clone().unwrap_or_default();
        let (name, version) = (profile.name.clone(), profile.last_modified.clone());
        Self { name, on_limit, fields, version, mistakes: Vec::new() }
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
        let text = |name| form.get(name).trim().to_owned();
        let (name, on_limit, version) = (text("name"), text(ON_LIMIT), text(VERSION));
        Self { name, on_limit, fields, version, mistakes }
    }

    /// Returns the number in a field; nothing where it is none.
    pub fn number(&self, field: Field) -> Option<u32> {
        let typed = self.fields.iter().find(|(other, _)| *other == field);
        typed.and_then(|(_, typed)| field::value(field, typed).ok())
    }

    /// Returns what differs from a profile: field, value now, value wanted.
    pub fn changes(&self, profile: &UserAccountProfile) -> Vec<(&'static str, String, String)> {
        let before = Self::of(profile);
        let mut changes = Vec::new();
        let mut compare = |name, now: &str, wanted: &str| {
            if now != wanted {
                changes.push((name, now.to_owned(), wanted.to_owned()));
            }
        };
        compare("name", &before.name, &self.name);
        for field in Field::ALL {
            let of = |typed: &Self| typed.number(field).map_or_else(String::new, |n| n.to_string());
            compare(field.name(), &of(&before), &of(self));
        }
        compare(ON_LIMIT, shown(&before.on_limit), shown(&self.on_limit));
        changes
    }

    /// Returns all values as the API takes them for a new profile.
    pub fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(self.name));
        body.insert(ON_LIMIT.to_owned(), self.on_limit());
        for field in Field::ALL {
            body.insert(field.name().to_owned(), json!(self.number(field)));
        }
        Value::Object(body)
    }

    /// Returns the changes as the API takes them.
    pub fn patch(&self, profile: &UserAccountProfile) -> Value {
        let mut body = Map::new();
        for (name, _, _) in self.changes(profile) {
            let value = match name.parse::<Field>() {
                Ok(field) => json!(self.number(field)),
                Err(()) if name == ON_LIMIT => self.on_limit(),
                Err(()) => json!(self.name),
            };
            body.insert(name.to_owned(), value);
        }
        body.insert(VERSION.to_owned(), json!(self.version));
        json!({ "replace": body })
    }

    /// Returns what happens at the limit, as the API takes it.
    fn on_limit(&self) -> Value {
        if self.on_limit.is_empty() { Value::Null } else { json!(self.on_limit) }
    }

    /// What was typed, as fields that are not seen.
    pub fn hidden(&self) -> Markup {
        html! {
            (hidden(VERSION, &self.version))
            (hidden("name", &self.name))
            (hidden(ON_LIMIT, &self.on_limit))
            @for (field, typed) in &self.fields { (hidden(field.name(), typed)) }
        }
    }

    /// The fields of the form; beside each what another user has made of it meanwhile.
    pub fn inputs(&self, now: Option<&UserAccountProfile>) -> Markup {
        let now = now.map(Self::of);
        let name = Row {
            name: "name",
            help: "What users and groups refer to; it is not used twice.".to_owned(),
            mistake: self.mistake("name"),
            now: now.as_ref().map(|now| now.name.clone()).filter(|now| *now != self.name),
        };
        let on_limit = Row {
            name: ON_LIMIT,
            help: "What happens to a login at the limit.".to_owned(),
            mistake: self.mistake(ON_LIMIT),
            now: now
                .as_ref()
                .filter(|now| now.on_limit != self.on_limit)
                .map(|now| shown(&now.on_limit).to_owned()),
        };
        html! {
            (hidden(VERSION, &self.version))
            (name.render(&html! {
                input #name name="name" value=(self.name) required autocomplete="off" maxlength="256"
                    aria-describedby=(name.described()) aria-invalid=[name.mistake.map(|_| "true")];
            }))
            @for (field, typed) in &self.fields {
                @let now = now.as_ref().and_then(|now| now.number(*field)).map(|now| now.to_string());
                @let row = Row {
                    name: field.name(),
                    help: format!("{}. A whole number from 0 to {}.", field.help(), u32::MAX),
                    mistake: self.mistake(field.name()),
                    now: now.filter(|now| now != typed),
                };
                (row.render(&html! {
                    input id=(field.name()) name=(field.name()) value=(typed) inputmode="numeric" required
                        autocomplete="off" aria-describedby=(row.described())
                        aria-invalid=[row.mistake.map(|_| "true")];
                }))
            }
            (on_limit.render(&html! {
                select id=(ON_LIMIT) name=(ON_LIMIT) aria-describedby=(on_limit.described()) {
                    option value="" selected[self.on_limit.is_empty()] { (POLICY) }
                    @for (word, _) in OnLimit::WORDS {
                        option value=(word) selected[self.on_limit == word] { (word) ": " (meaning(word)) }
                    }
                }
            }))
        }
    }

    /// Returns what is wrong with a field.
    pub fn mistake(&self, name: &str) -> Option<&str> {
        self.mistakes.iter().find(|(field, _)| field == name).map(|(_, mistake)| mistake.as_str())
    }
}

/// What is around the input of a field.
struct Row<'a> {
    name: &'static str,
    help: String,
    mistake: Option<&'a str>,
    /// What another user has made of it.
    now: Option<String>,
}

impl Row<'_> {
    fn render(&self, input: &Markup) -> Markup {
        html! {
            div.field {
                label for=(self.name) { (self.name) }
                (input)
                span.help id={ (self.name) "-help" } { (self.help) }
                @if let Some(mistake) = self.mistake {
                    span.mistake id={ (self.name) "-mistake" } { (mistake) }
                }
                @if let Some(now) = &self.now {
                    span.now id={ (self.name) "-now" } { "Somebody has set it to " strong { (now) } "." }
                }
            }
        }
    }

    /// Returns the ids of what describes the input.
    fn described(&self) -> String {
        let mut ids = format!("{}-help", self.name);
        if self.mistake.is_some() {
            ids.push_str(&format!(" {}-mistake", self.name));
        }
        if self.now.is_some() {
            ids.push_str(&format!(" {}-now", self.name));
        }
        ids
    }
}

/// Returns how a value of `on_limit` is shown.
pub fn shown(on_limit: &str) -> &str {
    if on_limit.is_empty() { POLICY } else { on_limit }
}

fn meaning(word: &str) -> &'static str {
    match word {
        "reject" => "the login is refused",
        "ask" => "the user chooses which session ends",
        "evict-oldest" => "the oldest session ends",
        "log" => "the login is let in, and logged",
        _ => "",
    }
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
        typed.on_limit = "ask".to_owned();
        typed.name = "q".to_owned();
        let sent = typed.patch(&profile());
        let replaced = json!({
            "name": "q", "max_concurrent_sessions": 7, "on_limit": "ask", VERSION: profile().last_modified
        });
        assert_eq!(sent, json!({ "replace": replaced }));
    }

    #[test]
    fn each_choice_at_the_limit_has_a_meaning() {
        for (word, _) in OnLimit::WORDS {
            assert_ne!(meaning(word), "", "{word}");
        }
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
