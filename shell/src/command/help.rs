//! The help of the commands, made from their forms.

use crate::command::grammar::{CommandSyntax, Mode, ObjectKind, TOP, forms_in};

/// Returns the help for the commands that begin with `words`, or for all of a mode.
#[must_use]
pub fn help(mode: Mode, words: &[String]) -> String {
    match mode {
        Mode::Top => list(TOP, words),
        Mode::Configure(kind) => list(forms_in(kind), words),
    }
}

fn list<T>(forms: &[CommandSyntax<T>], words: &[String]) -> String {
    let fitting: Vec<&CommandSyntax<T>> =
        forms.iter().filter(|form| form.next_slot(words).is_some()).collect();
    if fitting.is_empty() {
        return format!(
            "No command begins with `{}`.\n",
            crate::output::table::printable(&words.join(" "))
        );
    }
    let usages: Vec<String> = fitting.iter().map(|form| form.usage()).collect();
    let width = usages.iter().map(String::len).max().unwrap_or(0);
    let lines = usages.iter().zip(fitting);
    lines.map(|(usage, form)| format!("  {usage:width$}  {}\n", form.help)).collect()
}

/// Returns the help of every mode, for the page that lists all.
#[must_use]
pub fn everything() -> String {
    let [profile, user] =
        [ObjectKind::Profile, ObjectKind::User].map(|kind| help(Mode::Configure(kind), &[]));
    format!(
        "Commands:\n{}\nInside `configure useraccountprofile NAME`:\n{profile}\n\
         Inside `configure user NAME` and `configure group NAME`:\n{user}",
        help(Mode::Top, &[])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_can_be_asked_for_one_command() {
        let words = ["clear".to_owned()];
        assert_eq!(
            help(Mode::Top, &words),
            "  clear session ID       end one session\n  \
             clear sessions [USER]  end a user's sessions, your own others by default\n"
        );
        let nothing = ["x\u{1b}".to_owned()];
        assert_eq!(help(Mode::Top, &nothing), "No command begins with `x\\u{1b}`.\n");
    }

    #[test]
    fn every_line_fits_a_terminal() {
        for line in everything().lines() {
            assert!(line.len() <= 120, "{line}");
        }
    }
}
