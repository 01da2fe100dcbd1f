//! Time: since boot for deadlines, since the epoch for display.

use std::time::{Duration, SystemTime};

/// Returns nanoseconds since boot, time asleep included (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot_ns() -> i64 {
    let mut now = libc::timespec::default();
    // SAFETY: `now` is a valid timespec to write to; the clock exists since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) };
    #[allow(clippy::useless_conversion, reason = "both have 32 bits on some architectures")]
    let (seconds, rest) = (i64::from(now.tv_sec), i64::from(now.tv_nsec));
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// Returns what [`boot_ns`] will return after `time`.
#[must_use]
pub fn boot_ns_in(time: Duration) -> i64 {
    boot_ns().saturating_add(i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns milliseconds since boot, time asleep included.
#[must_use]
pub fn boot_ms() -> i64 {
    boot_ns() / 1_000_000
}

/// Returns seconds since the epoch, for display only.
#[must_use]
pub fn epoch_seconds() -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => seconds(since),
        Err(before) => -seconds(before.duration()),
    }
}
