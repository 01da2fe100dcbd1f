//! Logins and switches of the user: which of them count, and what happens at the limit; locked accounts, passwords.

pub mod cockpit;
pub mod console;
pub mod counting;
pub mod lockout;
pub mod on_limit;
pub mod passwords;
pub mod refusals;
pub mod storm;
pub mod switching;
pub mod telling;
pub mod two_factor;
