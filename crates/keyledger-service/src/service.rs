//! A running instance: everything joined together, started and stopped in order.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_nats::ServerAddr;
use futures::future::BoxFuture;
use keyledger_claims::{Creds, subject};
use keyledger_custody::{Custodian, SoftwareCustodian, Vault, read_credential_file};
use keyledger_domain::{
    Stamp, Timestamp, VerifiedBy,
    ledger::{LEDGER_SIGNING_KEY, Outcome},
    name::Name,
    operator::RollbackAccepted,
    signed::RequiredSignatures,
};
use keyledger_pki::x509::{Anchors, CrlUrl};
use keyledger_wire::{
    Dropped, Prefix, REVOCATIONS_NAME, SERVICE_NAME, ServerVersion, UnsupportedServer,
    check_ordinary_file, creds, read_ordinary_text, subject::system,
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};

use crate::{
    allowance::{Allowance, UserAllowance},
    begin::{Beginning, Begun, KnownGenesis},
    clock::ClockWatch,
    durability::{Durability, Streams},
    edge::Edge,
    effects,
    endpoint::{EndpointError, Endpoints, Inlets},
    handler::{Clock, CurrentSigner, Handler, Live, LoadError, Parts},
    lanes::Families,
    material::{MaterialBucket, MaterialError, Materials},
    metrics_port::{self, LoopbackAddress},
    refused::AnyError,
    reserve::Reserve,
    shared::Shared,
    signers::Signers,
    signing::SignerError,
    snapshot::Snapshot,
    store::{JetStreamStore, OpenError, Store},
    trust::{Resolver, TrustHealth, TrustKeys, Watch},
};

/// How long commands under way are given to finish when the service stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the first event of a ledger whose rollback is accepted may take.
const RECORD: Duration = Duration::from_secs(30);
/// How often a snapshot is written, if enough has changed.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(600);
/// How many new events are worth a snapshot.
const SNAPSHOT_EVENTS: u64 = 20_000;

/// How many messages may wait to be sent on a connection: answers to a flood of requests, mostly some 300 bytes each.
const MAX_QUEUED: usize = 16_384;

/// What an instance is started with.
pub struct Options {
    /// The servers' addresses, joined by commas: any of them will do.
    pub url: String,
    /// The creds of the service's own user.
    pub service_creds: PathBuf,
    /// The creds of its user in the system account.
    pub system_creds: PathBuf,
    /// A file of certificates of authorities to trust, beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// A client certificate and its key.
    pub tls_client: Option<(PathBuf, PathBuf)>,
    /// The prefix of all subjects.
    pub prefix: Prefix,
    /// Custody in this instance. If it is sealed, the instance answers questions, and says `sealed` to commands: it uses no snapshot,
    /// pushes nothing, and runs no effect.
    pub vault: Arc<Vault>,
    /// Where to keep a snapshot; nowhere if absent.
    pub snapshot: Option<PathBuf>,
    /// The organisation's directory: what is still there of the bootstrap's sealed keys is restored where the bucket's does not open.
    pub directory: Option<PathBuf>,
    /// The trust bootstrap that the ledger must begin with, where it is known from elsewhere.
    pub genesis: Option<KnownGenesis>,
    /// Serve although a witness proves that the ledger was rolled back or replaced; it is recorded as an event.
    pub accept_rollback: bool,
    /// Take this clock for right, whatever the servers' and the ledger's time are.
    pub accept_clock: bool,
    /// Take commands although a server may lose acknowledged writes.
    pub accept_data_loss: bool,
    /// A file with the root certificate of test tokens, in PEM: their attestations are taken for real ones.
    pub attestation_test_root: Option<PathBuf>,
    /// Which commands are taken only with a signature by a key on the sender's token. The same for every instance.
    pub require_token_signature: RequiredSignatures,
    /// What one user who is no administrator may add to the ledger.
    pub user_allowance: UserAllowance,
    /// Where the lists of revoked certificates are published: written into certificates. The same for every instance.
    pub crl_url: Option<CrlUrl>,
    /// The time; the system's if absent.
    pub clock: Option<Clock>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server refuses or does not answer: check the address and the creds.
    #[error("cannot connect to {url} with {creds}")]
    Connect {
        /// The address.
        url: String,
        /// The creds file.
        creds: PathBuf,
        /// What NATS says, or what is wrong with a file or the address.
        #[source]
        source: AnyError,
        /// True if the server answers and refuses the creds, or there are none: trying again does not help.
        refused: bool,
    },
    /// The servers do not take the creds of the system account's user, though they take the service's own: they hold another JWT of
    /// that account than this organisation's.
    #[error(
        "the servers refuse {creds} in the system account: if these creds are this organisation's, somebody put another JWT in \
         the place of the system account's; stop each server, put jwt/sys.jwt of the organisation's directory into its resolver directory \
         as {{nkey of the system account}}.jwt, and start it"
    )]
    SystemRefused {
        /// The creds file.
        creds: PathBuf,
        /// What NATS says.
        #[source]
        source: AnyError,
    },
    /// A server is too old: upgrade it.
    #[error(transparent)]
    UnsupportedServer(#[from] UnsupportedServer),
    /// The ledger's stream cannot be used.
    #[error(transparent)]
    Stream(#[from] OpenError),
    /// The ledger cannot be folded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The material bucket cannot be used.
    #[error(transparent)]
    Material(#[from] MaterialError),
    /// The ledger holds no trust: run `keyledger setup`, which writes the genesis events.
    #[error(
        "the ledger is empty: run `keyledger setup` with the directory that `keyledger init` wrote"
    )]
    NoGenesis,
    /// The ledger is signed by a key that custody here cannot open: another organisation's, or the wrong root key.
    #[error(
        "this instance cannot sign this ledger; is it the right root key, and the right stream?"
    )]
    Signer(#[from] SignerError),
    /// The root certificate of test tokens cannot be used: give a PEM file of a self-signed authority, or leave it out.
    #[error("the attestation test root {path}")]
    TestRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: AnyError,
    },
    /// No thread can be started: look at the machine's limits.
    #[error("no thread can be started")]
    Edge(#[source] std::io::Error),
    /// That a rollback was accepted could not be recorded: see the log, and start again.
    #[error("that the ledger's rollback is accepted was not recorded within {} s", RECORD.as_secs())]
    NotRecorded,
    /// Servers hold what this ledger never made: an older one was put in its place. Restore the newer one, or accept this one.
    #[error(
        "{0}; restore the newer ledger, or start once with --accept-rollback if this one is the one that counts"
    )]
    RolledBack(String),
    /// The endpoints cannot be opened.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// A file that the connection needs and that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}", path.display())]
struct UnusableFile {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A running instance.
pub struct Service {
    shared: Arc<Shared>,
    inlets: Inlets,
    endpoints: Endpoints,
    effects: JoinSet<()>,
    background: JoinSet<()>,
    snapshot: Option<Arc<Snapshot>>,
    _edge: Edge,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("prefix", &self.shared.prefix)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Connects, folds the ledger, and serves.
    ///
    /// # Errors
    ///
    /// [`StartError`]; each says what to do.
    pub fn start(options: Options) -> BoxFuture<'static, Result<Self, StartError>> {
        // The compiler compiles a future in every crate that awaits it. It compiles this boxed one once, here.
        Box::pin(Self::begin(options))
    }

    async fn begin(options: Options) -> Result<Self, StartError> {
        let durability = Durability::new(&options.prefix, options.accept_data_loss);
        let anchors = anchors(&options)?;
        // Four connections: what clients send is kept apart from what is stored and from what is pushed, and what takes trust
        // away from everything else that they send. Neither the ledger's tail nor a revocation waits behind a flood of requests.
        let own = &options.service_creds;
        let edge = Edge::start().map_err(StartError::Edge)?;
        let here = Handle::current();
        let nobody = Told::default;
        let inlets = Inlets {
            revocations: connect(&options, own, REVOCATIONS_NAME, nobody(), edge.handle()).await?,
            others: connect(&options, own, SERVICE_NAME, nobody(), edge.handle()).await?,
        };
        let told = Told {
            durability: Some(durability.clone()),
            system: None,
        };
        let storing = connect(&options, own, "keyledger-store", told, &here).await?;
        let health = TrustHealth::default();
        let told = Told {
            durability: Some(durability.clone()),
            system: Some(health.clone()),
        };
        let system = &options.system_creds;
        health.set_deaf(!hears_pushes(system));
        let system = connect(&options, system, "keyledger-system", told, &here)
            .await
            .map_err(system_refused)?;
        let prefix = options.prefix.clone();
        let clock_watch = Arc::new(ClockWatch::new(
            storing.clone(),
            prefix.clone(),
            options.clock.clone().unwrap_or_else(system_clock),
            options.accept_clock,
        ));
        clock_watch.check().await;
        let clock = clock_watch.clock();
        durability.check(&system).await;
        if let Some(server) = durability.unsupported() {
            return Err(server.into());
        }
        let store: Arc<dyn Store> = Arc::new(JetStreamStore::open(storing.clone(), &prefix).await?);
        let materials: Arc<dyn Materials> =
            Arc::new(MaterialBucket::open(storing.clone(), &prefix).await?);
        let vault = Arc::clone(&options.vault);
        let custodian: Arc<dyn Custodian> = Arc::new(SoftwareCustodian::new(Arc::clone(&vault)));
        let is_open = vault.is_open();
        let snapshot_key = vault.custody().ok().map(|it| it.mac_key("snapshot"));
        let snapshot = options.snapshot.clone().zip(snapshot_key);
        let snapshot = snapshot.map(|(path, key)| Arc::new(Snapshot::new(path, key)));
        // The ledger says which key signs it, so it is folded before anything can be written.
        let beginning = Beginning {
            store: &*store,
            prefix: &prefix,
            snapshot: snapshot.as_deref(),
            genesis: options.genesis.as_ref(),
            // That it is accepted is an event, which a sealed instance cannot write.
            accept_rollback: options.accept_rollback && is_open,
        };
        let Begun { live, accepted } = beginning.begin().await?;
        let live = Arc::new(live);
        let signers = Arc::new(Signers::new(
            Arc::clone(&custodian),
            Arc::clone(&materials),
            Arc::clone(&live),
        ));
        if live.ledger.read().operator().is_none() {
            return Err(StartError::NoGenesis);
        }
        let trust_keys = TrustKeys {
            live: Arc::clone(&live),
            signers: Arc::clone(&signers),
            materials: Arc::clone(&materials),
            directory: options.directory.clone(),
            health: health.clone(),
            clock: Arc::clone(&clock),
        };
        let signing_key = Name::new(LEDGER_SIGNING_KEY).expect("the constant is a name");
        let ledger_signer = if is_open {
            trust_keys.examine().await;
            signers.signer(&signing_key).await?
        } else {
            signers.unopened(&signing_key)?
        };
        let ledger_signer = Arc::new(CurrentSigner::new(Arc::new(ledger_signer)));
        let (news, inbox) = mpsc::unbounded_channel();
        let reserve = Reserve::new(Arc::clone(&materials), durability.clone());
        let parts = Parts {
            store: Arc::clone(&store),
            prefix: prefix.clone(),
            signer: Arc::clone(&ledger_signer),
            clock: Arc::clone(&clock),
            news,
            reserve: Some(reserve.clone()),
        };
        let handler = Handler::start(parts, Arc::clone(&live)).await?;
        let principal = own_stamp(&live);
        record(&handler, accepted, &principal).await?;
        let resolver = is_open.then(|| {
            Resolver::start(
                system.clone(),
                handler.clone(),
                Arc::clone(&signers),
                options.prefix.clone(),
                Arc::clone(&clock),
                Arc::clone(&principal),
                health.clone(),
            )
        });
        if let Some(resolver) = &resolver {
            // The servers are witnesses: what they hold of this operator's was in the ledger once.
            let ahead = resolver.examine().await;
            if !ahead.is_empty() && options.accept_rollback {
                resolver.overrule(ahead).await;
            } else if let Some(said) = health.refusal() {
                return Err(StartError::RolledBack(said));
            }
        }
        let idle = || Watch::idle(system.clone());
        let servers = resolver.as_ref().map_or_else(idle, Resolver::watch);
        let shared = Arc::new(Shared {
            prefix,
            clock,
            clock_watch: Arc::clone(&clock_watch),
            nats: inlets.others.clone(),
            live,
            handler,
            store,
            materials,
            vault,
            custodian,
            signers,
            ledger_signer,
            anchors,
            allowance: Allowance::new(options.user_allowance),
            require_token_signature: options.require_token_signature.clone(),
            families: Families::new(cores()),
            later: Default::default(),
            folds: Default::default(),
            last_past: Default::default(),
            last_list: Default::default(),
            turns: Default::default(),
            crl_url: options.crl_url.clone(),
            durability: durability.clone(),
            reserve: reserve.clone(),
            inventory: Default::default(),
            trust: health,
            servers,
            instance: std::sync::OnceLock::new(),
        });
        let effects = match resolver {
            Some(resolver) => effects::start(&shared, inbox, &principal, resolver),
            None => effects::idle(inbox),
        };
        let mut background = JoinSet::new();
        background.spawn(reserve.keep());
        background.spawn(durability.clone().watch(system));
        background.spawn(durability.watch_streams(Streams {
            ledger: Arc::clone(&shared.store),
            materials: Arc::clone(&shared.materials),
            nats: shared.nats.clone(),
            prefix: shared.prefix.clone(),
        }));
        background.spawn(async move { clock_watch.watch().await });
        if is_open {
            background.spawn(trust_keys.watch());
        }
        if let Some(snapshot) = &snapshot {
            background.spawn(keep(Arc::clone(snapshot), Arc::clone(&shared.live)));
        }
        let endpoints = Endpoints::open(&inlets, &shared, &edge).await?;
        let _ = shared.instance.set(endpoints.instance().await);
        inlets.are_known(&shared.prefix.events_stream()).await;
        Ok(Self {
            shared,
            inlets,
            endpoints,
            effects,
            background,
            snapshot,
            _edge: edge,
        })
    }

    /// The ledger as it stands.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.shared.live
    }

    /// Whether commands are acknowledged durably, in words.
    #[must_use]
    pub fn durability(&self) -> String {
        self.shared.durability.describe()
    }

    /// Serves what is counted, for Prometheus, until the service stops: `GET /metrics`. Returns where it listens.
    ///
    /// # Errors
    ///
    /// The system's, such as that another program listens there.
    pub async fn serve_metrics(&mut self, address: LoopbackAddress) -> io::Result<SocketAddr> {
        let listener = metrics_port::listen(address).await?;
        let at = listener.local_addr()?;
        let served = metrics_port::serve(listener, Arc::clone(&self.shared));
        self.background.spawn(served);
        Ok(at)
    }

    /// Takes no more requests, finishes those under way, writes a snapshot, and ends.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(self.end())
    }

    async fn end(mut self) {
        self.endpoints.close().await;
        // Answers that were made go out; what waits longer is asked again under its id.
        let _ = tokio::time::timeout(DRAIN, self.inlets.drain()).await;
        self.effects.shutdown().await;
        self.background.shutdown().await;
        if let Some(snapshot) = self.snapshot
            && let Err(error) = snapshot.save(&self.shared.live)
        {
            tracing::warn!(%error, "no snapshot was written; the next start reads the whole ledger");
        }
    }
}

/// Records the rollbacks that were accepted, before anything stands on the ledger that is left.
async fn record(
    handler: &Handler,
    accepted: Vec<RollbackAccepted>,
    principal: &Arc<Stamp>,
) -> Result<(), StartError> {
    for rollback in accepted {
        let outcome = Outcome::RollbackAccepted(rollback.clone());
        handler.outcome(outcome, Arc::clone(principal)).await;
        let recorded = async {
            let is_recorded = || {
                let ledger = handler.live().ledger.read();
                let operator = ledger.operator();
                operator.is_some_and(|(_, operator)| operator.state.accepts(&rollback))
            };
            while !is_recorded() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let recorded = tokio::time::timeout(RECORD, recorded).await;
        recorded.map_err(|_| StartError::NotRecorded)?;
    }
    Ok(())
}

/// Who is told what becomes of a connection.
#[derive(Clone, Default)]
struct Told {
    /// When it is lost: what comes back may store otherwise.
    durability: Option<Durability>,
    /// Of the connection in the system account, when servers refuse it.
    system: Option<TrustHealth>,
}

/// True if these creds of the system account's user allow to hear what others push. Organisations that were set up before
/// that was so have creds that do not.
fn hears_pushes(creds: &Path) -> bool {
    let file = read_credential_file(creds).ok();
    let text = file
        .as_ref()
        .map(|file| String::from_utf8_lossy(file.expose()));
    let Some(creds) = text.and_then(|text| Creds::parse(&text).ok()) else {
        return true; // it says so itself when it connects
    };
    let claims = creds.claims();
    let allowed = &claims.nats.limits.subscribe.allow;
    let hears = |subject: &str| {
        allowed
            .iter()
            .any(|pattern| subject::covers(pattern, subject))
    };
    allowed.is_empty() || system::CLAIMS_UPDATES.into_iter().all(hears)
}

/// Connects; `told` hears of what becomes of the connection.
///
/// The connection lives on the threads `on`.
async fn connect(
    options: &Options,
    own: &Path,
    name: &str,
    told: Told,
    on: &Handle,
) -> Result<async_nats::Client, StartError> {
    let refused = |source: AnyError| StartError::Connect {
        url: options.url.clone(),
        creds: own.to_owned(),
        source,
        refused: false,
    };
    let dropped = Dropped::default();
    let mut connect = creds::options(own)
        .await
        .map_err(|e| refused(e.into()))?
        .name(name)
        .ping_interval(Duration::from_secs(10))
        .client_capacity(MAX_QUEUED)
        .event_callback(move |event| {
            match event {
                async_nats::Event::SlowConsumer(_) => dropped.one_more(|count| {
                    tracing::warn!(
                        count,
                        "messages were dropped: they came faster than they were read"
                    );
                }),
                async_nats::Event::Connected => {
                    tracing::info!("connected");
                    told.durability.iter().for_each(Durability::reconnected);
                    told.system
                        .iter()
                        .for_each(|trust| trust.set_refused(false));
                }
                async_nats::Event::Disconnected => {
                    tracing::warn!("disconnected");
                    told.durability.iter().for_each(Durability::disconnected);
                }
                // Ours, when the instance stops.
                ending @ (async_nats::Event::Draining | async_nats::Event::Closed) => {
                    tracing::info!(event = %ending, "NATS says");
                }
                other => {
                    tracing::warn!(event = %other, "NATS says");
                    if is_refusal(&other) {
                        told.system.iter().for_each(|trust| trust.set_refused(true));
                    }
                }
            }
            async {}
        });
    let client = options
        .tls_client
        .iter()
        .flat_map(|(cert, key)| [cert, key]);
    for path in options.tls_ca.iter().chain(client) {
        check_ordinary_file(path, creds::MAX_BYTES).map_err(|source| {
            refused(Box::new(UnusableFile {
                path: path.clone(),
                source,
            }))
        })?;
    }
    if let Some(ca) = &options.tls_ca {
        connect = connect.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &options.tls_client {
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    let addresses: Vec<ServerAddr> = options
        .url
        .split(',')
        .map(|url| url.trim().parse())
        .collect::<Result<_, _>>()
        .map_err(|e: std::io::Error| refused(e.into()))?;
    let connected = on.spawn(async move { connect.connect(addresses).await });
    let connected = connected.await.map_err(|e| refused(e.into()))?;
    let client = connected.map_err(|e| StartError::Connect {
        url: options.url.clone(),
        creds: own.to_owned(),
        refused: matches!(
            e.kind(),
            async_nats::ConnectErrorKind::AuthorizationViolation
                | async_nats::ConnectErrorKind::Authentication
        ),
        source: e.into(),
    })?;
    let server = client.server_info();
    ServerVersion::check(&server.server_name, &server.version)?;
    Ok(client)
}

/// The service's own creds were taken a moment before.
fn system_refused(error: StartError) -> StartError {
    match error {
        StartError::Connect {
            creds,
            source,
            refused: true,
            ..
        } => StartError::SystemRefused { creds, source },
        other => other,
    }
}

/// True where a server does not take the credentials: of a live connection, or when it is made anew.
fn is_refusal(event: &async_nats::Event) -> bool {
    let text = event.to_string().to_ascii_lowercase();
    text.contains("authorization") || text.contains("authentication")
}

/// Yubico's roots; with them the one of test tokens, where the configuration names it.
fn anchors(options: &Options) -> Result<Anchors, StartError> {
    let anchors = Anchors::yubico();
    let Some(path) = &options.attestation_test_root else {
        return Ok(anchors);
    };
    let refused = |source: AnyError| StartError::TestRoot {
        path: path.clone(),
        source,
    };
    let pem = read_ordinary_text(path, creds::MAX_BYTES).map_err(|e| refused(e.into()))?;
    tracing::warn!(path = %path.display(), "test tokens count as real ones: their attestations prove nothing");
    anchors.with_test_root(&pem).map_err(|e| refused(e.into()))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn system_clock() -> Clock {
    Arc::new(|| Timestamp::from_ms(jiff::Timestamp::now().as_millisecond()))
}

/// The stamp of what the service itself records.
fn own_stamp(live: &Live) -> Arc<Stamp> {
    let ledger = live.ledger.read();
    let user = ledger.users().find(|(name, _)| name.as_str() == "service");
    let account = user.and_then(|(_, user)| ledger.account(&user.state.account));
    Arc::new(Stamp {
        account: account.map(|a| (*a.state.nkey).into()).unwrap_or_default(),
        user: user
            .map(|(_, u)| (*u.state.nkey).into())
            .unwrap_or_default(),
        name: Some("service".into()),
        role: None,
        host: None,
        verified_by: VerifiedBy::Service,
        key: None,
    })
}

/// Writes a snapshot now and then, where enough has changed.
async fn keep(snapshot: Arc<Snapshot>, live: Arc<Live>) {
    let mut saved = live.position().digest.events();
    loop {
        tokio::time::sleep(SNAPSHOT_EVERY).await;
        let events = live.position().digest.events();
        if events < saved + SNAPSHOT_EVENTS {
            continue;
        }
        let (snapshot, live) = (Arc::clone(&snapshot), Arc::clone(&live));
        match tokio::task::spawn_blocking(move || snapshot.save(&live)).await {
            Ok(Ok(())) => saved = events,
            Ok(Err(error)) => tracing::warn!(%error, "no snapshot was written"),
            Err(error) => tracing::warn!(%error, "no snapshot was written"),
        }
    }
}
