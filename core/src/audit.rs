//! What is worth a record in the audit trail: refusals, sessions that were cleared, configurations.
//!
//! libaudit writes the records, not code of ours over netlink: it is on every host that has an audit trail,
//! knows how its fields are written, and what each kernel answers. It is loaded only when there is something
//! to record, so that a host without audit pays nothing.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::io;

use crate::model::session::Origin;
use crate::system::libaudit::{self, Record};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A login was refused because the user holds as many sessions as allowed.
    TooManySessions,
    /// Sessions of a user were ended.
    SessionsCleared,
    /// The configuration was changed.
    ConfigurationSaved,
}

impl Event {
    /// Returns the number of the record type.
    fn kind(self) -> i32 {
        match self {
            // ANOM_LOGIN_SESSIONS, the type that pam_limits uses for the same.
            Self::TooManySessions => 2102,
            // RESP_TERM_ACCESS.
            Self::SessionsCleared => 2203,
            // USYS_CONFIG.
            Self::ConfigurationSaved => 1111,
        }
    }

    /// Returns what was done, as the field `op` says it.
    fn operation(self) -> &'static str {
        match self {
            Self::TooManySessions => "pam_session_limit",
            Self::SessionsCleared => "session-limit-clear",
            Self::ConfigurationSaved => "session-limit-configure",
        }
    }

    /// Returns whether what was attempted was done.
    fn success(self) -> bool {
        self != Self::TooManySessions
    }
}

/// Records an event about the account `user`, where the host has an audit trail. `details` are further fields.
///
/// # Errors
///
/// The kernel refuses the record.
pub fn write(
    event: Event,
    user: &[u8],
    origin: &Origin,
    details: &[(&str, &str)],
) -> io::Result<()> {
    libaudit::write(&record(event, user, origin, details))
}

fn record(event: Event, user: &[u8], origin: &Origin, details: &[(&str, &str)]) -> Record {
    let mut fields = format!("op={} acct={}", event.operation(), encoded(user));
    for (name, value) in details {
        let _ = write!(fields, " {name}={}", encoded(value.as_bytes()));
    }
    let plain = |item: &Option<String>| {
        item.as_deref().filter(|text| is_plain(text.as_bytes())).unwrap_or("?").to_owned()
    };
    Record {
        kind: event.kind(),
        fields,
        host: plain(&origin.rhost),
        tty: plain(&origin.tty),
        success: event.success(),
    }
}

/// Returns a value from outside as audit records hold it: in quotes, or in hexadecimal where it has a
/// character that could end it (`audit_encode_value`(3)).
fn encoded(value: &[u8]) -> String {
    if is_plain(value) {
        return format!("\"{}\"", String::from_utf8_lossy(value));
    }
    value.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}

fn is_plain(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(tty: Option<&str>, rhost: Option<&str>) -> Origin {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Origin { service: "sshd".to_owned(), tty: owned(tty), rhost: owned(rhost) }
    }

    #[test]
    fn a_refusal_is_recorded_as_pam_limits_does() {
        let made =
            record(Event::TooManySessions, b"alice", &origin(Some("ssh"), Some("192.0.2.7")), &[]);
        assert_eq!(
            made,
            Record {
                kind: 2102,
                fields: "op=pam_session_limit acct=\"alice\"".to_owned(),
                host: "192.0.2.7".to_owned(),
                tty: "ssh".to_owned(),
                success: false,
            }
        );
    }

    #[test]
    fn no_value_from_outside_can_add_a_field() {
        let hostile = origin(Some("a res=success"), Some("x\" y"));
        let object = [("object", "useraccountprofile Con\"tractors"), ("by", "bob")];
        let made = record(Event::ConfigurationSaved, b"a\" res=success", &hostile, &object);
        assert_eq!(
            made.fields,
            "op=session-limit-configure acct=6122207265733D73756363657373 \
             object=757365726163636F756E7470726F66696C6520436F6E2274726163746F7273 by=\"bob\""
        );
        assert_eq!((made.host.as_str(), made.tty.as_str()), ("?", "?"));
        assert_eq!(encoded(b""), "");
    }
}
