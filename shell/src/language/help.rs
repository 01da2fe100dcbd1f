//! The help of the commands, made from their forms.

use serde::Serialize;

use crate::language::grammar::{CommandSyntax, Mode, TOP, forms_in, is_for_administrators};
use crate::language::parse;
use crate::output::response::Response;
use crate::output::table::printable;

/// One line of help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HelpRow {
    /// The form of the command.
    pub command: String,
    /// What it does.
    pub help: &'static str,
}

/// Returns the help for the commands that begin with `words`, or for all of a mode.
///
/// `administers` says whether the reader may use what is for administrators only.
#[must_use]
pub fn help(mode: Mode, words: &[String], administers: bool) -> Response {
    let rows = match mode {
        Mode::Top => rows(TOP, words, administers),
        Mode::Configure(kind) => rows(forms_in(kind), words, administers),
    };
    let text = if rows.is_empty() {
        format!("No command begins with `{}`.\n", printable(&words.join(" ")))
    } else {
        let width = rows.iter().map(|row| row.command.len()).max().unwrap_or(0);
        rows.iter().map(|row| format!("  {:width$}  {}\n", row.command, row.help)).collect()
    };
    Response::new("help", &rows, text)
}

fn rows<T>(forms: &[CommandSyntax<T>], words: &[String], administers: bool) -> Vec<HelpRow> {
    parse::beginning_with(forms, words)
        .into_iter()
        .filter(|form| administers || !is_for_administrators(form.slots))
        .map(|form| HelpRow { command: form.usage(), help: form.help })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::grammar::ObjectKind;

    #[test]
    fn help_can_be_asked_for_one_command() {
        let words = ["clear".to_owned()];
        assert_eq!(
            help(Mode::Top, &words, true).text(),
            "  clear session ID       end one session\n  \
             clear sessions [USER]  end a user's sessions, your own others by default\n"
        );
        let nothing = ["x\u{1b}".to_owned()];
        assert_eq!(help(Mode::Top, &nothing, true).text(), "No command begins with `x\\u{1b}`.\n");
    }

    #[test]
    fn the_last_word_may_be_a_part_of_one() {
        let commands = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            rows(TOP, &words, true).into_iter().map(|row| row.command).collect::<Vec<_>>()
        };
        assert_eq!(commands("cl"), commands("clear"));
        assert_eq!(commands("show user"), ["show user [USER]"]);
        assert_eq!(commands("sh useract"), ["show useractivity [USER]"]);
        assert_eq!(commands("no-such"), [""; 0]);
    }

    #[test]
    fn every_line_fits_a_terminal() {
        for mode in
            [Mode::Top, Mode::Configure(ObjectKind::Profile), Mode::Configure(ObjectKind::User)]
        {
            for line in help(mode, &[], true).text().lines() {
                assert!(line.len() <= 120, "{line}");
            }
        }
    }
}
