//! Three real nats-servers in a cluster.

use std::path::Path;
use std::time::Instant;

use futures::future::join_all;

use crate::config::{Config, Place, Routes};
use crate::ports::FreePort;
use crate::process::{PATIENCE, POLL};
use crate::proxy::Proxy;
use crate::server::{NatsServer, NotUp};

/// The smallest number of servers of which one may fail.
const SERVERS: usize = 3;

/// A cluster of three nats-servers on loopback, for streams with three replicas; gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    servers: Vec<NatsServer>,
    /// What goes from one server to another, where that can be cut.
    links: Vec<Link>,
}

/// Routes that one server opens to another.
#[derive(Debug)]
struct Link {
    from: usize,
    to: usize,
    proxy: Proxy,
}

impl Cluster {
    /// Starts three servers with the same configuration and waits until JetStream has a leader and all are healthy.
    ///
    /// # Panics
    ///
    /// As [`NatsServer::start`], and if no leader is elected within [`PATIENCE`].
    pub async fn start(config: Config) -> Self {
        Self::start_linked(config, false).await
    }

    /// Starts a cluster whose servers can be cut off from each other: see [`Cluster::cut_off`]. Clients hear of no server but
    /// the one that they connect to.
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`], and if the configuration is not the shipped one.
    pub async fn start_severable(config: Config) -> Self {
        // No server learns from another how to reach a third one past our proxies: at port 1 nobody listens.
        let listen = "listen: $KEYLEDGER_CLUSTER_LISTEN";
        let hidden = format!("{listen}\n    advertise: \"127.0.0.1:1\"\n    no_advertise: true");
        Self::start_linked(config.replace(listen, &hidden), true).await
    }

    async fn start_linked(config: Config, severable: bool) -> Self {
        loop {
            let ports: Vec<_> = (0..SERVERS).map(|_| FreePort::find()).collect();
            let mut links = Vec::new();
            for (from, to) in pairs().filter(|_| severable) {
                let proxy = Proxy::to(ports[to].number()).await;
                links.push(Link { from, to, proxy });
            }
            let mut servers: Vec<_> = places(&ports, &links)
                .map(|place| NatsServer::prepare(config.clone(), place))
                .collect();
            let launched: Result<Vec<()>, NotUp> =
                join_all(servers.iter_mut().map(NatsServer::launch))
                    .await
                    .into_iter()
                    .collect();
            match launched {
                Ok(_) => {
                    let cluster = Self { servers, links };
                    cluster.wait_for_leader().await;
                    cluster.wait_until_healthy().await;
                    return cluster;
                }
                Err(NotUp::PortTaken) => {}
                Err(NotUp::Refused(log)) => panic!("a nats-server did not start\n{log}"),
            }
        }
    }

    /// Starts a cluster without authentication and with JetStream; see [`Config::simple_jetstream`].
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`].
    pub async fn simple_jetstream(sync_always: bool) -> Self {
        Self::start(Config::simple_jetstream(sync_always)).await
    }

    /// Starts a cluster in operator mode with the shipped `cluster.conf`; see [`Config::operator_mode`].
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`], and if `directory` holds no `trust.conf`.
    pub async fn operator_mode(directory: &Path) -> Self {
        Self::start(Config::operator_mode(directory)).await
    }

    /// Ends one server as a crash would (SIGKILL).
    ///
    /// # Panics
    ///
    /// If `index` is not 0, 1 or 2.
    pub fn kill9(&mut self, index: usize) {
        self.servers[index].kill9();
    }

    /// Ends one server cleanly.
    ///
    /// # Panics
    ///
    /// If `index` is not 0, 1 or 2, or it does not end within [`PATIENCE`].
    pub async fn stop(&mut self, index: usize) {
        self.servers[index].stop().await;
    }

    /// Starts one server again, at the same ports and with the same data, and waits until it accepts clients.
    ///
    /// It may take a while longer to catch up: see [`Cluster::wait_until_healthy`].
    ///
    /// # Panics
    ///
    /// If `index` is not 0, 1 or 2, or it does not start; with its log.
    pub async fn restart(&mut self, index: usize) {
        self.servers[index].stop().await;
        self.servers[index].launch_again().await;
    }

    /// Cuts one server of [`Cluster::start_severable`] off from the others: nothing goes to and fro any more, and nobody is told.
    /// Clients reach it all the same.
    ///
    /// # Panics
    ///
    /// If the cluster is another.
    pub fn cut_off(&self, index: usize) {
        self.links_of(index).for_each(Proxy::hold);
    }

    /// Joins a server that was cut off to the others again.
    ///
    /// # Panics
    ///
    /// As [`Cluster::cut_off`].
    pub fn rejoin(&self, index: usize) {
        self.links_of(index).for_each(Proxy::release);
    }

    fn links_of(&self, index: usize) -> impl Iterator<Item = &Proxy> {
        assert!(!self.links.is_empty(), "its servers can be cut off");
        let links = self.links.iter();
        let links = links.filter(move |link| link.from == index || link.to == index);
        links.map(|link| &link.proxy)
    }

    /// Waits until the running servers agree on a JetStream leader that runs, and returns its index.
    ///
    /// # Panics
    ///
    /// If there is none within [`PATIENCE`]: two of three servers must run.
    pub async fn wait_for_leader(&self) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(leader) = self.leader().await {
                return leader;
            }
            assert!(
                Instant::now() < deadline,
                "no JetStream leader after {PATIENCE:?}\n{}",
                self.logs()
            );
            tokio::time::sleep(10 * POLL).await; // three servers are asked each time
        }
    }

    /// Waits until every running server is healthy: it has caught up with the leader.
    ///
    /// # Panics
    ///
    /// If one is not within [`PATIENCE`]; with its log.
    pub async fn wait_until_healthy(&self) {
        join_all(self.running().map(NatsServer::wait_until_healthy)).await;
    }

    /// The JetStream leader, if the running servers agree on one of them.
    pub async fn leader(&self) -> Option<usize> {
        let mut agreed = None;
        for server in self.running() {
            let jsz = server.monitor("/jsz").await;
            let name = jsz["meta_cluster"]["leader"].as_str()?;
            let index = self.servers.iter().position(|other| other.name() == name)?;
            if agreed.is_some_and(|agreed| agreed != index) {
                return None;
            }
            agreed = Some(index);
        }
        agreed.filter(|leader| self.servers[*leader].pid().is_some())
    }

    /// The leader of a stream, of whatever account, if one of the running servers is.
    pub async fn stream_leader(&self, stream: &str) -> Option<usize> {
        for (index, server) in self.servers.iter().enumerate() {
            if server.pid().is_none() {
                continue;
            }
            let seen = seen_by(server, stream).await;
            // A server that was just started names itself, whoever leads. Only one that leads, and answers, says since when.
            if seen.is_some_and(|seen| {
                seen["leader"] == server.name() && seen["leader_since"].is_string()
            }) {
                return Some(index);
            }
        }
        None
    }

    /// Waits until a stream has a leader.
    ///
    /// # Panics
    ///
    /// If it has none within [`PATIENCE`]: most of its servers must run.
    pub async fn wait_for_stream_leader(&self, stream: &str) -> usize {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(leader) = self.stream_leader(stream).await {
                return leader;
            }
            assert!(
                Instant::now() < deadline,
                "{stream} has no leader after {PATIENCE:?}\n{}",
                self.logs()
            );
            tokio::time::sleep(5 * POLL).await;
        }
    }

    /// Waits until every replica of a stream holds what its leader holds.
    ///
    /// # Panics
    ///
    /// If that takes longer than [`PATIENCE`].
    pub async fn wait_until_current(&self, stream: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_current(stream).await {
            assert!(
                Instant::now() < deadline,
                "{stream} is not current everywhere after {PATIENCE:?}\n{}",
                self.logs()
            );
            tokio::time::sleep(5 * POLL).await;
        }
    }

    async fn is_current(&self, stream: &str) -> bool {
        let Some(leader) = self.stream_leader(stream).await else {
            return false;
        };
        let Some(seen) = seen_by(&self.servers[leader], stream).await else {
            return false;
        };
        let others = seen["replicas"].as_array().map_or(&[][..], Vec::as_slice);
        // While it is written to, a replica is always a little behind.
        let is_current = |replica: &serde_json::Value| {
            replica["current"] == true && replica["lag"].as_u64().unwrap_or_default() < 64
        };
        others.len() == SERVERS - 1 && others.iter().all(is_current)
    }

    /// Connects without credentials to any running server; the client knows them all.
    ///
    /// # Panics
    ///
    /// If none accepts it.
    pub async fn connect(&self) -> async_nats::Client {
        let urls: Vec<async_nats::ServerAddr> = self
            .servers
            .iter()
            .map(|server| server.url().parse().expect("the harness makes valid URLs"))
            .collect();
        async_nats::ConnectOptions::new()
            .connection_timeout(PATIENCE)
            .connect(urls)
            .await
            .unwrap_or_else(|error| {
                panic!("cannot connect to the cluster: {error}\n{}", self.logs())
            })
    }

    /// One server, to ask it anything.
    ///
    /// # Panics
    ///
    /// If `index` is not 0, 1 or 2.
    #[must_use]
    pub fn server(&self, index: usize) -> &NatsServer {
        &self.servers[index]
    }

    /// All three servers, running or not.
    #[must_use]
    pub fn servers(&self) -> &[NatsServer] {
        &self.servers
    }

    /// Where clients connect: the URLs of all servers, separated by commas.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.servers.iter().map(NatsServer::url).collect();
        urls.join(",")
    }

    fn running(&self) -> impl Iterator<Item = &NatsServer> {
        self.servers.iter().filter(|server| server.pid().is_some())
    }

    fn logs(&self) -> String {
        let logs: Vec<_> = self
            .servers
            .iter()
            .map(|server| format!("--- {}\n{}", server.name(), server.log()))
            .collect();
        logs.join("\n")
    }
}

/// What a server says of a stream's group; nothing if it does not know it.
async fn seen_by(server: &NatsServer, stream: &str) -> Option<serde_json::Value> {
    let jsz = server.monitor("/jsz?accounts=true&streams=true").await;
    let accounts = jsz["account_details"].as_array()?;
    let mut streams = accounts
        .iter()
        .filter_map(|account| account["stream_detail"].as_array())
        .flatten();
    let found = streams.find(|found| found["name"] == stream)?;
    Some(found["cluster"].clone())
}

/// Each server with each other one.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    let others = |from| (0..SERVERS).filter_map(move |to| (from != to).then_some((from, to)));
    (0..SERVERS).flat_map(others)
}

/// Servers with routes to each other, through the links if there are any.
fn places(ports: &[FreePort], links: &[Link]) -> impl Iterator<Item = Place> {
    ports.iter().enumerate().map(|(index, own_port)| {
        let linked = links.iter().filter(|link| link.from == index);
        let linked: Vec<u16> = linked.map(|link| link.proxy.port()).collect();
        Place {
            routes: Some(Routes {
                own_port: own_port.clone(),
                ports: if linked.is_empty() {
                    ports.iter().map(FreePort::number).collect()
                } else {
                    linked
                },
            }),
            ..Place::alone()
        }
    })
}
