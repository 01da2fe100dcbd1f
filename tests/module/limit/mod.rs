//! What the limit does: who counts, who is refused, whose sessions are ended.

mod choosing;
mod clearing;
mod counting;
mod exactness;
mod notice;
mod observing;
mod recorded;
mod refusal;
mod telling;
