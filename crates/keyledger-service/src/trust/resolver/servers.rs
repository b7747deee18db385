//! The servers: which there are, and what each says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
    time::Duration,
};

use async_nats::Client;
use bytes::Bytes;
use futures::StreamExt;
use keyledger_wire::subject::system;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{sync::mpsc, time::Instant};

use crate::scatter::{NotAsked, scatter};

/// How long answers are gathered where it is not known how many servers there are.
const GATHER: Duration = Duration::from_millis(300);
/// How long the known servers are given to answer: one that takes longer is looked for anew.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a server that says nothing any more is remembered.
const REMEMBER: Duration = Duration::from_secs(7 * 86_400);

/// Why the servers are not known. The next try may find them.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServersError {
    /// None was asked.
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    /// None answered in time: is the connection of the system account up?
    #[error("no server answers in the system account")]
    NoServer,
    /// Nothing is heard of them any more: subscribe anew.
    #[error("the subscription has ended")]
    Ended,
}

/// The servers of a system.
#[derive(Debug)]
pub(super) struct Servers {
    system: Client,
    registry: Mutex<Registry>,
    /// Told of each server that was not there before.
    joined: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
struct Registry {
    /// Those that answer, by the ids they have since they started.
    known: BTreeMap<String, Box<str>>,
    /// When each was heard of last, by name: also those that are silent now.
    seen: BTreeMap<Box<str>, Instant>,
}

/// What all servers said to one question.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answers: Vec<Bytes>,
    /// True if every known server answered.
    pub(super) complete: bool,
}

/// A message of a server's that says whose it is.
#[derive(Deserialize)]
struct FromServer {
    server: Server,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    name: Box<str>,
}

impl Servers {
    pub(super) fn new(system: Client, joined: mpsc::Sender<()>) -> Self {
        Self {
            system,
            registry: Mutex::default(),
            joined,
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.system
    }

    /// How often the connection was made.
    pub(super) fn connects(&self) -> u64 {
        self.system.statistics().connects.load(Ordering::Relaxed)
    }

    /// The addresses of servers that the one connected to tells of: another one is there as soon as this changes.
    pub(super) fn addresses(&self) -> BTreeSet<String> {
        self.system.server_info().connect_urls.into_iter().collect()
    }

    /// The names of those that answer, in order.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.registry.lock().known.values().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The names of those that answered once and do not now, with the seconds since.
    pub(super) fn silent(&self) -> Vec<(Box<str>, u64)> {
        let registry = self.registry.lock();
        let answering: BTreeSet<_> = registry.known.values().collect();
        let silent = registry
            .seen
            .iter()
            .filter(|(name, at)| !answering.contains(name) && at.elapsed() < REMEMBER);
        silent
            .map(|(name, at)| (name.clone(), at.elapsed().as_secs()))
            .collect()
    }

    /// Hears of servers until the subscription ends.
    pub(super) async fn watch(&self) -> Result<(), ServersError> {
        let subscription = self.system.subscribe(system::SERVER_EVENTS).await;
        let mut events = subscription.map_err(NotAsked::from)?;
        while let Some(message) = events.next().await {
            let Some(server) = server_of(&message.payload) else {
                continue;
            };
            let is_new = self.registry.lock().heard(server);
            self.tell(is_new);
        }
        Err(ServersError::Ended)
    }

    /// Reports that a server came. A full channel is as good as a message: its reader looks at all servers.
    fn tell(&self, is_new: bool) {
        if is_new {
            tracing::info!("a server is there that was not");
            let _ = self.joined.try_send(());
        }
    }

    /// Finds out which servers there are now.
    pub(super) async fn find(&self) -> Result<(), ServersError> {
        let answers = self.scatter(system::PING, None, GATHER).await?;
        let found: Vec<_> = answers
            .iter()
            .filter_map(|answer| server_of(answer))
            .collect();
        if found.is_empty() {
            return Err(ServersError::NoServer);
        }
        let is_new = self.registry.lock().found(found);
        self.tell(is_new);
        Ok(())
    }

    /// Asks every server. Those that are gone are forgotten, not waited for again.
    pub(super) async fn ask(&self, subject: &str) -> Result<Said, ServersError> {
        if self.registry.lock().known.is_empty() {
            self.find().await?;
        }
        let known = self.registry.lock().known.len();
        let answers = self.scatter(subject, Some(known), ANSWER).await?;
        let complete = answers.len() >= known;
        if !complete {
            self.find().await?;
        }
        // Complete also if as many answered as there are after all.
        let complete = complete || answers.len() >= self.registry.lock().known.len();
        Ok(Said { answers, complete })
    }

    /// What the known servers say within a moment.
    pub(super) async fn ask_briefly(
        &self,
        subject: &str,
        within: Duration,
    ) -> Result<Vec<Bytes>, NotAsked> {
        let known = self.registry.lock().known.len();
        self.scatter(subject, Some(known.max(1)), within).await
    }

    /// As [`scatter`].
    pub(super) async fn scatter(
        &self,
        subject: &str,
        count: Option<usize>,
        within: Duration,
    ) -> Result<Vec<Bytes>, NotAsked> {
        scatter(&self.system, subject, "", count, within).await
    }
}

impl Registry {
    /// Notes which servers there are now, and no others; true if one was not known, though some were.
    fn found(&mut self, servers: Vec<Server>) -> bool {
        let before = std::mem::take(&mut self.known);
        for server in servers {
            self.heard(server);
        }
        !before.is_empty() && self.known.keys().any(|id| !before.contains_key(id))
    }

    /// Notes that a server was heard of; true if it was not known. A server has another id after each start.
    fn heard(&mut self, server: Server) -> bool {
        self.seen.insert(server.name.clone(), Instant::now());
        // It has another id since it started: the old one does not answer any more.
        self.known
            .retain(|id, name| *id == server.id || *name != server.name);
        self.known.insert(server.id, server.name).is_none()
    }
}

fn server_of(payload: &[u8]) -> Option<Server> {
    Some(serde_json::from_slice::<FromServer>(payload).ok()?.server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, name: &str) -> Server {
        Server {
            id: id.to_owned(),
            name: name.into(),
        }
    }

    #[test]
    fn a_server_that_came_is_told_of_once_however_it_was_noticed() {
        let mut registry = Registry::default();
        // At the start nothing is compared with: all are asked what they hold before anything is pushed.
        assert!(!registry.found(vec![server("1", "a"), server("2", "b")]));
        assert!(!registry.found(vec![server("1", "a")]));
        assert!(registry.found(vec![server("1", "a"), server("3", "b")]));
        assert!(!registry.heard(server("3", "b")));
        assert!(registry.heard(server("4", "b")));
        assert!(!registry.found(vec![server("1", "a"), server("4", "b")]));
        assert_eq!(registry.known.len(), 2);
    }
}
