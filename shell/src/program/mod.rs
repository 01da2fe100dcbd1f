//! The process: its arguments, who started it, and the completions of other shells for it.

pub mod args;
pub mod caller;
pub mod completion_scripts;
