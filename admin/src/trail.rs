//! The audit trail of what administrators do.
#![forbid(unsafe_code)]

use session_limit_core::audit::{self, Event};
use session_limit_core::log::{Level, Log};
use session_limit_core::model::session::Origin;

use crate::administration::Administration;
use crate::config::object::ObjectKind;

impl Administration {
    /// Tells the journal and the audit trail that an object of the configuration was saved or deleted.
    pub(crate) fn tell_changed(&self, done: &str, kind: ObjectKind, name: &str) {
        self.log("configure", &format!("{done} {} {name:?}", kind.word()));
        self.record(Event::ConfigurationSaved, &format!("{} {name}", kind.word()));
    }

    /// Records what the acting user did to `object`, where the host has an audit trail. Nothing depends on it.
    pub(crate) fn record(&self, event: Event, object: &str) {
        let origin = Origin { service: self.program.to_owned(), tty: None, rhost: None };
        let details = [("object", object), ("by", self.actor.as_str())];
        if let Err(error) = audit::write(event, self.user.name.to_bytes(), &origin, &details) {
            let line = format!("the audit trail refuses a record: {error}");
            Log::new(self.program, "audit", false).write(Level::Debug, &line);
        }
    }
}
