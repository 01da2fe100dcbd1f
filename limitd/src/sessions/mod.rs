//! Logins and their sessions, as the front has them: each is a connection to a process of its own.
//!
//! ```text
//! conversation -> login -> packets -> a session process        table (by cookie) -> packets
//! ```

mod attempts;
mod conversation;
pub mod cookies;
pub mod login;
mod packets;
pub mod settings;
mod table;

pub use attempts::{Attempt, Attempts};
pub use conversation::{Conversation, Pending, Question, Step, Waiting};
pub use packets::Packets;
pub use settings::SESSION_SOCKET;
pub use table::{Session, Table};
