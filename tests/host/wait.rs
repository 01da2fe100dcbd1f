//! Waiting for a state instead of sleeping: polls until a deadline and says what did not happen.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(15);

/// Polls until there is a value or the time is up; returns it with the time that took.
pub fn within<T>(limit: Duration, mut value: impl FnMut() -> Option<T>) -> Option<(T, Duration)> {
    let start = Instant::now();
    loop {
        if let Some(value) = value() {
            return Some((value, start.elapsed()));
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}

/// Polls until `condition` holds and returns how long that took.
///
/// # Panics
///
/// When the time is up: `what` did not happen.
pub fn until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    until_some(what, limit, || condition().then_some(())).1
}

/// [`until`] for something that yields a value.
///
/// # Panics
///
/// When the time is up: `what` did not happen.
pub fn until_some<T>(
    what: &str,
    limit: Duration,
    value: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    within(limit, value).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
