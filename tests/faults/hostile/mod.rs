//! B: input and callers that mean harm.

mod config_text;
mod images;
mod items;
mod paths;
mod rights;
