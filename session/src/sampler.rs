//! The process that keeps the history: a look every minute, for as long as the service holds the socket.
#![forbid(unsafe_code)]

use std::time::Duration;

use session_limit_admin::administration::Administration;
use session_limit_admin::error::AdminError;
use session_limit_admin::history::{self, INTERVAL};
use session_limit_core::log::{Level, Log};
use session_limit_core::system::clock;

/// Keeps a sample every minute until `wait` says that it is over. The rights are looked up each time, for the
/// configuration may change.
pub fn run(
    log: &Log,
    administration: impl Fn() -> Result<Administration, AdminError>,
    mut wait: impl FnMut(Duration) -> bool,
) {
    let mut trouble = None;
    loop {
        let kept = administration().and_then(|admin| history::keep(&admin));
        trouble = tell(log, kept, trouble);
        if !wait(until_next(clock::epoch_seconds())) {
            return;
        }
    }
}

/// Logs what is new; the same trouble every minute is said once. Returns the trouble there is.
fn tell(
    log: &Log,
    kept: Result<Option<String>, AdminError>,
    before: Option<String>,
) -> Option<String> {
    match kept {
        Ok(lost) => {
            if let Some(lost) = lost {
                log.write(Level::Warning, &lost);
            }
            None
        }
        Err(error) => {
            if before.as_ref() != Some(&error.message) {
                log.write(Level::Error, &format!("no sample is kept: {error}"));
            }
            Some(error.message)
        }
    }
}

/// Returns how long it is to the next full minute.
fn until_next(now: i64) -> Duration {
    Duration::from_secs((INTERVAL - now.rem_euclid(INTERVAL)).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use session_limit_admin::error::AdminErrorKind;

    use super::*;

    #[test]
    fn samples_are_taken_at_full_minutes() {
        let seconds = [0, 1, 59, -1].map(|now| until_next(now).as_secs());
        assert_eq!(seconds, [60, 59, 1, 1]);
    }

    #[test]
    fn it_goes_on_in_trouble_and_ends_when_it_is_over() {
        let mut rounds = 0;
        let broken = || Err(AdminError::new(AdminErrorKind::Io, "broken"));
        run(&Log::new("test", "test", false), broken, |_| {
            rounds += 1;
            rounds < 3
        });
        assert_eq!(rounds, 3);
        let log = Log::new("test", "test", false);
        let trouble = tell(&log, broken().map(|_| None), None);
        assert_eq!(trouble.as_deref(), Some("broken"));
        assert_eq!(tell(&log, Ok(None), trouble), None);
    }
}
