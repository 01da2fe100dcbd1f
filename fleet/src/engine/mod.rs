//! What the fleet shares, whatever keeps it: the slots of all users, one lease for each host, and notes.
//!
//! An engine commits each call as a whole or not at all. A call without an answer may have been committed, and
//! may even be committed later; [`Engine::register`] is the fence behind which that cannot happen any more.

pub mod etcd;
pub mod memory;

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotKey {
    /// The user.
    pub uid: u32,
    /// The host that holds it.
    pub host: String,
    /// The session's number in the store of that host.
    pub id: i64,
}

/// What is known of the session that has a slot; for display only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionInfo {
    /// The user's name.
    pub user: String,
    /// PAM service.
    pub service: String,
    /// Terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<String>,
    /// Remote host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhost: Option<String>,
    /// Seconds after the epoch, by the clock of the host.
    pub since: i64,
}

/// A slot that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub key: SlotKey,
    /// Grows in the order in which the fleet's slots were taken.
    pub created: i64,
    /// The session.
    pub session: SessionInfo,
}

/// A slot that is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSlot {
    /// Its name.
    pub key: SlotKey,
    /// The session.
    pub session: SessionInfo,
}

/// The slots at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Which moment; for [`Engine::take`].
    pub revision: i64,
    /// All slots, or those of the user who was asked for.
    pub slots: Vec<Slot>,
}

impl Seen {
    /// Returns how many slots are taken.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }
}

/// How a [`Engine::take`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The slots are taken.
    Yes,
    /// Another host has taken one meanwhile: these are the slots now. Nothing was changed.
    No(Seen),
}

/// A host of the fleet, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostRecord {
    /// Its name.
    pub host: String,
    /// The boot of its kernel (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// Its machine ID (machine-id(5)); empty where it has none.
    pub machine_id: String,
    /// The lease that its slots hang on.
    pub lease: i64,
    /// When it joined, in seconds after the epoch, by its own clock.
    pub since: i64,
    /// The version of its agent.
    pub version: String,
}

/// What the hosts tell each other: a request to end sessions, or the answer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its name: words and slashes.
    pub name: String,
    /// JSON.
    pub text: String,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineError {
    /// There was no answer in time; whether it was done is not known.
    Unreachable(String),
    /// The lease has expired; nothing was done.
    LeaseGone,
    /// The engine refuses; nothing was done.
    Refused(String),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Refused(why) => f.write_str(why),
            Self::LeaseGone => f.write_str("the lease of this host has expired"),
        }
    }
}

/// The lease that a host's slots hang on: they are gone with it.
pub type Lease = i64;
/// The state of a host's registration; see [`Engine::register`].
pub type Fence = i64;

/// Keeps what the fleet shares. Each call has a deadline of its own.
#[allow(async_fn_in_trait, reason = "agents have one thread")]
pub trait Engine {
    /// Grants a lease of so many seconds.
    async fn grant(&self, seconds: u32) -> Result<Lease, EngineError>;

    /// Renews a lease; false where it has expired.
    async fn renew(&self, lease: Lease) -> Result<bool, EngineError>;

    /// Returns how many seconds ago a lease was renewed; `None` where it has expired.
    async fn renewed(&self, lease: Lease) -> Result<Option<u32>, EngineError>;

    /// Ends a lease, and with it all that hangs on it; one that is gone is no error.
    async fn revoke(&self, lease: Lease) -> Result<(), EngineError>;

    /// Returns what hangs on a lease; `None` where it has expired.
    async fn held(&self, lease: Lease) -> Result<Option<Vec<SlotKey>>, EngineError>;

    /// Writes who a host is, under its lease. A [`Engine::take`] with an earlier fence changes nothing from now
    /// on, even one that is still on its way.
    async fn register(&self, record: &HostRecord) -> Result<Fence, EngineError>;

    /// Returns the hosts of the fleet, or the one of that name.
    async fn hosts(&self, name: Option<&str>) -> Result<Vec<HostRecord>, EngineError>;

    /// Returns the slots of a user, or of all.
    async fn list(&self, uid: Option<u32>) -> Result<Seen, EngineError>;

    /// Takes slots of one user and gives up others, unless a slot of that user has been taken after `seen`.
    async fn take(
        &self,
        hold: &Hold<'_>,
        seen: i64,
        add: &[NewSlot],
        remove: &[SlotKey],
    ) -> Result<Taken, EngineError>;

    /// Writes slots, whatever is taken already: the sessions are there.
    async fn put(&self, lease: Lease, slots: &[NewSlot]) -> Result<(), EngineError>;

    /// Gives slots up; one that is gone is no error.
    async fn free(&self, keys: &[SlotKey]) -> Result<(), EngineError>;

    /// Writes a note, which is gone with the lease.
    async fn write_note(&self, lease: Lease, note: &Note) -> Result<(), EngineError>;

    /// Returns the notes whose names begin with `prefix`, and the moment.
    async fn notes(&self, prefix: &str) -> Result<(Vec<Note>, i64), EngineError>;

    /// Waits until a note whose name begins with `prefix` is written after `moment`; returns those, and the
    /// moment. May return without any, to be called again. Has no deadline.
    async fn notes_after(&self, prefix: &str, moment: i64)
    -> Result<(Vec<Note>, i64), EngineError>;
}

/// What a host takes slots with.
#[derive(Debug, Clone, Copy)]
pub struct Hold<'a> {
    /// Its name.
    pub host: &'a str,
    /// Its lease.
    pub lease: Lease,
    /// The fence of its registration.
    pub fence: Fence,
    /// The user whose slots they are.
    pub uid: u32,
}
