//! L: many logins, one after the other and at once.

mod exactness;
mod throughput;
