//! Tables in the looks of the original product: `+---+` borders, left aligned, one space of padding.

use unicode_width::UnicodeWidthStr;

/// A table: one header row and the rows below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Makes a table without rows.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        Self { header: header.iter().map(|&cell| printable(cell)).collect(), rows: Vec::new() }
    }

    /// Makes the two-column table of one object.
    pub fn of_fields<N: AsRef<str>>(fields: impl IntoIterator<Item = (N, String)>) -> Self {
        let mut table = Self::new(&["Field", "Value"]);
        for (name, value) in fields {
            table.row([name.as_ref().to_owned(), value]);
        }
        table
    }

    /// Adds a row; control characters in the cells are shown escaped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.header.len()];
        for row in self.rows.iter().chain([&self.header]) {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let widths = self.widths();
        let border: String =
            widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
        let line = |row: &[String]| -> String {
            let cells = row.iter().zip(&widths);
            cells
                .map(|(cell, width)| {
                    format!("| {cell}{} ", " ".repeat(width.saturating_sub(cell.width())))
                })
                .collect()
        };
        writeln!(f, "{border}+")?;
        writeln!(f, "{}|", line(&self.header))?;
        writeln!(f, "{border}+")?;
        for row in &self.rows {
            writeln!(f, "{}|", line(row))?;
        }
        if !self.rows.is_empty() {
            writeln!(f, "{border}+")?;
        }
        Ok(())
    }
}

/// Returns text from outside in a form that cannot steer a terminal.
///
/// Names, terminals and remote hosts come from the user who logs in.
#[must_use]
pub fn printable(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if !text.chars().any(hidden) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if hidden(c) { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_as_wide_as_the_widest() {
        let mut table = Table::new(&["a", "long header"]);
        table.row(["wide cell".to_owned(), "b".to_owned()]);
        table.row(["日本".to_owned(), String::new()]);
        assert_eq!(
            table.to_string(),
            "\
+-----------+-------------+
| a         | long header |
+-----------+-------------+
| wide cell | b           |
| 日本      |             |
+-----------+-------------+
"
        );
    }

    #[test]
    fn no_rows_leave_the_header() {
        assert_eq!(Table::new(&["id"]).to_string(), "+----+\n| id |\n+----+\n");
    }

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\u{202e}b\n"), "a\\u{1b}[2J\\u{202e}b\\n");
        assert_eq!(printable("zoë 日本"), "zoë 日本");
    }
}
