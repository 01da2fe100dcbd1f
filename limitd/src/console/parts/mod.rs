//! What pages are made of: who looks at them, what is sent, how they look, and why there may be none.
//!
//! ```text
//! page (how it looks) -> form (what is sent) -> visitor (who asks) -> problem (why not), paths
//! ```

pub mod assets;
pub mod form;
pub mod page;
pub mod paths;
mod problem;
mod visitor;

pub use form::{Form, FormProblem, Posted};
pub use page::Page;
pub use problem::{Problem, advice};
pub use visitor::{Visitor, known};
