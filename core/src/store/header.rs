//! What the header of an SQLite file says of whose it is: `application_id` and `user_version`.
#![forbid(unsafe_code)]

use rusqlite::Connection;

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// There is no table yet, and nothing else in it.
    Empty,
    /// The asking program's, of the version that it writes.
    Ours,
    /// The asking program's, of this other version.
    OtherVersion(i32),
    /// Of another program, or damaged.
    Foreign {
        /// What is where the program's number should be.
        application_id: i32,
        /// What is where the version should be.
        version: i32,
    },
}

/// Returns whose the file of a connection is, for a program that marks its files with `application_id` and `version`.
///
/// # Errors
///
/// Those of SQLite.
pub fn header(
    connection: &Connection,
    application_id: i32,
    version: i32,
) -> rusqlite::Result<Header> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    Ok(match (number("application_id")?, number("user_version")?) {
        (id, found) if id == application_id && found == version => Header::Ours,
        (id, found) if id == application_id => Header::OtherVersion(found),
        (0, 0) if number("schema_version")? == 0 => Header::Empty,
        (application_id, version) => Header::Foreign { application_id, version },
    })
}
