//! How many clients are connected: when there are too many, the one that has been idle for the longest goes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Connections at once.
pub const MAX_CONNECTIONS: usize = 1024;
/// Stands for a connection whose request is being answered.
const BUSY: u64 = 0;

/// Where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// An address.
    Address(IpAddr),
    /// A Unix socket of this host.
    Local,
}

/// The connections.
#[derive(Clone)]
pub struct Connections {
    open: Arc<Mutex<BTreeMap<u64, Connection>>>,
    began: Instant,
    limit: usize,
}

/// One connection. It is idle from its beginning, and again after each answer, until a request has arrived as a
/// whole: slow clients are idle.
#[derive(Clone)]
pub struct Connection {
    /// Milliseconds since the service began, counted from 1, or [`BUSY`].
    idle_since: Arc<AtomicU64>,
    evicted: Arc<Notify>,
    began: Instant,
}

impl Default for Connection {
    fn default() -> Self {
        Self::new(Instant::now())
    }
}

/// Keeps a connection in the list until dropped.
pub struct Membership {
    connections: Connections,
    id: u64,
    /// The connection.
    pub connection: Connection,
}

impl Connections {
    /// Makes an empty list for so many connections.
    pub fn new(limit: usize) -> Self {
        Self { open: Arc::default(), began: Instant::now(), limit }
    }

    /// Takes a connection in, in exchange for the longest idle one where there are too many; nothing where all
    /// are busy.
    pub fn add(&self) -> Option<Membership> {
        let mut open = self.lock();
        if open.len() >= self.limit {
            let idle = open.iter().filter(|(_, connection)| connection.idle() != BUSY);
            let longest = idle.min_by_key(|(id, connection)| (connection.idle(), **id));
            let id = longest.map(|(id, _)| *id)?;
            if let Some(connection) = open.remove(&id) {
                connection.evicted.notify_one();
            }
        }
        let connection = Connection::new(self.began);
        let id = open.last_key_value().map_or(0, |(last, _)| last + 1);
        open.insert(id, connection.clone());
        Some(Membership { connections: self.clone(), id, connection })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn new(began: Instant) -> Self {
        let connection =
            Self { idle_since: Arc::default(), evicted: Arc::new(Notify::new()), began };
        connection.set_idle();
        connection
    }

    /// A request has arrived.
    pub fn set_busy(&self) {
        self.idle_since.store(BUSY, Ordering::Relaxed);
    }

    /// The request is answered.
    pub fn set_idle(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.idle_since.store(now.saturating_add(1), Ordering::Relaxed);
    }

    /// Waits until another connection needs the room.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }

    fn idle(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut open = self.connections.lock();
        // The number may have been given to another connection after an eviction.
        let is_own = |open: &Connection| Arc::ptr_eq(&open.evicted, &self.connection.evicted);
        if open.get(&self.id).is_some_and(is_own) {
            open.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_longest_idle_goes_and_busy_ones_stay() {
        let connections = Connections::new(2);
        let (first, second) = (connections.add().unwrap(), connections.add().unwrap());
        first.connection.set_busy();
        let third = connections.add().unwrap();
        second.connection.evicted().await;
        third.connection.set_busy();
        assert!(connections.add().is_none(), "all are busy");
        first.connection.set_idle();
        let _fourth = connections.add().unwrap();
        first.connection.evicted().await;
        drop((first, second, third));
        assert_eq!(connections.lock().len(), 1);
    }
}
