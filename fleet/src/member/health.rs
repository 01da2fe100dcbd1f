//! Whether the engine answers.

use std::cell::RefCell;
use std::time::Duration;

use tokio::time::Instant;

use super::Report;
use crate::engine::EngineError;

/// How long the engine may be silent before logins are no longer made to wait for it: an election among its
/// members takes about a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the engine answers.
#[derive(Debug, Default)]
pub struct Health {
    silent: RefCell<Option<Silence>>,
}

#[derive(Debug)]
struct Silence {
    since: Instant,
    why: String,
    is_told: bool,
}

impl Health {
    /// Keeps in mind how a call ended; an engine that says no is one that answers.
    pub(super) fn note<T>(
        &self,
        result: Result<T, EngineError>,
        report: &dyn Report,
    ) -> Result<T, EngineError> {
        match &result {
            Err(EngineError::Unreachable(why) | EngineError::Refused(why)) => {
                self.fail(why, report)
            }
            Ok(_) | Err(EngineError::LeaseGone) => self.answered(report),
        }
        result
    }

    fn fail(&self, why: &str, report: &dyn Report) {
        let mut silent = self.silent.borrow_mut();
        let silence = silent.get_or_insert_with(|| Silence {
            since: Instant::now(),
            why: why.to_owned(),
            is_told: false,
        });
        why.clone_into(&mut silence.why);
        if !silence.is_told && silence.since.elapsed() >= PATIENCE {
            silence.is_told = true;
            report.warn(&format!("the engine cannot be asked: {why}"));
        }
    }

    fn answered(&self, report: &dyn Report) {
        let silence = self.silent.borrow_mut().take();
        if let Some(silence) = silence.filter(|silence| silence.is_told) {
            let seconds = silence.since.elapsed().as_secs();
            report.info(&format!("the engine answers again, after {seconds} s"));
        }
    }

    /// Returns why a login need not even ask: the engine has been silent for some time.
    #[must_use]
    pub fn is_down(&self) -> Option<String> {
        let silent = self.silent.borrow();
        let silence = silent.as_ref().filter(|silence| silence.since.elapsed() >= PATIENCE);
        silence.map(|silence| silence.why.clone())
    }

    /// Returns whether the last call had an answer.
    #[must_use]
    pub fn answers(&self) -> bool {
        self.silent.borrow().is_none()
    }
}
