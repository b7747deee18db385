//! A real nats-server in operator mode, an organisation, and instances of the service on it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use keyledger_custody::{KdfCost, MaterialContext, NkeySigner, Passphrase, Vault};
use keyledger_domain::{
    Name, Purpose, Purposes, Timestamp,
    template::TemplateVersion,
    verify::{self, SignedHead, StoredEvent, Verifier, header},
};
use keyledger_service::{
    Options, Service, StartError,
    store::{JetStreamStore, Store},
    trust::{InitOptions, Organisation, Root, initialise, initialise_with, known_genesis, setup},
};
use keyledger_testkit::{Cluster, Config, NatsServer, PATIENCE};
use keyledger_wire::{Client, Ids};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// A world of its own for one test, on one server.
pub(crate) struct World {
    pub(crate) server: NatsServer,
    site: Site,
}

/// An organisation on servers.
pub(crate) struct Site {
    pub(crate) organisation: Organisation,
    /// Where clients connect: one or more addresses, joined by commas.
    url: String,
    folder: TempDir,
}

impl std::ops::Deref for World {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl World {
    /// A server with an organisation set up on it; nobody serves yet.
    pub(crate) async fn new() -> Self {
        Self::with_prefix("keys").await
    }

    pub(crate) async fn with_prefix(prefix: &str) -> Self {
        Self::with(prefix, |config| config).await
    }

    /// A world whose server is configured otherwise than the shipped files say.
    pub(crate) async fn with_config(change: impl FnOnce(Config) -> Config) -> Self {
        Self::with("keys", change).await
    }

    async fn with(prefix: &str, change: impl FnOnce(Config) -> Config) -> Self {
        let world = Self::bare(prefix, change).await;
        world.set_up(1).await;
        world
    }

    /// A world whose root key is sealed under a passphrase: only a process of its own serves there.
    pub(crate) async fn with_passphrase(passphrase: Passphrase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::Passphrase(passphrase, KdfCost::LEAST);
        let options = init_options(&folder.path().join("organisation"), "keys", root);
        let organisation = initialise(options).unwrap();
        let world = Self::on(folder, organisation, |config| config).await;
        world.set_up(1).await;
        world
    }

    /// A world whose organisation was made when this version of the templates was the newest.
    pub(crate) async fn of_version(
        template: TemplateVersion,
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("organisation");
        let options = init_options(&directory, "keys", Root::LocalFile);
        let organisation = initialise_with(options, template).unwrap();
        let world = Self::on(folder, organisation, change).await;
        world.set_up(1).await;
        world
    }

    /// A world in which nobody ran `setup`: no stream, no bucket.
    pub(crate) async fn bare(prefix: &str, change: impl FnOnce(Config) -> Config) -> Self {
        let (folder, organisation) = founded(prefix);
        Self::on(folder, organisation, change).await
    }

    async fn on(
        folder: TempDir,
        organisation: Organisation,
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let server = NatsServer::start(change(config(&organisation))).await;
        let url = server.url();
        let site = Site {
            organisation,
            url,
            folder,
        };
        Self { server, site }
    }
}

/// A world on three servers, with three replicas of everything.
pub(crate) struct ClusterWorld {
    pub(crate) cluster: Cluster,
    site: Site,
}

impl std::ops::Deref for ClusterWorld {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl ClusterWorld {
    pub(crate) async fn new() -> Self {
        Self::on(Cluster::start).await
    }

    /// The same on servers that can be cut off from each other.
    pub(crate) async fn severable() -> Self {
        Self::on(Cluster::start_severable).await
    }

    async fn on(start: impl AsyncFnOnce(Config) -> Cluster) -> Self {
        let (folder, organisation) = founded("keys");
        let cluster = start(config(&organisation)).await;
        let url = cluster.url();
        let site = Site {
            organisation,
            url,
            folder,
        };
        site.set_up(3).await;
        Self { cluster, site }
    }
}

fn founded(prefix: &str) -> (TempDir, Organisation) {
    let folder = tempfile::tempdir().unwrap();
    let organisation = organisation(&folder.path().join("organisation"), prefix);
    (folder, organisation)
}

impl Site {
    /// What the servers were started with, unless they were told otherwise.
    pub(crate) fn config(&self) -> Config {
        config(&self.organisation)
    }

    pub(crate) async fn set_up(&self, replicas: usize) {
        let client = self.connect(&self.organisation.creds("setup")).await;
        setup(&client, &self.organisation, replicas).await.unwrap();
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            url: self.url.clone(),
            service_creds: self.organisation.creds("service"),
            system_creds: self.organisation.creds("system"),
            tls_ca: None,
            tls_client: None,
            prefix: self.organisation.prefix(),
            vault: Arc::new(Vault::opened(self.organisation.custody(None).unwrap())),
            snapshot: None,
            directory: Some(self.organisation.directory().to_owned()),
            genesis: Some(known_genesis(&self.organisation).unwrap()),
            accept_rollback: false,
            accept_clock: false,
            accept_data_loss: false,
            attestation_test_root: None,
            require_token_signature: Default::default(),
            user_allowance: Default::default(),
            crl_url: None,
            clock: None,
        }
    }

    /// A new instance.
    pub(crate) async fn serve(&self) -> Service {
        self.try_serve().await.unwrap()
    }

    /// A new instance with other options.
    pub(crate) async fn serve_with(&self, change: impl FnOnce(&mut Options)) -> Service {
        let mut options = self.options();
        change(&mut options);
        Service::start(options).await.unwrap()
    }

    pub(crate) async fn try_serve(&self) -> Result<Service, StartError> {
        Service::start(self.options()).await
    }

    pub(crate) async fn connect(&self, creds: &Path) -> async_nats::Client {
        connect(&self.url, creds).await
    }

    /// The ledger's store, as whoever has the setup creds reaches it, past the service.
    pub(crate) async fn store(&self) -> JetStreamStore {
        self.store_at(&self.url).await
    }

    /// The same by way of one server.
    pub(crate) async fn store_at(&self, url: &str) -> JetStreamStore {
        let client = connect(url, &self.organisation.creds("setup")).await;
        JetStreamStore::open(client, &self.organisation.prefix())
            .await
            .unwrap()
    }

    /// The sequence of the last event that is stored.
    pub(crate) async fn last(&self) -> u64 {
        self.store().await.last_sequence().await.unwrap()
    }

    /// The same once the service has recorded what it does by itself: that every account is on every server.
    pub(crate) async fn settled(&self, admin: &Admin) -> u64 {
        eventually("every account is confirmed", || async {
            let status = admin.ask("status", serde_json::json!({})).await;
            status["unconfirmed_accounts"] == serde_json::json!([])
        })
        .await;
        self.last().await
    }

    /// Every event that is stored, in the form in which it is verified: as an export has it.
    pub(crate) async fn stored(&self) -> Vec<StoredEvent> {
        let stored = self.store().await.read(0, 1_000_000).await.unwrap();
        let exported = stored.into_iter().map(|event| StoredEvent {
            sequence: event.sequence,
            subject: event.subject,
            headers: event
                .headers
                .into_iter()
                .filter(|(name, _)| !header::OF_THE_APPEND.contains(&name.as_str()))
                .collect(),
            payload: event.payload.to_vec(),
        });
        exported.collect()
    }

    /// Whether any event is of the key `name`.
    pub(crate) async fn has_key(&self, name: &str) -> bool {
        let history = format!("{}.events.key.{name}.", self.organisation.prefix());
        let stored = self.stored().await;
        stored.iter().any(|e| e.subject.starts_with(&history))
    }

    /// Verifies the whole ledger offline, with the operator pinned and against the head that the service signs.
    pub(crate) async fn verify(&self, admin: &Admin) -> verify::Report {
        let head = admin.head().await;
        let mut verifier = Verifier::new(self.pinned());
        for event in self
            .stored()
            .await
            .iter()
            .take(usize::try_from(head.events).unwrap())
        {
            verifier.take(event).unwrap_or_else(|e| panic!("{e}"));
        }
        verifier
            .finish(Some(&head))
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// What somebody who verifies knows from elsewhere.
    pub(crate) fn pinned(&self) -> verify::Options {
        verify::Options {
            prefix: Some(self.organisation.prefix().to_string()),
            expected_operator: Some(self.organisation.operator.clone()),
            earlier_heads: Vec::new(),
        }
    }

    /// A signing key of the bootstrap, as a thief of the root key and the directory would open it.
    pub(crate) fn steal(&self, key: &str) -> NkeySigner {
        let directory = self.organisation.directory().join("material");
        let sealed = std::fs::read(directory.join(format!("{key}.1.sealed"))).unwrap();
        let context = MaterialContext {
            key: name(key),
            version: 1,
            purposes: Purposes::of(&[Purpose::Certify]),
        };
        let custody = self.organisation.custody(None).unwrap();
        custody.open_signer(&sealed, &context).unwrap()
    }

    /// The first administrator.
    pub(crate) async fn administrator(&self) -> Admin {
        self.administrator_at(&self.url).await
    }

    /// The same on one server.
    pub(crate) async fn administrator_at(&self, url: &str) -> Admin {
        let nats = connect(url, &self.organisation.creds("admin")).await;
        Admin {
            client: Client::new(nats, self.organisation.prefix()),
        }
    }

    /// A path in the world's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Somebody who sends commands, as JSON.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) client: Client,
}

impl Admin {
    /// Sends `{aggregate}.{verb}` for `name`; an acknowledgement or a refusal as JSON.
    pub(crate) async fn send(&self, verb: &str, name: &str, body: Value) -> Result<Value, Value> {
        self.send_as(verb, name, body, Ids::root(Uuid::now_v7()))
            .await
    }

    pub(crate) async fn send_as(
        &self,
        verb: &str,
        name: &str,
        body: Value,
        ids: Ids,
    ) -> Result<Value, Value> {
        let (aggregate, verb) = verb.split_once('.').unwrap();
        let subject = self.client.prefix().command(aggregate, verb, name);
        let payload = serde_json::to_vec(&body).unwrap();
        match self.client.command_raw(subject, payload.into(), ids).await {
            Ok(acknowledgement) => Ok(serde_json::to_value(acknowledgement).unwrap()),
            Err(keyledger_wire::CommandError::Refused(refusal)) => {
                Err(serde_json::to_value(refusal).unwrap())
            }
            Err(other) => Err(Value::String(other.to_string())),
        }
    }

    pub(crate) async fn ask(&self, tail: &str, question: Value) -> Value {
        // On a busy machine a question may wait for its turn for longer than a client waits by itself.
        let client = self.client.clone().with_timeout(PATIENCE);
        client.query(tail, &question).await.unwrap()
    }

    /// The signed head of the ledger.
    pub(crate) async fn head(&self) -> SignedHead {
        let nothing = serde_json::json!({});
        self.client.query("ledger.head", &nothing).await.unwrap()
    }

    pub(crate) async fn key(&self, name: &str) -> Value {
        self.ask(&format!("inventory.show.{name}"), serde_json::json!({}))
            .await
    }
}

/// The files in which a server keeps the messages of a stream.
pub(crate) fn blocks(directory: &Path, stream: &str) -> Vec<PathBuf> {
    let mut blocks = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains(&format!("{stream}/msgs/"))
                && path.extension().is_some_and(|e| e == "blk")
            {
                blocks.push(path);
            }
        }
    }
    blocks
}

/// Sends a request as it is, past every client; an error says why nothing came back.
pub(crate) async fn send_raw(
    client: &async_nats::Client,
    subject: &str,
    headers: HeaderMap,
    payload: impl Into<Bytes>,
) -> Result<Value, RequestErrorKind> {
    send_within(Duration::from_secs(10), client, subject, headers, payload).await
}

/// The same where no answer is expected, since nats-server does not let it through: to its sender that is silence.
pub(crate) async fn send_unheard(
    client: &async_nats::Client,
    subject: &str,
    headers: HeaderMap,
    payload: impl Into<Bytes>,
) {
    let silence = Duration::from_millis(700);
    let reply = send_within(silence, client, subject, headers, payload).await;
    assert_eq!(reply, Err(RequestErrorKind::TimedOut), "{subject}");
}

pub(crate) async fn send_within(
    patience: Duration,
    client: &async_nats::Client,
    subject: &str,
    headers: HeaderMap,
    payload: impl Into<Bytes>,
) -> Result<Value, RequestErrorKind> {
    let request = async_nats::Request::new()
        .headers(headers)
        .payload(payload.into())
        .timeout(Some(patience));
    let reply = client.send_request(subject.to_owned(), request).await;
    let reply = reply.map_err(|e| e.kind())?;
    Ok(serde_json::from_slice(&reply.payload).unwrap())
}

/// What `keyledger init` makes, in `directory`.
pub(crate) fn organisation(directory: &Path, prefix: &str) -> Organisation {
    initialise(init_options(directory, prefix, Root::LocalFile)).unwrap()
}

fn init_options(directory: &Path, prefix: &str, root: Root) -> InitOptions {
    InitOptions {
        title: "Test organisation".to_owned(),
        prefix: prefix.parse().unwrap(),
        directory: directory.to_owned(),
        root,
        now: now(),
        url: "nats://127.0.0.1:4222".to_owned(),
    }
}

async fn connect(url: &str, creds: &Path) -> async_nats::Client {
    let addresses = url.split(',').map(|url| url.parse().unwrap());
    let addresses: Vec<ServerAddr> = addresses.collect();
    let options = keyledger_wire::creds::options(creds).await.unwrap();
    options.connect(addresses).await.unwrap()
}

fn config(organisation: &Organisation) -> Config {
    Config::operator_mode(organisation.trust_conf().parent().unwrap())
}

/// The time.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap())
}

/// Tries until it is true, for at most [`PATIENCE`].
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, is_true: impl FnMut() -> F) {
    eventually_within(PATIENCE, what, is_true).await;
}

/// The same for what takes long, each try included.
pub(crate) async fn eventually_within<F: Future<Output = bool>>(
    patience: Duration,
    what: &str,
    mut is_true: impl FnMut() -> F,
) {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if is_true().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it did not come to pass within {patience:?}: {what}");
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}
