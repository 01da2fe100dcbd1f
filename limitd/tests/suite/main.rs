//! The service as clients see it, with the real libpam, in a small host of its own.

mod api;
mod clear;
mod clients;
mod hostile;
mod limit;
mod startup;
mod world;
