//! The pages of a user who has logged in, a module each.

pub mod account;
pub mod assignments;
mod chart;
pub mod confirm;
pub mod history;
pub mod limits;
mod profile_form;
pub mod profiles;
pub mod sessions;
pub mod status;
