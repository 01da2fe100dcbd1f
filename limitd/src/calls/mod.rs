//! What the calls of the API and the pages of the console have in common: who asks, what is sent, what comes of it.
//!
//! ```text
//! access, answer -> app -> metrics, banner        body -> failure
//! ```

mod access;
mod answer;
mod app;
mod banner;
mod body;
mod failure;
mod metrics;

pub use access::{Client, Reader, Writer, is_of_host};
pub use answer::{counted, set_cookies};
pub use app::{App, refuse_while_broken};
pub use banner::text as banner;
pub use body::{is_plain, json, read_body};
pub use failure::{ErrorBody, Failure};
pub use metrics::LoginResult;
