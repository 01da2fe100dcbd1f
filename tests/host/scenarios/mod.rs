//! The scenarios, by what they are about.

use crate::scenario::Group;

mod console;
mod counting;
mod deaths;
mod storm;
mod systemd;
mod two_factor;

pub const ALL: &[Group] = &[
    counting::GROUP,
    storm::GROUP,
    two_factor::GROUP,
    systemd::GROUP,
    deaths::GROUP,
    console::GROUP,
];
