//! The configuration as an administrator changes it: objects, drafts of them, and the file that they are written to.
//!
//! ```text
//! limits_conf -> draft -> store -> edit -> object -> field
//! ```

pub mod draft;
pub mod edit;
pub mod field;
pub mod limits_conf;
pub mod object;
pub mod store;
