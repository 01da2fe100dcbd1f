//! Sessions that are open: beside logind, with processes in the background, until they end or are ended.

pub mod background;
pub mod clearing;
pub mod deaths;
pub mod systemd;
