//! The servers: which there are, and what each says.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use async_nats::{Client, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use keyledger_wire::subject::system;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

/// How long answers are gathered where it is not known how many servers there are.
const GATHER: Duration = Duration::from_millis(300);
/// How long the known servers are given to answer: one that takes longer is looked for anew.
const ANSWER: Duration = Duration::from_secs(1);

/// The servers of a system, by the ids they have since they started.
#[derive(Debug)]
pub(super) struct Servers {
    system: Client,
    known: Mutex<BTreeMap<String, Box<str>>>,
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
struct Signed {
    server: Server,
}

#[derive(Deserialize)]
struct Server {
    id: String,
    name: Box<str>,
}

impl Servers {
    pub(super) fn new(system: Client) -> Self {
        Self {
            system,
            known: Mutex::default(),
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.system
    }

    /// How often the connection was made.
    pub(super) fn connects(&self) -> u64 {
        self.system.statistics().connects.load(Ordering::Relaxed)
    }

    /// Their names, in order.
    pub(super) fn names(&self) -> Vec<Box<str>> {
        let mut names: Vec<_> = self.known.lock().values().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Hears of servers until the subscription ends. A server has another id after each start.
    pub(super) async fn watch(&self, started: &mpsc::Sender<()>) -> Result<(), String> {
        let subscription = self.system.subscribe(system::SERVER_EVENTS).await;
        let mut events = subscription.map_err(|e| e.to_string())?;
        while let Some(message) = events.next().await {
            let Some(server) = server_of(&message.payload) else {
                continue;
            };
            let name = server.name.clone();
            if self.known.lock().insert(server.id, server.name).is_none() {
                tracing::info!(server = %name, "a server is there");
                let _ = started.try_send(());
            }
        }
        Err("the subscription has ended".to_owned())
    }

    /// Finds out which servers there are now.
    pub(super) async fn find(&self) -> Result<(), String> {
        let answers = self.scatter(system::PING, None).await?;
        let servers = answers.iter().filter_map(|answer| server_of(answer));
        let found: BTreeMap<_, _> = servers.map(|s| (s.id, s.name)).collect();
        if found.is_empty() {
            return Err("no server answers in the system account".to_owned());
        }
        *self.known.lock() = found;
        Ok(())
    }

    /// Asks every server. Those that are gone are forgotten, not waited for again.
    pub(super) async fn ask(&self, subject: &str) -> Result<Said, String> {
        if self.known.lock().is_empty() {
            self.find().await?;
        }
        let known = self.known.lock().len();
        let answers = self.scatter(subject, Some(known)).await?;
        let complete = answers.len() >= known;
        if !complete {
            self.find().await?;
        }
        // Complete also if as many answered as there are after all.
        let complete = complete || answers.len() >= self.known.lock().len();
        Ok(Said { answers, complete })
    }

    /// Asks all servers at once, and gathers `count` answers; or all that come in time.
    async fn scatter(&self, subject: &str, count: Option<usize>) -> Result<Vec<Bytes>, String> {
        let inbox = self.system.new_inbox();
        let subscription = self.system.subscribe(inbox.clone()).await;
        let mut replies = subscription.map_err(|e| e.to_string())?;
        let sent = self
            .system
            .publish_with_reply(subject.to_owned(), inbox, Bytes::new())
            .await;
        sent.map_err(|e| e.to_string())?;
        let end = Instant::now() + if count.is_some() { ANSWER } else { GATHER };
        let mut answers = Vec::new();
        while count.is_none_or(|count| answers.len() < count) {
            let Ok(Some(message)) = timeout_at(end, replies.next()).await else {
                break;
            };
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                return Err("nobody answers in the system account".to_owned());
            }
            answers.push(message.payload);
        }
        Ok(answers)
    }
}

fn server_of(payload: &[u8]) -> Option<Server> {
    Some(serde_json::from_slice::<Signed>(payload).ok()?.server)
}
