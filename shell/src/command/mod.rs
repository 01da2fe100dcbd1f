//! Carrying commands out: one line after the other, typed or in a script.

pub mod batch;
pub mod check;
pub mod diagnosis;
pub mod engine;
pub mod executor;
