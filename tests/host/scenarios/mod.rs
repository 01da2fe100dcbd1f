//! The scenarios, by what they are about.

use crate::scenario::Group;

mod counting;

pub const ALL: &[Group] = &[counting::GROUP];
