//! Changes the text of the configuration and nothing else in it: every byte outside the changed
//! values and lines stays, comments above all.
//!
//! `toml_edit` says where each key and value is; the text is then spliced. So a comment that stood
//! above or behind something deleted is still there, as a comment.

use std::fmt;
use std::ops::Range;

use toml_edit::{ArrayOfTables, Document, Table, TomlError, Value};

use super::object::ObjectKind;

/// Why a change cannot be made.
#[derive(Debug)]
pub enum EditError {
    /// The text is not TOML.
    Syntax(TomlError),
    /// The objects are not written as `[[kind]]` tables.
    Inline(ObjectKind),
    /// There is no such object in the text.
    Absent(ObjectKind, String),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "{}", error.message()),
            Self::Inline(kind) => {
                let word = kind.word();
                write!(
                    f,
                    "`{word}` is written in one line, expected [[{word}]] tables; rewrite it by hand first"
                )
            }
            Self::Absent(kind, name) => write!(f, "the file has no {} `{name}`", kind.word()),
        }
    }
}

impl std::error::Error for EditError {}

/// The text of a configuration under change. It is TOML at all times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEditor {
    text: String,
}

/// Where one object stands in the text; lines include their line ends.
struct Place {
    header: Range<usize>,
    entries: Vec<Entry>,
}

/// Where one `key = value` stands in the text.
struct Entry {
    key: String,
    start: usize,
    value: Range<usize>,
}

impl ConfigEditor {
    /// Takes a text to change.
    ///
    /// # Errors
    /// [`EditError::Syntax`].
    pub fn new(text: String) -> Result<Self, EditError> {
        Document::parse(text.as_str()).map_err(EditError::Syntax)?;
        Ok(Self { text })
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the object stands in the text.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn has(&self, kind: ObjectKind, name: &str) -> Result<bool, EditError> {
        Ok(self.find(kind, name)?.is_some())
    }

    /// Returns whether the object has `key`.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn has_key(&self, kind: ObjectKind, name: &str, key: &str) -> Result<bool, EditError> {
        let place = self.find(kind, name)?;
        Ok(place.is_some_and(|place| place.entries.iter().any(|entry| entry.key == key)))
    }

    /// Sets `key` of an object, in place where it stands already, else in a new line behind the last.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn set(
        &mut self,
        kind: ObjectKind,
        name: &str,
        key: &str,
        value: impl Into<Value>,
    ) -> Result<(), EditError> {
        let value = bare(value);
        let place = self.needed(kind, name)?;
        if let Some(entry) = place.entries.iter().find(|entry| entry.key == key) {
            self.splice(entry.value.clone(), &value);
            return Ok(());
        }
        let last = place.entries.iter().max_by_key(|entry| entry.start);
        let (after, indent) = match last {
            Some(entry) => (entry.value.end, self.indent(entry.start).to_owned()),
            None => (place.header.end, String::new()),
        };
        let end = self.line_end(after);
        self.insert_lines(end, &format!("{indent}{key} = {value}\n"));
        Ok(())
    }

    /// Removes `key` from an object; its comments stay.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn unset(&mut self, kind: ObjectKind, name: &str, key: &str) -> Result<(), EditError> {
        let place = self.needed(kind, name)?;
        if let Some(entry) = place.entries.iter().find(|entry| entry.key == key) {
            self.cut(entry.start..entry.value.end);
        }
        Ok(())
    }

    /// Writes a new object behind the last one of its kind, else at the end.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn create(&mut self, kind: ObjectKind, name: &str) -> Result<(), EditError> {
        let places = self.all(kind)?;
        let lines = format!("[[{}]]\n{} = {}\n", kind.word(), name_key(kind), bare(name));
        let last_end = places.iter().map(Place::end).max();
        match last_end {
            Some(end) => {
                let at = self.paragraph_end(self.line_end(end));
                self.insert_lines(at, &format!("\n{lines}"));
            }
            None if self.text.trim().is_empty() => self.text = lines,
            None => {
                let end = self.text.len();
                self.insert_lines(end, &format!("\n{lines}"));
            }
        }
        Ok(())
    }

    /// Removes an object; its comments stay.
    ///
    /// # Errors
    /// See [`EditError`].
    pub fn delete(&mut self, kind: ObjectKind, name: &str) -> Result<(), EditError> {
        let place = self.needed(kind, name)?;
        let mut spans: Vec<_> =
            place.entries.iter().map(|entry| entry.start..entry.value.end).collect();
        spans.push(place.header.clone());
        // From the back, so that the places in front stay right.
        spans.sort_by_key(|span| std::cmp::Reverse(span.start));
        for span in spans {
            self.cut(span);
        }
        self.join_blank_lines(place.header.start);
        Ok(())
    }

    fn needed(&self, kind: ObjectKind, name: &str) -> Result<Place, EditError> {
        self.find(kind, name)?.ok_or_else(|| EditError::Absent(kind, name.to_owned()))
    }

    fn find(&self, kind: ObjectKind, name: &str) -> Result<Option<Place>, EditError> {
        self.each(kind, |table| {
            let found = table.get(name_key(kind)).and_then(|item| item.as_str()) == Some(name);
            found.then(|| place(table)).flatten()
        })
        .map(|places| places.into_iter().next())
    }

    fn all(&self, kind: ObjectKind) -> Result<Vec<Place>, EditError> {
        self.each(kind, place)
    }

    fn each(
        &self,
        kind: ObjectKind,
        pick: impl Fn(&Table) -> Option<Place>,
    ) -> Result<Vec<Place>, EditError> {
        let document = Document::parse(self.text.as_str()).map_err(EditError::Syntax)?;
        let none = ArrayOfTables::new();
        let tables = match document.get(kind.word()) {
            None => &none,
            Some(item) => item.as_array_of_tables().ok_or(EditError::Inline(kind))?,
        };
        Ok(tables.iter().filter_map(pick).collect())
    }

    fn splice(&mut self, at: Range<usize>, with: &str) {
        self.text.replace_range(at, with);
    }

    /// Removes a span; of its line only a comment stays, and where there is none the line goes too.
    fn cut(&mut self, span: Range<usize>) {
        let line_start = self.line_start(span.start);
        let line_end = self.line_end(span.end);
        let before = self.text.get(line_start..span.start).unwrap_or_default();
        let rest = self.text.get(span.end..line_end).unwrap_or_default().trim_start();
        let left = if rest.is_empty() { String::new() } else { format!("{before}{rest}") };
        self.splice(line_start..line_end, &left);
    }

    /// Inserts whole lines at the beginning of a line, with the line ends of the text.
    fn insert_lines(&mut self, at: usize, lines: &str) {
        let mut lines =
            if self.text.contains("\r\n") { lines.replace('\n', "\r\n") } else { lines.to_owned() };
        if at == self.text.len() && !self.text.is_empty() && !self.text.ends_with('\n') {
            lines.insert(0, '\n');
        }
        self.text.insert_str(at, &lines);
    }

    /// Where an object was cut out between two blank lines, one of them goes too.
    fn join_blank_lines(&mut self, near: usize) {
        let at = self.line_start(near.min(self.text.len()));
        let end = self.line_end(at);
        let here_blank = self.text.get(at..end).unwrap_or_default().trim().is_empty();
        let above = self.text.get(..at).unwrap_or_default();
        let above_blank = above.is_empty() || above.ends_with("\n\n") || above.ends_with("\n\r\n");
        if here_blank && above_blank {
            self.splice(at..end, "");
        }
    }

    fn indent(&self, at: usize) -> &str {
        self.text.get(self.line_start(at)..at).unwrap_or_default()
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |n| n + 1)
    }

    /// Returns where the line holding `at` ends, its line end included.
    fn line_end(&self, at: usize) -> usize {
        self.text
            .get(at..)
            .and_then(|after| after.find('\n'))
            .map_or(self.text.len(), |n| at + n + 1)
    }

    /// Returns the end of the comment lines that follow `at` directly and end in a blank line: they
    /// belong to what stands above. Those in front of a header belong to the header.
    fn paragraph_end(&self, at: usize) -> usize {
        let mut end = at;
        loop {
            let line = self.text.get(end..self.line_end(end)).unwrap_or_default();
            match line.trim().as_bytes().first() {
                Some(b'#') => end += line.len(),
                Some(_) => return at,
                None => return end,
            }
        }
    }
}

impl Place {
    fn end(&self) -> usize {
        self.entries.iter().map(|entry| entry.value.end).fold(self.header.end, usize::max)
    }
}

/// Returns the key that holds the name of an object.
fn name_key(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "username",
        ObjectKind::Profile | ObjectKind::Group => "name",
    }
}

fn place(table: &Table) -> Option<Place> {
    let header = table.span()?;
    let mut entries = Vec::new();
    for (name, item) in table {
        let (key, _) = table.get_key_value(name)?;
        entries.push(Entry { key: name.to_owned(), start: key.span()?.start, value: item.span()? });
    }
    Some(Place { header, entries })
}

/// Returns a value as TOML writes it.
fn bare(value: impl Into<Value>) -> String {
    value.into().to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# head

[[useraccountprofile]] # default
name = \"Default\"
  # about the lock
  account_lock_timeout = 30              # minutes
max_concurrent_sessions = 0 # off

# contractors
[[useraccountprofile]]
name = \"C\"
# max_concurrent_sessions = 9

[[user]]
username = \"alice\" # Alice
user_profile = \"C\"

# the end
";

    fn edited(change: impl FnOnce(&mut ConfigEditor) -> Result<(), EditError>) -> String {
        let mut edit = ConfigEditor::new(FILE.to_owned()).unwrap();
        change(&mut edit).unwrap();
        Document::parse(edit.text()).unwrap();
        edit.text
    }

    #[test]
    fn a_value_is_replaced_and_nothing_else() {
        let text = edited(|e| e.set(ObjectKind::Profile, "Default", "account_lock_timeout", 5));
        assert_eq!(text, FILE.replace("= 30  ", "= 5  "));
    }

    #[test]
    fn a_new_key_follows_the_last_one() {
        let text = edited(|e| e.set(ObjectKind::Profile, "C", "max_concurrent_sessions", 2));
        assert_eq!(
            text,
            FILE.replace("name = \"C\"\n", "name = \"C\"\nmax_concurrent_sessions = 2\n")
        );
    }

    #[test]
    fn comments_of_a_removed_key_stay() {
        let text = edited(|e| e.unset(ObjectKind::Profile, "Default", "account_lock_timeout"));
        assert_eq!(
            text,
            FILE.replace("account_lock_timeout = 30              # minutes", "# minutes")
        );
        let text = edited(|e| e.unset(ObjectKind::User, "alice", "user_profile"));
        assert_eq!(text, FILE.replace("user_profile = \"C\"\n", ""));
    }

    #[test]
    fn comments_of_a_removed_object_stay() {
        let text = edited(|e| e.delete(ObjectKind::Profile, "C"));
        assert_eq!(text, FILE.replace("[[useraccountprofile]]\nname = \"C\"\n", ""));
        let text = edited(|e| e.delete(ObjectKind::User, "alice"));
        assert_eq!(
            text,
            FILE.replace(
                "[[user]]\nusername = \"alice\" # Alice\nuser_profile = \"C\"\n",
                "# Alice\n"
            )
        );
    }

    #[test]
    fn a_new_object_follows_the_last_of_its_kind() {
        let text = edited(|e| e.create(ObjectKind::Profile, "N \"q\""));
        assert_eq!(
            text,
            FILE.replace("= 9\n", "= 9\n\n[[useraccountprofile]]\nname = 'N \"q\"'\n")
        );
        let text = edited(|e| e.create(ObjectKind::Group, "ops"));
        assert_eq!(text, format!("{FILE}\n[[group]]\nname = \"ops\"\n"));
    }

    #[test]
    fn comments_in_front_of_a_header_stay_with_it() {
        let mut edit = ConfigEditor::new(
            "[[user]]\nusername=\"a\"\n# b\n[[user]]\nusername=\"b\"\n# p\n[policy]".to_owned(),
        )
        .unwrap();
        edit.create(ObjectKind::User, "c").unwrap();
        assert_eq!(
            edit.text(),
            "[[user]]\nusername=\"a\"\n# b\n[[user]]\nusername=\"b\"\n\n[[user]]\nusername = \"c\"\n# p\n[policy]"
        );
        edit.create(ObjectKind::Group, "g").unwrap();
        assert!(edit.text().ends_with("[policy]\n\n[[group]]\nname = \"g\"\n"));
    }

    #[test]
    fn an_empty_or_missing_file_can_be_begun() {
        let mut edit = ConfigEditor::new(String::new()).unwrap();
        edit.create(ObjectKind::Profile, "P").unwrap();
        edit.set(ObjectKind::Profile, "P", "max_concurrent_sessions", 3).unwrap();
        assert_eq!(
            edit.text(),
            "[[useraccountprofile]]\nname = \"P\"\nmax_concurrent_sessions = 3\n"
        );
    }

    #[test]
    fn line_ends_of_the_file_are_kept() {
        let mut edit =
            ConfigEditor::new("[[user]]\r\nusername = \"a\"\r\n\r\n[policy]\r\n".to_owned())
                .unwrap();
        edit.set(ObjectKind::User, "a", "user_profile", "P").unwrap();
        edit.create(ObjectKind::User, "b").unwrap();
        assert_eq!(
            edit.text(),
            "[[user]]\r\nusername = \"a\"\r\nuser_profile = \"P\"\r\n\r\n[[user]]\r\nusername = \"b\"\r\n\r\n[policy]\r\n"
        );
        edit.delete(ObjectKind::User, "b").unwrap();
        assert_eq!(
            edit.text(),
            "[[user]]\r\nusername = \"a\"\r\nuser_profile = \"P\"\r\n\r\n[policy]\r\n"
        );
    }

    #[test]
    fn what_is_written_in_one_line_is_left_to_a_person() {
        let mut edit = ConfigEditor::new("user = [{username = \"a\"}]".to_owned()).unwrap();
        let error = edit.create(ObjectKind::User, "b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`user` is written in one line, expected [[user]] tables; rewrite it by hand first"
        );
    }
}
