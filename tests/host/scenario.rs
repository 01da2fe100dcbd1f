//! What a scenario is, and how it is named.

use crate::host::Host;

/// A statement about the module on a whole host. The function panics if it does not hold and otherwise returns
/// the figure for the table: what was counted or measured.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The function's name, which is a sentence.
    pub name: &'static str,
    pub run: fn(&mut Host) -> String,
}

/// Scenarios that share a boot, in this order.
#[derive(Clone, Copy)]
pub struct Group {
    pub name: &'static str,
    pub scenarios: &'static [Scenario],
}

/// Makes a [`Group`] of functions, named after them.
macro_rules! group {
    ($name:literal: $($scenario:ident),+ $(,)?) => {
        pub const GROUP: $crate::scenario::Group = $crate::scenario::Group {
            name: $name,
            scenarios: &[$($crate::scenario::Scenario {
                name: stringify!($scenario),
                run: $scenario,
            }),+],
        };
    };
}
pub(crate) use group;
