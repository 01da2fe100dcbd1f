//! What an answer goes through after `|`: `grep`, `wc` and `more`.

/// The filters as they are typed.
pub(crate) const FORMS: [&str; 3] = ["grep [-i] [-v] TEXT", "wc [-l]", "more"];

/// The filters of one line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline(pub(crate) Vec<Filter>);

/// One filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `grep [-i] [-v] TEXT`: keeps the lines that hold a fixed text.
    Grep {
        /// The text looked for, not a pattern.
        text: String,
        /// `-i`: capital and small letters are the same.
        any_case: bool,
        /// `-v`: keep the lines that do not hold it.
        invert: bool,
    },
    /// `wc [-l]`: counts lines, words and bytes, or lines only.
    Count {
        /// `-l`
        lines_only: bool,
    },
    /// `more`: on a terminal, page by page.
    Page,
}

impl Pipeline {
    /// Returns what is left of `text`.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, filter| filter.apply(&text))
    }

    /// Returns whether the answer is shown page by page.
    #[must_use]
    pub fn pages(&self) -> bool {
        self.0.contains(&Filter::Page)
    }
}

impl Filter {
    /// Reads the words after a `|`; nothing where they are no filter.
    pub(crate) fn parse(words: &[String]) -> Option<Self> {
        let (name, arguments) = words.split_first()?;
        match (name.as_str(), arguments) {
            ("grep", arguments) => Self::parse_grep(arguments),
            ("wc", []) => Some(Self::Count { lines_only: false }),
            ("wc", [option]) if option == "-l" => Some(Self::Count { lines_only: true }),
            ("more", []) => Some(Self::Page),
            _ => None,
        }
    }

    fn parse_grep(mut rest: &[String]) -> Option<Self> {
        let (mut any_case, mut invert) = (false, false);
        while let [option, after @ ..] = rest {
            match option.as_str() {
                "-i" => any_case = true,
                "-v" => invert = true,
                "-iv" | "-vi" => (any_case, invert) = (true, true),
                _ => break,
            }
            rest = after;
        }
        match rest {
            [text] => Some(Self::Grep { text: text.clone(), any_case, invert }),
            _ => None,
        }
    }

    fn apply(&self, text: &str) -> String {
        match self {
            Self::Grep { text: wanted, any_case, invert } => {
                let fold =
                    |text: &str| if *any_case { text.to_lowercase() } else { text.to_owned() };
                let wanted = fold(wanted);
                text.lines()
                    .filter(|line| fold(line).contains(&wanted) != *invert)
                    .fold(String::new(), |kept, line| kept + line + "\n")
            }
            Self::Count { lines_only: true } => format!("{}\n", text.lines().count()),
            Self::Count { lines_only: false } => format!(
                "{:7} {:7} {:7}\n",
                text.lines().count(),
                text.split_whitespace().count(),
                text.len()
            ),
            Self::Page => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::language::lexer::split;

    #[test]
    fn grep_keeps_or_drops_lines() {
        let text = "| name | Alice |\n| uid | 1000 |\n";
        let run = |line: &str| split(line).unwrap().pipeline.apply(text);
        assert_eq!(run("show x | grep Alice"), "| name | Alice |\n");
        assert_eq!(run("show x|grep -i ALICE"), "| name | Alice |\n");
        assert_eq!(run("show x | grep -v -i ALICE"), "| uid | 1000 |\n");
        assert_eq!(run("show x | grep 'e | A'"), "| name | Alice |\n");
    }

    #[test]
    fn filters_follow_each_other() {
        let text = "a b\nb c\nc\n";
        let run = |line: &str| split(line).unwrap().pipeline.apply(text);
        assert_eq!(run("show x | grep b | grep -v a"), "b c\n");
        assert_eq!(run("show x | grep b | wc -l"), "2\n");
        assert_eq!(run("show x | wc"), "      3       5      10\n");
        assert_eq!(run("show x | more"), text);
        assert!(split("show x | grep a | more").unwrap().pipeline.pages());
    }
}
