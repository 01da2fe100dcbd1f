//! What the user is told and asked, through the application. Best effort: an application without a
//! conversation changes no verdict.
#![forbid(unsafe_code)]

use pam::constants::{PAM_ERROR_MSG, PAM_PROMPT_ECHO_ON, PAM_TEXT_INFO, PamMessageStyle};
use pam::conv::Conv;
use pam::module::PamHandle;
use session_limit_core::admission::{Answer, Question, WARNING, telling};

use crate::outcome::message_of;

/// How often a user is asked who answers with something else.
const TRIES: usize = 3;

/// Shows an error message.
pub fn show_error(handle: &PamHandle, text: &str) {
    let _ = converse(handle, PAM_ERROR_MSG, text);
}

/// Shows an informative message.
pub fn show_info(handle: &PamHandle, text: &str) {
    let _ = converse(handle, PAM_TEXT_INFO, text);
}

/// Asks which session shall be ended. No answer, or no way to ask, is none.
pub fn ask_which(handle: &PamHandle, service: &str, question: &Question) -> Answer {
    let prompt = prompt(question);
    let mut text = message_of(service, &lines(question, &prompt));
    for _ in 0..TRIES {
        let Some(reply) = converse(handle, PAM_PROMPT_ECHO_ON, &text) else {
            return Answer::Nothing;
        };
        if let Some(answer) = answer_of(&reply, question) {
            return answer;
        }
        text = format!("Not a choice. {prompt}");
    }
    Answer::Nothing
}

/// Returns what the user reads: the warning, a numbered line for each session, the prompt.
fn lines(question: &Question, prompt: &str) -> Vec<String> {
    let [first_line, _] = WARNING;
    let mut lines = vec![first_line.to_owned()];
    let numbered = (1..).zip(&question.choices);
    lines.extend(numbered.map(|(number, choice)| match question.elsewhere {
        None => format!("{number}: {}", choice.line),
        Some(_) => choice.line.clone(),
    }));
    lines.extend(telling::more(question.more));
    lines.extend(question.elsewhere.iter().flatten().cloned());
    lines.push(prompt.to_owned());
    lines
}

fn prompt(question: &Question) -> String {
    match question.choices.len() {
        _ if question.elsewhere.is_some() => {
            "Your sessions on all hosts must end (a = all, Enter = none): ".to_owned()
        }
        _ if !question.one_is_enough => {
            "More than one session must end (a = all, Enter = none): ".to_owned()
        }
        1 => "Session to end (1, Enter = none): ".to_owned(),
        last => format!("Session to end (1-{last}, a = all, Enter = none): "),
    }
}

/// Returns what a reply means; nothing where it is none of the choices.
fn answer_of(reply: &[u8], question: &Question) -> Option<Answer> {
    match reply.trim_ascii() {
        b"" => Some(Answer::Nothing),
        b"a" | b"A" => Some(Answer::All),
        [b'#', ..] => answer_by_number(reply, question),
        number if question.one_is_enough => {
            let number: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
            let choice = question.choices.get(number.checked_sub(1)?)?;
            Some(Answer::Session(choice.id))
        }
        _ => None,
    }
}

/// Returns what `#ID #ID …` means, which programs answer with: the numbers that `shell show session` prints.
/// Sessions that ended meanwhile are passed over.
fn answer_by_number(reply: &[u8], question: &Question) -> Option<Answer> {
    let mut chosen = Vec::new();
    for word in std::str::from_utf8(reply).ok()?.split_ascii_whitespace() {
        let id: i64 = word.strip_prefix('#')?.parse().ok()?;
        if question.open.contains(&id) {
            chosen.push(id);
        }
    }
    let first = *chosen.first()?;
    if question.one_is_enough {
        return Some(Answer::Session(first));
    }
    question.open.iter().all(|id| chosen.contains(id)).then_some(Answer::All)
}

fn converse(handle: &PamHandle, style: PamMessageStyle, text: &str) -> Option<Vec<u8>> {
    let conversation = handle.get_item::<Conv>().ok().flatten()?;
    let reply = conversation.send(style, text).ok().flatten()?;
    Some(reply.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use session_limit_core::admission::SessionChoice;

    use super::*;

    fn question(choices: i64, one_is_enough: bool) -> Question {
        let choice = |n| SessionChoice { id: 100 + n, line: format!("session {n}") };
        let choices: Vec<SessionChoice> = (1..=choices).map(choice).collect();
        let open = choices.iter().map(|choice| choice.id).collect();
        Question { choices, more: 0, open, one_is_enough, elsewhere: None }
    }

    #[test]
    fn over_a_fleet_all_sessions_are_chosen_or_none() {
        let elsewhere = Some(vec!["2 sessions on web2".to_owned()]);
        let asked = Question { open: Vec::new(), elsewhere, ..question(1, false) };
        let prompt = prompt(&asked);
        assert_eq!(prompt, "Your sessions on all hosts must end (a = all, Enter = none): ");
        let [warning, _] = WARNING;
        assert_eq!(lines(&asked, &prompt), [warning, "session 1", "2 sessions on web2", &prompt]);
        let answer = |reply: &[u8]| answer_of(reply, &asked);
        assert_eq!((answer(b"a"), answer(b"")), (Some(Answer::All), Some(Answer::Nothing)));
        assert_eq!((answer(b"1"), answer(b"#101")), (None, None));
    }

    #[test]
    fn a_reply_is_a_number_all_or_none() {
        let asked = question(3, true);
        for (reply, expected) in [
            ("", Some(Answer::Nothing)),
            ("  ", Some(Answer::Nothing)),
            ("a", Some(Answer::All)),
            (" A ", Some(Answer::All)),
            ("1", Some(Answer::Session(101))),
            (" 3 ", Some(Answer::Session(103))),
            ("0", None),
            ("4", None),
            ("-1", None),
            ("1 2", None),
            ("y", None),
            ("99999999999999999999999", None),
            ("#102", Some(Answer::Session(102))),
            (" #7 #103 ", Some(Answer::Session(103))),
            ("#2", None),
            ("#102 x", None),
            ("#", None),
            ("\u{661}", None),
        ] {
            assert_eq!(answer_of(reply.as_bytes(), &asked), expected, "{reply:?}");
        }
        assert_eq!(answer_of(b"\xff", &asked), None);
    }

    #[test]
    fn where_one_is_not_enough_only_all_can_be_chosen() {
        let asked = question(3, false);
        assert_eq!(answer_of(b"1", &asked), None);
        assert_eq!(answer_of(b"a", &asked), Some(Answer::All));
        assert_eq!(answer_of(b"", &asked), Some(Answer::Nothing));
        assert_eq!(answer_of(b"#101 #102", &asked), None);
        assert_eq!(answer_of(b"#103 #101 #102", &asked), Some(Answer::All));
    }

    #[test]
    fn the_prompt_names_the_choices() {
        assert_eq!(prompt(&question(1, true)), "Session to end (1, Enter = none): ");
        assert_eq!(prompt(&question(3, true)), "Session to end (1-3, a = all, Enter = none): ");
    }
}
