//! What may be typed: words, forms of commands, their help and completion. Runs nothing.

mod arguments;
pub mod completion;
pub mod grammar;
pub mod help;
pub mod lexer;
pub mod parse;
pub mod syntax;
