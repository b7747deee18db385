//! The durability gate: commands are refused while a server would lose acknowledged writes.

mod servers;

use std::{sync::Arc, time::Duration};

use keyledger_domain::text::in_full;
use keyledger_wire::{
    Prefix, UnsupportedServer,
    query::{ROOM_WARN_PERCENT, Room, ServerStatus, Unwritable},
};
use parking_lot::RwLock;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use self::servers::{ask, judge, rooms, unsupported};
use crate::{
    material::{MaterialError, Materials},
    store::{FULL_WORDS, OpenError, ROOM, Store},
    streams::views_fault,
};

/// How long the servers are given to answer.
const COLLECT: Duration = Duration::from_millis(400);
/// How often they are asked again; also at each reconnect.
const EVERY: Duration = Duration::from_secs(15);
/// How often while the gate is shut: it opens by itself.
const WHILE_SHUT: Duration = Duration::from_secs(1);

/// How often in turn they may be silent until the gate is shut.
const MAX_SILENT: u32 = 5;

/// What the servers say of how they store, and what became of the ledger's stream.
#[derive(Debug, Clone, Default)]
pub struct Durability {
    state: Arc<RwLock<State>>,
    ask_again: Arc<Notify>,
    accept_data_loss: bool,
    /// The service's own streams.
    streams: Arc<[String]>,
}

/// The streams that are looked at again and again.
pub(crate) struct Streams {
    pub(crate) ledger: Arc<dyn Store>,
    pub(crate) materials: Arc<dyn Materials>,
    /// Reaches the queue of tasks and the inventory bucket.
    pub(crate) nats: async_nats::Client,
    pub(crate) prefix: Prefix,
}

/// Why a command was not written, as far as the servers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// Too few servers of a cluster answer.
    NoQuorum(String),
    /// Too few servers have room for one of the streams.
    Full(String),
    /// Too few servers can write one of the streams, for another reason.
    Failing(String),
}

#[derive(Debug, Clone, Default)]
struct State {
    servers: Vec<ServerStatus>,
    /// A server that is too old. To accept the loss of what was acknowledged does not open the gate for it: it can mix up the ledger.
    unsupported: Option<UnsupportedServer>,
    fault: Option<String>,
    /// How often the connection was lost.
    losses: u64,
    /// How many servers the cluster counts; 0 where there is none.
    cluster_size: usize,
    /// How often the servers were asked.
    asked: u64,
    /// How often in turn no server answered while the gate is open.
    silent: u32,
    /// What loses events in the ledger's own stream.
    stream_fault: Option<String>,
}

impl Durability {
    /// A gate of the service under `prefix` that is shut until the servers were asked; or, with `accept_data_loss`, always open.
    #[must_use]
    pub fn new(prefix: &Prefix, accept_data_loss: bool) -> Self {
        let fault = Some("the servers were not asked yet".to_owned());
        let state = State {
            fault,
            ..State::default()
        };
        Self {
            state: Arc::new(RwLock::new(state)),
            ask_again: Arc::default(),
            accept_data_loss,
            streams: [
                prefix.events_stream(),
                Prefix::bucket_stream(&prefix.material_bucket()),
                prefix.tasks_stream(),
                Prefix::bucket_stream(&prefix.inventory_bucket()),
            ]
            .into(),
        }
    }

    /// Why no command may be taken; nothing if all is durable, or loss was accepted.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let state = self.state.read();
        let fault = state.fault.clone().filter(|_| !self.accept_data_loss);
        state.hard_fault().or(fault)
    }

    /// A server that Keyledger does not work with, of those that answered last.
    #[must_use]
    pub fn unsupported(&self) -> Option<UnsupportedServer> {
        self.state.read().unsupported.clone()
    }

    /// True if every acknowledged write survives power loss.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        let state = self.state.read();
        state.fault.is_none() && state.hard_fault().is_none()
    }

    /// `durable`, or what is wrong.
    #[must_use]
    pub fn describe(&self) -> String {
        let state = self.state.read();
        if let Some(fault) = state.hard_fault() {
            return fault;
        }
        match (state.fault.clone(), self.accept_data_loss) {
            (None, _) => "durable".to_owned(),
            (Some(fault), false) => fault,
            (Some(fault), true) => format!("DATA LOSS ACCEPTED: {fault}"),
        }
    }

    /// The servers that answered last.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.state.read().servers.clone()
    }

    /// One that knows of a server with so much room on disk, and no memory.
    #[cfg(test)]
    pub(crate) fn with_room(bytes: u64) -> Self {
        let durability = Self::new(&Prefix::default(), false);
        let disk = Some(Room {
            used: 0,
            most: bytes,
        });
        let server = ServerStatus {
            disk,
            ..tests::server("a", &[])
        };
        durability.state.write().servers.push(server);
        durability
    }

    /// How full the fullest server's disk is, in percent of what JetStream may take there.
    #[must_use]
    pub fn used_percent(&self) -> u64 {
        let state = self.state.read();
        let disks = state
            .servers
            .iter()
            .filter_map(|server| server.disk.as_ref());
        disks.map(Room::used_percent).max().unwrap_or_default()
    }

    /// What JetStream may take of disk and memory on the server that has least; nothing if none says so.
    #[must_use]
    pub fn least_room(&self) -> Option<(u64, u64)> {
        let state = self.state.read();
        let disk = state
            .servers
            .iter()
            .filter_map(|s| Some(s.disk.as_ref()?.most));
        let memory = state
            .servers
            .iter()
            .filter_map(|s| Some(s.memory.as_ref()?.most));
        Some((disk.min()?, memory.min()?))
    }

    /// Asks every server now.
    pub async fn check(&self, system: &async_nats::Client) {
        let losses = self.state.read().losses;
        let (servers, cluster_size, fault) = match ask(system, &self.streams).await {
            Ok((servers, size)) => (servers.clone(), size, judge(&servers)),
            Err(unknown) => {
                let fault = format!(
                    "the servers do not say how they store: {}",
                    in_full(&unknown)
                );
                (Vec::new(), 0, Some(fault))
            }
        };
        let mut state = self.state.write();
        state.asked += 1;
        if state.losses != losses {
            // Asked before the connection was lost: what was said then says nothing of now.
            return self.ask_again.notify_one();
        }
        // A busy machine is silent for a moment. How a server stores changes only with its start, which cuts connections.
        if servers.is_empty() && state.fault.is_none() && state.silent < MAX_SILENT {
            state.silent += 1;
            tracing::warn!(
                times = state.silent,
                "no server says how it stores; asking again"
            );
            return;
        }
        state.silent = 0;
        if let Some(fault) = &fault
            && state.fault.as_ref() != Some(fault)
        {
            tracing::error!(%fault, accepted = self.accept_data_loss, "not durable");
        }
        for (server, what, room) in servers.iter().flat_map(rooms) {
            let percent = room.used_percent();
            if percent >= ROOM_WARN_PERCENT {
                let Room { used, most } = *room;
                tracing::warn!(%server, what, percent, used, most, "JetStream's store fills up");
            }
        }
        state.judge_versions(&servers);
        state.servers = servers;
        state.cluster_size = cluster_size;
        state.fault = fault;
    }

    /// The connection is lost: what comes back may be another server, or the same with other settings. Shuts the gate
    /// until it was asked.
    pub fn disconnected(&self) {
        let fault = "the connection was lost, and the servers were not asked since".to_owned();
        let mut state = self.state.write();
        state.losses += 1;
        state.fault = Some(fault);
    }

    /// The connection is back: asks at once.
    pub fn reconnected(&self) {
        self.ask_again.notify_one();
    }

    /// Asks the servers now why nothing is written, if they know.
    pub(crate) async fn why_not_written(&self) -> Option<NotWritten> {
        let before = self.state.read().asked;
        self.ask_again.notify_one();
        let end = Instant::now() + 3 * COLLECT;
        while self.state.read().asked == before && Instant::now() < end {
            tokio::time::sleep(COLLECT / 8).await;
        }
        self.state.read().why_not_written()
    }

    /// Looks again and again whether the streams keep what they hold: somebody may change a setting while the service runs, by which
    /// history is deleted. That shuts the gate, also where the loss of what was just acknowledged is accepted. Where sealed keys would be
    /// deleted, none is made; everything else goes on, revocations above all. What is wrong with the view or the queue of tasks is logged:
    /// the ledger has all that they hold.
    pub(crate) async fn watch_streams(self, streams: Streams) {
        let (mut material_fault, mut beside): (Option<String>, Option<String>) = (None, None);
        loop {
            let shut = self.state.read().stream_fault.is_some() || material_fault.is_some();
            tokio::time::sleep(if shut { WHILE_SHUT } else { EVERY }).await;
            // The ledger first: a server that does not answer for the others must not delay it.
            self.examine_ledger(&*streams.ledger).await;
            let fault = match streams.materials.examine().await {
                Ok(()) => None,
                Err(fault @ MaterialError::Setting(_)) => Some(fault.to_string()),
                // What was found last counts until the bucket answers again. What else is wrong is heard where it is used.
                Err(
                    MaterialError::Missing { .. }
                    | MaterialError::Unavailable(_)
                    | MaterialError::Full { .. }
                    | MaterialError::Refused { .. }
                    | MaterialError::Unread(_),
                ) => material_fault.clone(),
            };
            if material_fault != fault {
                match &fault {
                    Some(fault) => {
                        tracing::error!(%fault, "SEALED KEYS MAY BE LOST; no key is made")
                    }
                    None => tracing::info!("the bucket of sealed keys keeps what it holds again"),
                }
                material_fault = fault;
            }
            let fault = views_fault(&streams.nats, &streams.prefix).await;
            if beside != fault {
                match &fault {
                    Some(fault) => {
                        tracing::error!(%fault, "a stream beside the ledger was changed")
                    }
                    None => tracing::info!("no fault of the streams beside the ledger is seen now"),
                }
                beside = fault;
            }
        }
    }

    /// Looks at the ledger's stream, and shuts or opens the gate.
    async fn examine_ledger(&self, ledger: &dyn Store) {
        let fault = match ledger.examine().await {
            Ok(()) => None,
            // Away for a moment is no wrong setting.
            Err(OpenError::Unreachable(_)) => return,
            Err(fault) => Some(fault.to_string()),
        };
        let mut state = self.state.write();
        if state.stream_fault != fault {
            match &fault {
                Some(fault) => {
                    tracing::error!(%fault, "THE LEDGER MAY BE LOST; no command is taken")
                }
                None => tracing::info!("the ledger's stream keeps what it holds again"),
            }
            state.stream_fault = fault;
        }
    }

    /// Asks again and again, for ever.
    pub async fn watch(self, system: async_nats::Client) {
        loop {
            let quiet = self.is_durable() && self.state.read().silent == 0;
            let pause = if quiet { EVERY } else { WHILE_SHUT };
            let _ = timeout(pause, self.ask_again.notified()).await;
            self.check(&system).await;
        }
    }
}

impl State {
    /// Notes whether a server is too old. Silence says nothing: it does not open a gate that is shut.
    fn judge_versions(&mut self, servers: &[ServerStatus]) {
        if servers.is_empty() {
            return;
        }
        let unsupported = unsupported(servers);
        if let Some(server) = &unsupported
            && self.unsupported.as_ref() != Some(server)
        {
            tracing::error!(%server, "no command is taken");
        }
        self.unsupported = unsupported;
    }

    /// Why no command may be taken, also where data loss is accepted.
    fn hard_fault(&self) -> Option<String> {
        let unsupported = self.unsupported.as_ref().map(ToString::to_string);
        self.stream_fault.clone().or(unsupported)
    }

    fn why_not_written(&self) -> Option<NotWritten> {
        let storing = || self.servers.iter().filter(|s| s.sync_always.is_some());
        let (answering, size) = (storing().count(), self.cluster_size);
        let needed = size / 2 + 1;
        if size > 1 && answering < needed {
            let answer = if answering == 1 { "answers" } else { "answer" };
            return Some(NotWritten::NoQuorum(format!(
                "{answering} of {size} servers {answer}; try again when {needed} are up"
            )));
        }
        let mut unwritable = storing().flat_map(|server| &server.unwritable);
        let most = unwritable.find(|Unwritable { stream, .. }| {
            let cannot = |server: &&ServerStatus| {
                let mut streams = server.unwritable.iter();
                streams.any(|unwritable| unwritable.stream == *stream)
            };
            answering - storing().filter(cannot).count() < needed
        });
        most.map(|Unwritable { stream, said }| {
            let why = format!("nats-server cannot write {stream}: {said}");
            if FULL_WORDS.iter().any(|words| said.contains(words)) {
                NotWritten::Full(format!("{why}; {ROOM}"))
            } else {
                NotWritten::Failing(format!(
                    "{why}; make room on its disk or mend it, then restart nats-server: it takes no writes until then"
                ))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const LEDGER: &str = "KEYS_EVENTS";
    pub(super) const NO_SPACE: &str = "no space left on device";

    /// A server that cannot write these streams.
    pub(super) fn server(name: &str, unwritable: &[(&str, &str)]) -> ServerStatus {
        let unwritable = unwritable.iter().map(|(stream, said)| Unwritable {
            stream: (*stream).to_owned(),
            said: (*said).to_owned(),
        });
        ServerStatus {
            name: name.to_owned(),
            version: "2.15.1".to_owned(),
            sync_always: Some(true),
            disk: Some(Room { used: 0, most: 0 }),
            memory: Some(Room { used: 0, most: 0 }),
            open_batches: None,
            unwritable: unwritable.collect(),
        }
    }

    fn why(cluster_size: usize, servers: Vec<ServerStatus>) -> Option<NotWritten> {
        let state = State {
            servers,
            cluster_size,
            ..State::default()
        };
        state.why_not_written()
    }

    #[test]
    fn what_most_servers_cannot_write_is_not_written() {
        assert_eq!(why(0, vec![server("a", &[])]), None);
        let full = |name| server(name, &[(LEDGER, NO_SPACE)]);
        let Some(NotWritten::Full(said)) = why(0, vec![full("a")]) else {
            panic!("its only server is full");
        };
        assert!(
            said.contains("KEYS_EVENTS: no space left on device"),
            "{said}"
        );
        assert!(said.contains("restart nats-server"), "{said}");
        let failing = why(0, vec![server("a", &[(LEDGER, "input/output error")])]);
        assert!(
            matches!(failing, Some(NotWritten::Failing(_))),
            "{failing:?}"
        );

        let (b, c) = (server("b", &[]), server("c", &[]));
        assert_eq!(why(3, vec![full("a"), b.clone(), c.clone()]), None);
        let two = why(3, vec![full("a"), full("b"), c.clone()]);
        assert!(matches!(two, Some(NotWritten::Full(_))), "{two:?}");
        // Of different streams each has its majority.
        let other = server("b", &[("KV_KEYS_MATERIAL", NO_SPACE)]);
        assert_eq!(why(3, vec![full("a"), other, c.clone()]), None);
        let of_two = why(3, vec![full("a"), b]);
        assert!(matches!(of_two, Some(NotWritten::Full(_))), "{of_two:?}");
        let alone = why(3, vec![c]);
        assert!(matches!(alone, Some(NotWritten::NoQuorum(_))), "{alone:?}");
    }
    #[test]
    fn a_server_that_is_too_old_shuts_the_gate_also_where_data_loss_is_accepted() {
        let aged = |version: &str| ServerStatus {
            version: version.to_owned(),
            ..server("b", &[])
        };
        // A server without JetStream counts as well.
        let idle = ServerStatus {
            sync_always: None,
            ..aged("2.12.15")
        };
        for old in [aged("2.15.0"), idle] {
            let gate = Durability::new(&Prefix::default(), true);
            let servers = vec![server("a", &[]), old];
            {
                let mut state = gate.state.write();
                state.fault = judge(&servers);
                state.judge_versions(&servers);
            }
            let refusal = gate.refusal().unwrap();
            assert!(refusal.contains("nats-server b"), "{refusal}");
            assert!(refusal.contains("2.15.1 or later"), "{refusal}");
            assert_eq!(gate.describe(), refusal);
            assert!(!gate.is_durable());
            assert_eq!(gate.unsupported().unwrap().name, "b");
            // Nor does it open while nobody answers.
            gate.state.write().judge_versions(&[]);
            assert_eq!(gate.unsupported().unwrap().name, "b");
            gate.state.write().judge_versions(&[server("b", &[])]);
            assert_eq!(gate.unsupported(), None);
        }
        assert_eq!(unsupported(&[server("a", &[]), aged("2.16.0")]), None);
    }
}
