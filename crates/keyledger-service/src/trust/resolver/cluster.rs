//! JetStream's cluster, as its leader sees it: without a leader nothing is written.

use std::time::Duration;

use keyledger_wire::subject::system;
use serde::Deserialize;

use super::servers::Servers;

/// How long the servers are given to answer.
const GATHER: Duration = Duration::from_millis(400);

/// How JetStream's cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterState {
    /// How many servers belong to it.
    pub(crate) size: usize,
    /// Its leader's name; nothing while there is none.
    pub(crate) leader: Option<Box<str>>,
    /// Those that the leader does not reach, or that have not caught up.
    pub(crate) away: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Reply {
    data: Option<Jsz>,
}

#[derive(Deserialize)]
struct Jsz {
    meta_cluster: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    leader: Box<str>,
    #[serde(default)]
    cluster_size: usize,
    #[serde(default)]
    replicas: Vec<Replica>,
}

#[derive(Deserialize)]
struct Replica {
    name: Box<str>,
    #[serde(default)]
    current: bool,
    #[serde(default)]
    offline: bool,
}

/// Asks every server.
pub(super) async fn ask(servers: &Servers) -> Option<ClusterState> {
    let answers = servers.scatter(system::JSZ, None, GATHER).await.ok()?;
    let metas = answers.iter().filter_map(|answer| {
        let reply: Reply = serde_json::from_slice(answer).ok()?;
        reply.data?.meta_cluster
    });
    seen(metas)
}

/// What the servers say together: the leader's list of replicas is the longest.
fn seen(metas: impl Iterator<Item = Meta>) -> Option<ClusterState> {
    let meta = metas.max_by_key(|meta| (!meta.leader.is_empty(), meta.replicas.len()))?;
    let away = meta.replicas.iter().filter(|r| r.offline || !r.current);
    Some(ClusterState {
        size: meta.cluster_size,
        away: away.map(|replica| replica.name.clone()).collect(),
        leader: (!meta.leader.is_empty()).then_some(meta.leader),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(json: serde_json::Value) -> Meta {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_leader_says_who_is_away_and_without_one_nobody_does() {
        let follower = meta(serde_json::json!({ "leader": "a", "cluster_size": 3 }));
        let leader = meta(serde_json::json!({
            "leader": "a", "cluster_size": 3,
            "replicas": [{ "name": "b", "current": true }, { "name": "c", "current": false, "offline": true }],
        }));
        let found = seen([follower, leader].into_iter()).unwrap();
        assert_eq!((found.size, found.leader.as_deref()), (3, Some("a")));
        assert_eq!(found.away, ["c".into()]);
        let lost = seen([meta(serde_json::json!({ "cluster_size": 3 }))].into_iter()).unwrap();
        assert_eq!(lost.leader, None);
        assert_eq!(seen(std::iter::empty()), None);
    }
}
