//! The open sessions: each is a connection to its own session process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use session_limit_admin::api::Request;
use session_limit_session::ipc::Reply;
use tokio::sync::{mpsc, oneshot};

use super::cookies::Hash;
use super::packets::Packets;

/// Requests of one session that may wait for their turn.
const QUEUE: usize = 16;

type Question = (Request, oneshot::Sender<Option<Reply>>);

/// The open sessions, by the hash of their word.
#[derive(Clone, Default)]
pub struct Table {
    sessions: Arc<Mutex<BTreeMap<Hash, Session>>>,
}

/// An open session.
#[derive(Clone)]
pub struct Session {
    /// The hash of the session's word.
    pub id: Hash,
    /// The hash of the word against forged requests.
    pub csrf: Hash,
    questions: mpsc::Sender<Question>,
}

impl Table {
    /// Takes a session in. It is gone from the table as soon as its process is.
    pub fn add(&self, id: Hash, csrf: Hash, packets: Packets) -> Session {
        let (questions, queue) = mpsc::channel(QUEUE);
        let session = Session { id, csrf, questions };
        self.lock().insert(id, session.clone());
        let table = self.clone();
        tokio::spawn(async move {
            relay(packets, queue).await;
            table.lock().remove(&id);
        });
        session
    }

    /// Returns the session that one of the hashes belongs to.
    pub fn find(&self, hashes: &[Hash]) -> Option<Session> {
        let sessions = self.lock();
        hashes.iter().find_map(|hash| sessions.get(hash).cloned())
    }

    /// Ends a session: without a way to ask it its connection closes.
    pub fn remove(&self, id: Hash) {
        self.lock().remove(&id);
    }

    /// Returns how many sessions are open.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Asks the session process; nothing where the session is over.
    pub async fn ask(&self, request: Request) -> Option<Reply> {
        let (answer, answered) = oneshot::channel();
        self.questions.send((request, answer)).await.ok()?;
        answered.await.ok()?
    }
}

/// Hands requests on, one at a time, until the session process or all who could ask are gone.
async fn relay(packets: Packets, mut queue: mpsc::Receiver<Question>) {
    loop {
        let question = tokio::select! {
            biased;
            () = packets.closed() => return,
            question = queue.recv() => question,
        };
        let Some((request, answer)) = question else { return };
        match packets.ask(&request).await {
            Ok(Some(reply)) => {
                // A client that is gone needs no answer.
                let _ = answer.send(Some(reply));
            }
            Ok(None) | Err(_) => return,
        }
    }
}
