//! What the servers say of themselves: how they store, how much room they have, and what they cannot write.

use bytes::Bytes;
use keyledger_wire::{
    ServerVersion, UnsupportedServer,
    query::{Room, ServerStatus, Unwritable},
    subject::system,
};
use serde::Deserialize;

use super::COLLECT;
use crate::scatter::{NotAsked, scatter};

/// Why it is not known how the servers store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// They were not asked.
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    /// What one answered cannot be read.
    #[error("an answer cannot be read")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Reply {
    server: Option<Server>,
    data: Option<Varz>,
}

/// What a server says of its health.
#[derive(Deserialize)]
struct HealthReply {
    server: Option<Server>,
    data: Option<Health>,
}

#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    errors: Vec<HealthError>,
}

#[derive(Deserialize)]
struct HealthError {
    #[serde(default)]
    stream: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Server {
    name: String,
    #[serde(default)]
    ver: String,
}

#[derive(Deserialize)]
struct Varz {
    #[serde(default)]
    jetstream: Option<Jetstream>,
}

#[derive(Deserialize)]
struct Jetstream {
    config: Option<JetstreamConfig>,
    stats: Option<JetstreamStats>,
    meta: Option<Meta>,
    limits: Option<JetstreamLimits>,
}

/// What its configuration limits; what it does not name has nats-server's own limits.
#[derive(Deserialize)]
struct JetstreamLimits {
    max_batch_inflight_total: Option<u64>,
}

/// The group of all servers of a cluster that have JetStream.
#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    cluster_size: usize,
}

#[derive(Deserialize)]
struct JetstreamConfig {
    #[serde(default)]
    sync_always: bool,
    #[serde(default)]
    max_memory: u64,
    #[serde(default)]
    max_storage: u64,
}

#[derive(Deserialize)]
struct JetstreamStats {
    #[serde(default)]
    memory: u64,
    #[serde(default)]
    storage: u64,
}

/// What each server says, and how many the cluster counts.
pub(super) async fn ask(
    system: &async_nats::Client,
    streams: &[String],
) -> Result<(Vec<ServerStatus>, usize), Unknown> {
    let (figures, health) = tokio::join!(
        scatter(system, system::VARZ, "", None, COLLECT),
        scatter(
            system,
            system::HEALTHZ,
            r#"{"details":true}"#,
            None,
            COLLECT
        ),
    );
    // How servers store is told without it.
    let health = health.unwrap_or_default();
    let (mut servers, mut size) = (Vec::new(), 0);
    for answer in figures? {
        let reply: Reply = serde_json::from_slice(&answer)?;
        let Some(server) = reply.server else { continue };
        let jetstream = reply.data.and_then(|varz| varz.jetstream);
        let meta = jetstream.as_ref().and_then(|js| js.meta.as_ref());
        size = meta.map_or(size, |meta| size.max(meta.cluster_size));
        let limits = jetstream.as_ref().and_then(|js| js.limits.as_ref());
        let open_batches = limits.and_then(|limits| limits.max_batch_inflight_total);
        let (config, stats) = jetstream.map_or((None, None), |js| (js.config, js.stats));
        let room = |used: fn(&JetstreamStats) -> u64, most: fn(&JetstreamConfig) -> u64| {
            let used = used(stats.as_ref()?);
            let most = most(config.as_ref()?);
            Some(Room { used, most })
        };
        servers.push(ServerStatus {
            unwritable: unwritable(&server.name, &health, streams),
            name: server.name,
            version: server.ver,
            sync_always: config.as_ref().map(|config| config.sync_always),
            disk: room(|stats| stats.storage, |config| config.max_storage),
            memory: room(|stats| stats.memory, |config| config.max_memory),
            open_batches,
        });
    }
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((servers, size))
}

/// Which of these streams a server says that it cannot write.
fn unwritable(server: &str, health: &[Bytes], streams: &[String]) -> Vec<Unwritable> {
    const FAILED: &str = "write error: ";
    let replies = health
        .iter()
        .filter_map(|answer| serde_json::from_slice::<HealthReply>(answer).ok());
    let own = replies.filter(|reply| reply.server.as_ref().is_some_and(|s| s.name == server));
    let errors = own.filter_map(|reply| Some(reply.data?.errors)).flatten();
    errors
        .filter(|error| streams.contains(&error.stream))
        .filter_map(|error| {
            let (_, why) = error.error.split_once(FAILED)?;
            // Without the path of the file, which is nobody's business but the server's.
            let said = why.rsplit(": ").next().unwrap_or(why);
            Some(Unwritable {
                stream: error.stream,
                said: said.chars().filter(|c| !c.is_control()).take(200).collect(),
            })
        })
        .collect()
}

/// What a server has room in.
pub(super) fn rooms(server: &ServerStatus) -> impl Iterator<Item = (&str, &'static str, &Room)> {
    let rooms = [("disk", &server.disk), ("memory", &server.memory)];
    rooms
        .into_iter()
        .filter_map(|(what, room)| Some((server.name.as_str(), what, room.as_ref()?)))
}

/// The first of these servers that is too old. One without JetStream counts too: it forwards what others store, and enforces permissions.
pub(super) fn unsupported(servers: &[ServerStatus]) -> Option<UnsupportedServer> {
    let check = |server: &ServerStatus| ServerVersion::check(&server.name, &server.version).err();
    servers.iter().find_map(check)
}

pub(super) fn judge(servers: &[ServerStatus]) -> Option<String> {
    let storing: Vec<_> = servers.iter().filter(|s| s.sync_always.is_some()).collect();
    if storing.is_empty() {
        return Some(
            "no server with JetStream says how it stores: a server switches JetStream off where its disk is full; make room, then restart it"
                .to_owned(),
        );
    }
    let lax: Vec<_> = storing
        .iter()
        .filter(|s| s.sync_always == Some(false))
        .map(|s| s.name.as_str())
        .collect();
    (!lax.is_empty()).then(|| {
        format!(
            "server {} does not sync writes to disk before it acknowledges them: set `jetstream {{ sync_interval: always }}` there",
            lax.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{LEDGER, NO_SPACE, server},
        *,
    };

    #[test]
    fn a_server_says_what_it_cannot_write() {
        let error = |stream: &str, error: &str| {
            let kind = if stream.is_empty() {
                "ACCOUNT"
            } else {
                "STREAM"
            };
            serde_json::json!({ "type": kind, "account": "A", "stream": stream, "error": error })
        };
        // As nats-server 2.15.1 says it.
        let failed = "JetStream stream 'A > KEYS_EVENTS' write error: write /js/A/streams/KEYS_EVENTS/msgs/1.blk: no space left on device";
        let health = serde_json::json!({
            "server": { "name": "a" },
            "data": { "status": "error", "status_code": 503, "errors": [
                error(LEDGER, failed),
                error("ORDERS", failed),
                error(LEDGER, "JetStream stream 'A > KEYS_EVENTS' is not current"),
                error("", "JetStream account 'A' could not be resolved"),
            ] },
        });
        let well = serde_json::json!({ "server": { "name": "b" }, "data": { "status": "ok" } });
        let health: Vec<Bytes> = [health, well]
            .map(|answer| serde_json::to_vec(&answer).unwrap().into())
            .into();
        let streams = [LEDGER.to_owned()];
        let found = unwritable("a", &health, &streams);
        assert_eq!(found, server("a", &[(LEDGER, NO_SPACE)]).unwritable);
        assert_eq!(unwritable("b", &health, &streams), []);
    }
}
