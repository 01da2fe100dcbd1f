//! Completion by Tab: what may stand where the cursor is. Pure; names come from a lookup.

use crate::language::grammar::{
    self, ArgumentKind, Mode, Next, ON_LIMIT, ObjectKind, PROFILE_REF, SyntaxElement,
};
use crate::language::lexer::{quote, split};
use session_limit_admin::config::field::Field;
use session_limit_admin::config::object::ON_LIMIT_HELP;
use session_limit_core::model::policy::OnLimit;

/// One way to go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The word as it is typed.
    pub word: String,
    /// What it is for; empty for names.
    pub help: String,
}

/// Returns where the unfinished word before the cursor begins, and the words it may become.
///
/// `names` looks up the names of a kind of thing.
pub fn complete(
    mode: Mode,
    before_cursor: &str,
    names: impl Fn(ArgumentKind) -> Vec<String>,
) -> (usize, Vec<Candidate>) {
    let start = before_cursor.rfind(char::is_whitespace).map_or(0, |at| {
        at + before_cursor.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let (done, partial) = before_cursor.split_at(start);
    // Inside quotes, or behind a |, there is nothing to offer.
    let Ok(line) = split(done) else { return (start, Vec::new()) };
    if done.contains('|') {
        return (start, Vec::new());
    }
    let mut candidates: Vec<Candidate> = grammar::expected(mode, &line.words)
        .into_iter()
        .flat_map(|(next, help)| ways(next, help, &line.words, &names))
        .filter(|candidate| candidate.word.starts_with(partial))
        .collect();
    candidates.dedup_by(|later, earlier| {
        let same = later.word == earlier.word;
        if same {
            // `show` begins several commands: the help of none of them is its own.
            let help = grammar::first_word_help(&line.words, &earlier.word);
            earlier.help = help.unwrap_or_default().to_owned();
        }
        same
    });
    (start, candidates)
}

fn ways(
    next: Next,
    help: &str,
    words: &[String],
    names: &impl Fn(ArgumentKind) -> Vec<String>,
) -> Vec<Candidate> {
    let plain = |word: &str| Candidate { word: word.to_owned(), help: String::new() };
    let named = |noun| names(noun).iter().map(|name| plain(&quote(name))).collect();
    match next {
        Next::End => Vec::new(),
        Next::SyntaxElement(SyntaxElement::Word(word)) => {
            vec![Candidate { word: word.to_owned(), help: help.to_owned() }]
        }
        Next::SyntaxElement(
            SyntaxElement::One(noun) | SyntaxElement::Maybe(noun) | SyntaxElement::Many(noun),
        ) => match noun {
            ArgumentKind::Profile
            | ArgumentKind::User
            | ArgumentKind::Group
            | ArgumentKind::Session
            | ArgumentKind::Service => named(noun),
            ArgumentKind::Field => fields(),
            ArgumentKind::OnLimit => on_limit_words(),
            ArgumentKind::Assignments => assignment(words, named),
            ArgumentKind::Files => vec![plain("--apply")],
            ArgumentKind::Value | ArgumentKind::Command => Vec::new(),
        },
    }
}

/// Behind `configure KIND NAME`: a field, then its value, and so on.
fn assignment(words: &[String], named: impl Fn(ArgumentKind) -> Vec<Candidate>) -> Vec<Candidate> {
    let is_profile = words.get(1).is_some_and(|word| word == ObjectKind::Profile.word());
    match (words.get(3..).unwrap_or_default(), is_profile) {
        ([.., last], true) if last == "no" => fields(),
        (given, true) if given.len() % 2 == 0 => fields(),
        (given, false) if given.len() % 2 == 0 => {
            vec![Candidate { word: PROFILE_REF.to_owned(), help: String::new() }]
        }
        ([.., last], true) if last == ON_LIMIT => on_limit_words(),
        (_, true) => Vec::new(),
        (_, false) => named(ArgumentKind::Profile),
    }
}

fn fields() -> Vec<Candidate> {
    let numbers = Field::ALL.map(|field| (field.name(), field.help()));
    let all = numbers.into_iter().chain([(ON_LIMIT, ON_LIMIT_HELP)]);
    all.map(|(word, help)| Candidate { word: word.to_owned(), help: help.to_owned() }).collect()
}

fn on_limit_words() -> Vec<Candidate> {
    let words = OnLimit::WORDS.map(|(word, _)| word.to_owned());
    words.map(|word| Candidate { word, help: String::new() }).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(mode: Mode, line: &str) -> Vec<String> {
        let names = |noun| match noun {
            ArgumentKind::Profile => vec!["Contractors".to_owned(), "No Lockout".to_owned()],
            ArgumentKind::User => vec!["alice".to_owned()],
            ArgumentKind::Session => vec!["17".to_owned()],
            _ => Vec::new(),
        };
        complete(mode, line, names).1.into_iter().map(|candidate| candidate.word).collect()
    }

    #[test]
    fn commands_names_and_fields_are_completed() {
        let top = |line| words(Mode::Top, line);
        assert_eq!(top("sh"), ["show"]);
        assert_eq!(top("sh u"), ["useraccountprofile", "user", "useractivity"]);
        assert_eq!(top("watch show session a"), ["alice"]);
        assert_eq!(top("show u"), ["useraccountprofile", "user", "useractivity"]);
        assert_eq!(top("show useraccountprofile C"), ["Contractors"]);
        assert_eq!(top("show useraccountprofile "), ["Contractors", "\"No Lockout\""]);
        assert_eq!(top("clear session "), ["17"]);
        assert_eq!(top("clear session 1"), ["17"]);
        assert_eq!(top("configure useraccountprofile X max_c"), ["max_concurrent_sessions"]);
        assert_eq!(top("configure useraccountprofile X max_concurrent_sessions "), [""; 0]);
        assert_eq!(top("configure useraccountprofile X on"), ["on_limit"]);
        assert_eq!(top("configure useraccountprofile X on_limit e"), ["evict-oldest"]);
        assert_eq!(top("configure user alice user_profile_ref C"), ["Contractors"]);
        assert_eq!(top("help cl"), ["clear"]);
        assert_eq!(top("delete useraccountprofile Contractors "), [""; 0]);
        assert_eq!(top("nonsense "), [""; 0]);
        assert_eq!(top("show user 'a"), [""; 0]);
        assert_eq!(top("show user | gr"), [""; 0]);
    }

    #[test]
    fn the_sub_mode_has_words_of_its_own() {
        let inside = |line| words(Mode::Configure(ObjectKind::Profile), line);
        assert_eq!(inside("no max_l"), ["max_login_failure_count"]);
        assert_eq!(inside("on_limit l"), ["log"]);
        assert_eq!(inside("no on"), ["on_limit"]);
        assert_eq!(inside("do show useractivity a"), ["alice"]);
        assert_eq!(inside("s"), ["save"]);
        assert_eq!(words(Mode::Configure(ObjectKind::User), "user_profile_ref C"), ["Contractors"]);
    }

    #[test]
    fn each_field_comes_with_its_help() {
        let (start, candidates) =
            complete(Mode::Configure(ObjectKind::Profile), "  account", |_| Vec::new());
        assert_eq!(start, 2);
        assert_eq!(candidates[0].help, "minutes a lock lasts, 0 = until unlocked");
    }

    #[test]
    fn every_word_at_the_prompt_has_a_line_of_help() {
        for mode in [Mode::Top, Mode::Configure(ObjectKind::Profile)] {
            for candidate in complete(mode, "", |_| Vec::new()).1 {
                assert_ne!(candidate.help, "", "{}", candidate.word);
            }
        }
    }
}
