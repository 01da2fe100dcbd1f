//! A login that found no slot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sanitize::shortened;
use super::session::{Origin, Session};

/// Characters that are kept of a text from outside.
const MAX_TEXT: usize = 64;
/// Kinds of sessions that are named as holding the slots.
const MAX_KINDS: usize = 3;

/// A login that found no slot: refused, or let in because `on_limit` is `log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Seconds since the epoch.
    pub time: i64,
    /// User id.
    pub uid: u32,
    /// The user's name, printable.
    pub user: String,
    /// Where the login came from.
    pub origin: Origin,
    /// The user's limit.
    pub limit: u32,
    /// The user's slots in use.
    pub held: u32,
    /// What held them, as [`holders`] says it.
    pub held_by: String,
    /// Let in all the same, and logged as one that would be refused.
    pub admitted: bool,
}

impl Refusal {
    /// Returns the same with every text of bounded length.
    #[must_use]
    pub fn bounded(self) -> Self {
        let short = |text: String| shortened(&text, MAX_TEXT);
        let Origin { service, tty, rhost } = self.origin;
        let origin =
            Origin { service: short(service), tty: tty.map(short), rhost: rhost.map(short) };
        Self { user: short(self.user), origin, ..self }
    }
}

/// Returns what holds slots, the most frequent first: `2 sshd from 192.0.2.7, 1 login on tty1`.
#[must_use]
pub fn holders<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for session in sessions {
        *kinds.entry(kind_of(&session.origin)).or_default() += 1;
    }
    let mut kinds: Vec<(String, usize)> = kinds.into_iter().collect();
    kinds.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
    let others: usize = kinds.iter().skip(MAX_KINDS).map(|(_, count)| count).sum();
    let mut parts: Vec<String> =
        kinds.into_iter().take(MAX_KINDS).map(|(kind, count)| format!("{count} {kind}")).collect();
    if others > 0 {
        parts.push(format!("{others} more"));
    }
    parts.join(", ")
}

fn kind_of(origin: &Origin) -> String {
    let short = |text: &str| shortened(text, MAX_TEXT);
    let service = short(&origin.service);
    match (&origin.rhost, origin.tty.as_deref()) {
        (Some(rhost), _) => format!("{service} from {}", short(rhost)),
        // sshd calls no terminal but itself by its name.
        (None, None | Some("ssh")) => service,
        (None, Some(tty)) => {
            format!("{service} on {}", short(tty.strip_prefix("/dev/").unwrap_or(tty)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::open_session;

    fn session(service: &str, tty: Option<&str>, rhost: Option<&str>) -> Session {
        let (tty, rhost) = (tty.map(str::to_owned), rhost.map(str::to_owned));
        Session { origin: Origin { service: service.into(), tty, rhost }, ..open_session() }
    }

    #[test]
    fn holders_are_counted_by_service_and_place() {
        let console = session("login", Some("/dev/tty1"), None);
        let ssh = session("sshd", Some("ssh"), Some("192.0.2.7"));
        let sessions = [console.clone(), ssh.clone(), ssh.clone()];
        assert_eq!(holders(&sessions), "2 sshd from 192.0.2.7, 1 login on tty1");
        assert_eq!(holders(&[session("sshd", Some("ssh"), None)]), "1 sshd");
        assert_eq!(holders(&[]), "");
        let many: Vec<_> = (0..9).map(|n| session("sshd", None, Some(&format!("h{n}")))).collect();
        assert_eq!(holders(&many), "1 sshd from h0, 1 sshd from h1, 1 sshd from h2, 6 more");
    }

    #[test]
    fn every_text_is_bounded() {
        let long = "x".repeat(259);
        let origin = Origin {
            service: long.clone(),
            tty: Some(long.clone()),
            rhost: Some("\u{e9}".repeat(259)),
        };
        let hostile = session(&long, None, Some(&long));
        let held_by = holders(&[hostile]);
        let refusal = Refusal {
            time: 0,
            uid: 1,
            user: long,
            origin,
            limit: 1,
            held: 1,
            held_by,
            admitted: false,
        };
        let refusal = refusal.bounded();
        let origin = &refusal.origin;
        for text in [&refusal.user, &origin.service, origin.tty.as_ref().unwrap()] {
            assert_eq!(text.len(), MAX_TEXT + 3);
        }
        assert_eq!(origin.rhost.as_ref().unwrap().chars().count(), MAX_TEXT + 3);
        assert!(refusal.held_by.len() < 160, "{}", refusal.held_by);
    }
}
