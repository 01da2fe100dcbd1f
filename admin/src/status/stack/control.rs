//! What a line of a stack does with each result of its module (pam.conf(5)).

use std::collections::BTreeMap;

/// What libpam does with a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The result plays no role.
    Ignore,
    /// It becomes the result of the stack, unless an earlier one failed.
    Ok,
    /// As `Ok`, and the stack, or the substack, ends.
    Done,
    /// The stack fails, and goes on.
    Bad,
    /// As `Bad`, and the stack, or the substack, ends.
    Die,
    /// All results so far are forgotten.
    Reset,
    /// So many lines are skipped.
    Jump(usize),
}

/// The second field of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    actions: BTreeMap<String, Action>,
    default: Action,
}

/// What the second field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlField {
    /// The line calls a module.
    Module(Control),
    /// The lines of another file stand here.
    Include,
    /// As `Include`, but `done` and `die` end those lines only.
    Substack,
}

impl ControlField {
    /// Reads the field; keywords are read whatever their case, and libpam takes a text that it does not
    /// understand for one that fails on every result.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let passing = |action| {
            BTreeMap::from([
                ("success".to_owned(), action),
                ("new_authtok_reqd".to_owned(), action),
            ])
        };
        let ignoring = || {
            let mut actions = passing(Action::Ok);
            actions.insert("ignore".to_owned(), Action::Ignore);
            actions
        };
        let (actions, default) = match text.to_ascii_lowercase().as_str() {
            "include" => return Self::Include,
            "substack" => return Self::Substack,
            "required" => (ignoring(), Action::Bad),
            "requisite" => (ignoring(), Action::Die),
            "optional" => (passing(Action::Ok), Action::Ignore),
            "sufficient" => (passing(Action::Done), Action::Ignore),
            _ => return Self::Module(Control::in_brackets(text)),
        };
        Self::Module(Control { actions, default })
    }
}

impl Control {
    /// What libpam makes of a line that it cannot use: the stack fails.
    #[must_use]
    pub fn failing() -> Self {
        Self { actions: BTreeMap::new(), default: Action::Bad }
    }

    /// Reads `[result=action …]`.
    fn in_brackets(text: &str) -> Self {
        let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let spaced = inside.unwrap_or_default().replace('=', " = ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut read = Self::failing();
        for triple in words.chunks(3) {
            let [result, "=", action] = triple else { return Self::failing() };
            let action = match *action {
                "ignore" => Action::Ignore,
                "ok" => Action::Ok,
                "done" => Action::Done,
                "bad" => Action::Bad,
                "die" => Action::Die,
                "reset" => Action::Reset,
                count => match count.parse() {
                    Ok(count @ 1..) => Action::Jump(count),
                    _ => return Self::failing(),
                },
            };
            if *result == "default" {
                read.default = action;
            } else {
                read.actions.insert((*result).to_owned(), action);
            }
        }
        read
    }

    /// Returns what is done with the result called so.
    #[must_use]
    pub fn action(&self, result: &str) -> Action {
        self.actions.get(result).copied().unwrap_or(self.default)
    }

    /// Returns the results that the line names.
    pub fn named_results(&self) -> impl Iterator<Item = &str> {
        self.actions.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(text: &str) -> Control {
        match ControlField::parse(text) {
            ControlField::Module(control) => control,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn keywords_are_short_for_brackets() {
        let requisite = control("ReQuisite");
        assert_eq!(requisite.action("success"), Action::Ok);
        assert_eq!(requisite.action("ignore"), Action::Ignore);
        assert_eq!(requisite.action("perm_denied"), Action::Die);
        assert_eq!(control("required").action("perm_denied"), Action::Bad);
        assert_eq!(control("optional").action("perm_denied"), Action::Ignore);
        assert_eq!(control("sufficient").action("new_authtok_reqd"), Action::Done);
        assert_eq!(ControlField::parse("include"), ControlField::Include);
        assert_eq!(ControlField::parse("substack"), ControlField::Substack);
    }

    #[test]
    fn brackets_name_results_and_the_rest_is_the_default() {
        let read = control("[success=2 new_authtok_reqd = done default=ignore]");
        assert_eq!(read.action("success"), Action::Jump(2));
        assert_eq!(read.action("new_authtok_reqd"), Action::Done);
        assert_eq!(read.action("auth_err"), Action::Ignore);
        assert_eq!(control("[success=ok]").action("auth_err"), Action::Bad);
    }

    #[test]
    fn what_cannot_be_read_fails_on_every_result() {
        for text in ["requird", "[success]", "[success=]", "[success=maybe]", "[success=0]", "["] {
            assert_eq!(control(text).action("success"), Action::Bad, "{text}");
        }
    }
}
