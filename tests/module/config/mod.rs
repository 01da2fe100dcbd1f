//! The configuration file: when it is read, and what is rejected.

mod changes;
mod rejected;
mod rejected_texts;
