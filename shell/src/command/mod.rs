//! What is typed: words, grammar, execution, help and completion.

pub mod batch;
pub mod caller;
pub mod check;
pub mod cli;
pub mod completion;
pub mod completion_scripts;
mod diagnosis;
pub mod engine;
pub mod executor;
pub mod grammar;
pub mod help;
pub mod lexer;
pub mod parse;
pub mod pipeline;
pub mod syntax;
