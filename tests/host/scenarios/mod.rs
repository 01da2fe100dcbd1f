//! The scenarios, by what they are about.

use crate::scenario::Group;

pub mod harness;
mod login;
mod operation;
mod session;

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
    operation::shell::GROUP,
    operation::users::GROUP,
    operation::status::GROUP,
    operation::api::GROUP,
    operation::service::GROUP,
    operation::browser::GROUP,
    operation::fleet::GROUP,
    operation::hostile::GROUP,
    operation::penalties::GROUP,
    operation::journal::GROUP,
    harness::GROUP,
];
