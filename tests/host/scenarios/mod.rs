//! The scenarios, by what they are about.

use crate::scenario::Group;

mod background;
mod clearing;
mod console;
mod counting;
mod deaths;
mod faults;
pub mod harness;
mod hostile;
mod install;
mod journal;
mod on_limit;
mod penalties;
mod shell;
mod status;
mod storm;
mod switching;
mod systemd;
mod two_factor;

pub const ALL: &[Group] = &[
    install::GROUP,
    counting::GROUP,
    storm::GROUP,
    two_factor::GROUP,
    systemd::GROUP,
    deaths::GROUP,
    console::GROUP,
    switching::GROUP,
    background::GROUP,
    clearing::GROUP,
    on_limit::GROUP,
    faults::GROUP,
    shell::GROUP,
    status::GROUP,
    hostile::GROUP,
    penalties::GROUP,
    journal::GROUP,
    harness::GROUP,
];
