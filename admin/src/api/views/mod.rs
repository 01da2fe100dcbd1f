//! What is shown: the objects that are not configured, and what the console shows beside them.
//!
//! ```text
//! overview -> fleet        at_limit, history, refusals        statistics
//!     all but statistics -> shown (users, groups, sessions)
//! ```

mod at_limit;
pub mod fleet;
mod history;
pub mod overview;
pub(super) mod refusals;
pub(super) mod shown;
pub mod statistics;

pub use at_limit::{AtLimit, at_limit};
pub use history::{HistoryQuery, read as history};
