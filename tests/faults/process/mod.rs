//! F5, F7 to F10, L2, S1: the host and the process that the module runs in.

mod environment;
mod forks;
mod identity;
mod memcheck;
mod stacks;
mod syslog;
