//! The scenarios, by what they are about.

use crate::scenario::Group;

pub mod harness;
mod login;
mod operation;
mod service;
mod session;
mod shell;

pub const ALL: &[Group] = &[
    operation::install::GROUP,
    login::counting::GROUP,
    login::storm::GROUP,
    login::two_factor::GROUP,
    session::systemd::GROUP,
    session::deaths::GROUP,
    login::console::GROUP,
    login::cockpit::GROUP,
    login::switching::GROUP,
    session::background::GROUP,
    session::clearing::GROUP,
    login::on_limit::GROUP,
    login::telling::GROUP,
    login::refusals::GROUP,
    login::lockout::GROUP,
    login::passwords::GROUP,
    operation::faults::GROUP,
    shell::dialogue::GROUP,
    shell::users::GROUP,
    shell::status::GROUP,
    service::api::GROUP,
    service::units::GROUP,
    service::browser::GROUP,
    operation::fleet::GROUP,
    operation::hostile::GROUP,
    operation::penalties::GROUP,
    operation::journal::GROUP,
    harness::GROUP,
];
