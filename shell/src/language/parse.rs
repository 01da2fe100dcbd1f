//! Words → a value, by a list of forms; abbreviations, and what was expected where no form fits.

use std::collections::BTreeSet;

use super::syntax::{CommandSyntax, Next, SyntaxElement};

use SyntaxElement::{Many, Maybe, Word};

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

/// Returns what may follow `words`, with the help of each form.
pub(super) fn nexts<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Vec<(Next, &'static str)> {
    forms.iter().filter_map(|form| form.next_slot(words).map(|next| (next, form.help))).collect()
}

/// Returns the words with each abbreviated word of the grammar written out.
pub(super) fn expand<T>(
    forms: &[CommandSyntax<T>],
    words: &[String],
) -> Result<Vec<String>, String> {
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

/// Returns what the first form that fits makes of the words.
pub(super) fn parse<T>(forms: &[CommandSyntax<T>], words: &[String]) -> Result<T, String> {
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
