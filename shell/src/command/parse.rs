//! Words → a command, by the forms of the grammar; and what may follow words.

use std::collections::BTreeSet;

use session_limit_admin::object::ObjectKind;

use super::grammar::{Command, Mode, SubCommand, TOP, forms_in};
use super::syntax::{CommandSyntax, Next, SyntaxElement};

use SyntaxElement::{Many, Maybe, Word};

/// Parses words typed at the top.
///
/// A word of the grammar may be abbreviated as long as only one word begins so; a `?` at the end
/// asks for the help of what is before it.
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn command(words: &[String]) -> Result<Command, String> {
    match before_question_mark(words) {
        Some(before) => Ok(Command::Help(before.to_vec())),
        None => parse(TOP, words),
    }
}

/// Parses words typed inside `configure`; see [`command`].
///
/// # Errors
/// One line: what does not fit and what was expected.
pub fn sub_command(kind: ObjectKind, words: &[String]) -> Result<SubCommand, String> {
    match before_question_mark(words) {
        Some(before) => Ok(SubCommand::Help(before.to_vec())),
        None => parse(forms_in(kind), words),
    }
}

/// Returns what may follow `words`, with the help of each; empty where they do not fit.
#[must_use]
pub fn expected(mode: Mode, words: &[String]) -> Vec<(Next, &'static str)> {
    let words = &match mode {
        Mode::Top => expand(TOP, words),
        Mode::Configure(kind) => expand(forms_in(kind), words),
    }
    .unwrap_or_else(|_| words.to_vec());
    match (mode, words.as_slice()) {
        (_, [first, rest @ ..]) if (first == "do" || first == "watch") && !rest.is_empty() => {
            let rest = &expand(TOP, rest).unwrap_or_else(|_| rest.to_vec());
            let mut after = nexts(TOP, rest);
            after.retain(|_| rest.first().is_some_and(|word| word == "show"));
            after
        }
        (Mode::Configure(kind), _) => nexts(forms_in(kind), words),
        (Mode::Top, [help, rest @ ..]) if help == "help" || help == "?" => nexts(TOP, rest),
        (Mode::Top, _) => nexts(TOP, words),
    }
}

/// Returns the forms that begin with `words`; the last word may be a part of one.
pub(super) fn beginning_with<'a, T>(
    forms: &'a [CommandSyntax<T>],
    words: &[String],
) -> Vec<&'a CommandSyntax<T>> {
    let (done, partial) = match words.split_last() {
        Some((last, done)) => (done, last.as_str()),
        None => (words, ""),
    };
    let done = expand(forms, done).unwrap_or_else(|_| done.to_vec());
    let continues = |form: &CommandSyntax<T>| match form.next_slot(&done) {
        Some(Next::SyntaxElement(Word(word))) => word.starts_with(partial),
        Some(Next::SyntaxElement(_)) => true,
        Some(Next::End) => words.is_empty(),
        None => false,
    };
    let is_whole = |form: &CommandSyntax<T>| form.next_slot(words).is_some();
    let fitting: Vec<_> = forms.iter().filter(|form| is_whole(form)).collect();
    // `help show user` is about `show user`, not about `show useractivity`.
    if fitting.is_empty() { forms.iter().filter(|form| continues(form)).collect() } else { fitting }
}

fn before_question_mark(words: &[String]) -> Option<&[String]> {
    match words.split_last() {
        Some((last, before)) if last == "?" && !before.is_empty() => Some(before),
        _ => None,
    }
}

fn nexts<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Vec<(Next, &'static str)> {
    forms.iter().filter_map(|form| form.next_slot(words).map(|next| (next, form.help))).collect()
}

/// Returns the words with each abbreviated word of the grammar written out.
fn expand<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Result<Vec<String>, String> {
    let mut whole: Vec<String> = Vec::new();
    for word in words {
        let known: BTreeSet<&str> = nexts(forms, &whole)
            .into_iter()
            .filter_map(|(next, _)| match next {
                Next::SyntaxElement(Word(known)) if known.starts_with(word.as_str()) => Some(known),
                _ => None,
            })
            .collect();
        let mut candidates = known.iter();
        match (candidates.next(), candidates.next()) {
            (Some(only), None) if !word.is_empty() => whole.push((*only).to_owned()),
            (Some(_), Some(_)) if !word.is_empty() && !known.contains(word.as_str()) => {
                let list: Vec<&str> = known.into_iter().collect();
                return Err(format!("`{word}` is ambiguous, expected one of: {}", list.join(", ")));
            }
            _ => whole.push(word.clone()),
        }
    }
    Ok(whole)
}

fn parse<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Result<T, String> {
    let words = &expand(forms, words)?;
    for form in forms {
        let complete = matches!(
            form.next_slot(words),
            Some(Next::End | Next::SyntaxElement(Maybe(_) | Many(_)))
        );
        if complete {
            return (form.make)(&form.arguments(words));
        }
    }
    Err(misfit(forms, words))
}

/// Says which word does not fit and what was expected in its place.
fn misfit<T>(forms: &[CommandSyntax<T>], words: &[String]) -> String {
    let fitting = |n: usize| nexts(forms, words.get(..n).unwrap_or_default());
    let fits = (0..=words.len()).rev().find(|&n| !fitting(n).is_empty()).unwrap_or(0);
    let mut expected: Vec<String> = Vec::new();
    for (next, _) in fitting(fits) {
        let text = match next {
            Next::SyntaxElement(slot) => slot.to_string(),
            Next::End => "nothing more".to_owned(),
        };
        if !expected.contains(&text) {
            expected.push(text);
        }
    }
    let expected = match expected.as_slice() {
        [one] => one.clone(),
        several => format!("one of: {}", several.join(", ")),
    };
    let before = words.get(..fits).unwrap_or_default().join(" ");
    match words.get(fits) {
        Some(word) if before.is_empty() => format!("unknown command `{word}`, expected {expected}"),
        Some(word) => format!("`{word}` after `{before}`, expected {expected}"),
        None => format!("`{before}` is not complete, expected {expected}"),
    }
}
