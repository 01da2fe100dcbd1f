//! One session from its reservation to its end, however it ends.

mod items;
mod kills;
mod lifecycle;
mod liveness;
mod sshd_monitor;
